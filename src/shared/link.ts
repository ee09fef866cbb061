/** A view as an address: which file, which map, which selection. Pure; everything that comes in is checked. */

import { type Stage, stages } from './attentionMap';

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
  /** Where the selected token starts, and the other end of a range. */
  readonly at: number | null;
  readonly anchor: number | null;
}

const maxPathLength = 1024;
const maxNumber = 2 ** 31 - 1;

/** The query of a link, without the question mark. */
export function linkQuery(target: LinkTarget): string {
  const parameters = new Map<string, string>();
  if (target.folder !== null) parameters.set('folder', target.folder);
  parameters.set('file', target.file);
  parameters.set('layer', String(target.layerIdx));
  parameters.set('head', String(target.headIdx));
  parameters.set('stage', target.stage);
  if (target.difference) parameters.set('difference', '1');
  if (target.at !== null) parameters.set('at', String(target.at));
  if (target.anchor !== null) parameters.set('anchor', String(target.anchor));
  return [...parameters].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

/** @throws RangeError that names the parameter and says what it should be. */
export function parseLink(query: string): LinkTarget {
  const parameters = new URLSearchParams(query);
  const known = ['folder', 'file', 'layer', 'head', 'stage', 'difference', 'at', 'anchor'];
  for (const name of parameters.keys()) {
    if (!known.includes(name))
      throw new RangeError(`"${name.slice(0, 40)}" is no parameter; known are ${known.join(', ')}`);
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
  return {
    folder: parameters.get('folder'),
    file: checkPath(parameters.get('file') ?? ''),
    layerIdx: number('layer') ?? 0,
    headIdx: number('head') ?? 0,
    stage: stage as Stage,
    difference: parameters.get('difference') === '1',
    at,
    anchor: at === null ? null : number('anchor'),
  };
}

/** A path that stays inside its folder: relative, with slashes, without dots that climb and without odd characters. */
function checkPath(path: string): string {
  const isOdd = path.length === 0 || path.length > maxPathLength || /[\\:\p{Cc}\p{Cs}]/u.test(path);
  const climbs = path.split('/').some(part => part === '' || part === '.' || part === '..');
  if (isOdd || climbs) throw new RangeError('"file" is no path inside the workspace, expected one like src/main.ts');
  return path;
}
