/** A view as an address: which file, which map, which selection. Pure; everything that comes in is checked. */

import { type Ablation, type KernelEdit, noAblation } from './ablation';
import { kernelParts } from './kernels';
import { type Stage, stages } from './operators';

/** What a link opens. Offsets are UTF-16 offsets in the document, since tokens depend on the model and the window. */
export interface LinkTarget {
  /** Name of the workspace's folder; null: whichever has the file. */
  readonly folder: string | null;
  /** Path inside the folder, with slashes. */
  readonly file: string;
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly stage: Stage;
  readonly difference: boolean;
  /** Id of the panel's view; null: the current one. An unknown one changes nothing. */
  readonly tab: string | null;
  /** What is switched off. Edited weights are too long for an address: see `isLinkable`. */
  readonly ablation: Ablation;
  /** What the shown run is compared with; null: nothing, or what no link can name, such as the clipboard. */
  readonly comparison: LinkedComparison | null;
  /** Where the selected token starts, and the other end of a range. */
  readonly at: number | null;
  readonly anchor: number | null;
}

/** What a comparison can be opened again with: a known model by its name, or a version of the text. */
export type LinkedComparison =
  | { readonly kind: 'saved' | 'commit' }
  | { readonly kind: 'model'; readonly name: string };

/** Of an id of one of the panel's views. */
export const viewIdPattern = /^[a-z]{1,20}$/;
const modelName = /^[\w-][\w.-]{0,79}$/;

/** How a link names a model, where its name fits into one. */
export function linkedModel(name: string): { readonly link?: LinkedComparison } {
  return modelName.test(name) ? { link: { kind: 'model', name } } : {};
}

/** Of links of earlier versions, whose names are encoded as in any address. */
const formerNames = ['folder', 'file'] as const;

const maxPathLength = 1024;
const maxNumber = 2 ** 31 - 1;
const maxEdits = 200;

/** Whether a link can name an ablation: parts that are off, not weights that were edited. */
export function isLinkable({ edits }: Ablation): boolean {
  return edits.length <= maxEdits && edits.every(({ weights }) => weights === null);
}

/** The query of a link, without the question mark. */
export function linkQuery(target: LinkTarget): string {
  const parameters = new Map<string, string>();
  if (target.folder !== null) parameters.set('root', encodeName(target.folder));
  parameters.set('path', encodeName(target.file));
  parameters.set('layer', String(target.layerIdx));
  parameters.set('head', String(target.headIdx));
  parameters.set('stage', target.stage);
  if (target.difference) parameters.set('difference', '1');
  if (target.tab !== null) parameters.set('tab', target.tab);
  const { scope, edits } = target.ablation;
  if (edits.length > 0 && isLinkable(target.ablation)) {
    const all = (value: number | string | null) => value ?? '*';
    const off = edits.map(({ layerIdx, headIdx, part }) => [layerIdx, headIdx, part].map(all).join('.'));
    parameters.set('off', off.join(','));
    if (scope === 'layer') parameters.set('scope', scope);
  }
  const { comparison } = target;
  if (comparison) {
    parameters.set('compare', comparison.kind === 'model' ? `model.${comparison.name}` : comparison.kind);
  }
  if (target.at !== null) parameters.set('at', String(target.at));
  if (target.anchor !== null) parameters.set('anchor', String(target.anchor));
  // Every value is of characters that no decoding changes, so that it may happen once, twice or never.
  return [...parameters].map(([name, value]) => `${name}=${value}`).join('&');
}

/**
 * A name in characters that addresses leave as they are: all others become the bytes of UTF-8 as "~2B". VS Code decodes
 * "%2B" before a link reaches its extension, and a "+", "&" or "%" would then be read as something else.
 */
function encodeName(name: string): string {
  const odd = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(name)
    .replace(/[~!'()*]/g, odd)
    .replaceAll('%2F', '/')
    .replaceAll('%', '~');
}

/** @throws RangeError naming the parameter. */
function decodeName(parameter: string, text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('%', '%25').replaceAll('~', '%'));
  } catch {
    throw new RangeError(`"${parameter}" is "${text.slice(0, 40)}", expected a name with bytes as ~2B`);
  }
}

/** @throws RangeError that names the parameter and says what it should be. */
export function parseLink(query: string): LinkTarget {
  const parameters = new URLSearchParams(query);
  const known = [
    ...['root', 'path', 'layer', 'head', 'stage', 'difference', 'tab', 'off', 'scope', 'compare', 'at', 'anchor'],
    ...formerNames,
  ];
  for (const name of parameters.keys()) {
    if (!known.includes(name))
      throw new RangeError(`"${name.slice(0, 40)}" is not a parameter; known are ${known.join(', ')}`);
    if (parameters.getAll(name).length > 1) throw new RangeError(`"${name}" is given more than once`);
  }
  const number = (name: string) => {
    const text = parameters.get(name);
    if (text === null) return null;
    if (!/^\d{1,10}$/.test(text) || Number(text) > maxNumber) {
      throw new RangeError(`"${name}" is "${text.slice(0, 40)}", expected a whole number from 0`);
    }
    return Number(text);
  };
  const stage = parameters.get('stage') ?? 'mixed_pattern';
  if (!(stages as readonly string[]).includes(stage)) {
    throw new RangeError(`"stage" is "${stage.slice(0, 40)}", expected ${stages.join(', ')}`);
  }
  const at = number('at');
  const tab = parameters.get('tab');
  if (tab !== null && !viewIdPattern.test(tab)) {
    throw new RangeError(`"tab" is "${tab.slice(0, 40)}", expected a word such as lens`);
  }
  const name = (current: string, former: string) => {
    const text = parameters.get(current);
    return text === null ? parameters.get(former) : decodeName(current, text);
  };
  return {
    folder: name('root', 'folder'),
    file: checkPath(parameters.has('file') ? 'file' : 'path', name('path', 'file') ?? ''),
    layerIdx: number('layer') ?? 0,
    headIdx: number('head') ?? 0,
    stage: stage as Stage,
    difference: parameters.get('difference') === '1',
    tab,
    ablation: parseAblation(parameters.get('off'), parameters.get('scope')),
    comparison: parseComparison(parameters.get('compare')),
    at,
    anchor: at === null ? null : number('anchor'),
  };
}

/** Only its form: whether the model has what it names is for the model to say. */
function parseAblation(off: string | null, scope: string | null): Ablation {
  if (scope !== null && scope !== 'layer' && scope !== 'model') {
    throw new RangeError(`"scope" is "${scope.slice(0, 40)}", expected layer or model`);
  }
  if (off === null) return noAblation;
  const words = off.split(',');
  if (words.length > maxEdits) throw new RangeError(`"off" names ${words.length} places, expected at most ${maxEdits}`);
  const edits = words.map((word): KernelEdit => {
    const [, layer, head, name] = /^(\*|\d{1,4})\.(\*|\d{1,4})\.(\*|\w{1,40})$/.exec(word) ?? [];
    const part = name === '*' ? null : kernelParts.find(known => known === name);
    if (layer === undefined || head === undefined || part === undefined) {
      const parts = kernelParts.join(', ');
      throw new RangeError(
        `"off" has "${word.slice(0, 60)}", expected layer.head.part with * for all, parts are ${parts}`,
      );
    }
    const index = (text: string) => (text === '*' ? null : Number(text));
    return { part, layerIdx: index(layer), headIdx: index(head), weights: null };
  });
  return { scope: scope ?? 'model', edits };
}

/** A model is named, never given as a path: which folders models are loaded from is not for a link to say. */
function parseComparison(text: string | null): LinkedComparison | null {
  if (text === null) return null;
  if (text === 'saved' || text === 'commit') return { kind: text };
  const name = text.startsWith('model.') ? text.slice('model.'.length) : '';
  if (!modelName.test(name)) {
    throw new RangeError(`"compare" is "${text.slice(0, 40)}", expected saved, commit or model.name`);
  }
  return { kind: 'model', name };
}

/**
 * A path that stays inside its folder: relative, with slashes, without dots that climb (Windows overlooks spaces and dots
 * behind them) and without odd characters, drives and streams among them.
 */
function checkPath(parameter: string, path: string): string {
  const isOdd = path.length === 0 || path.length > maxPathLength || /[\\:\p{Cc}\p{Cs}]/u.test(path);
  const climbs = path.split('/').some(part => /^[. ]*$/.test(part));
  if (isOdd || climbs) {
    throw new RangeError(`"${parameter}" is not a path inside the workspace, expected one like src/main.ts`);
  }
  return path;
}
