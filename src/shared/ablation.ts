/**
 * What a run changes about a model's learned parts: heads set to identity, or given other weights.
 *
 * Edits apply in order, later ones win. Null means "all": `{part: null, layerIdx: 2, headIdx: null, weights: null}`
 * switches off everything that layer 2 has.
 */

import type { LayerSummary } from './analysis';
import { headMatrix, identityMatrix, type KernelPart, type KernelWeights, kernelParts } from './kernels';
import { Failure, shown } from './tools/failure';
import { t } from './tools/l10n';

export interface KernelEdit {
  readonly part: KernelPart | null;
  readonly layerIdx: number | null;
  readonly headIdx: number | null;
  /** Null: the identity. Else the head's matrix, row-major; part, layer and head must then be named. */
  readonly weights: readonly number[] | null;
}

/**
 * How far a change reaches. `model`: later layers read what the changed layers give. `layer`: every layer reads what
 * it read before; maps of changed layers change, and the prediction only by what those layers add to the stream
 * directly (their direct effect).
 */
type AblationScope = 'model' | 'layer';

export interface Ablation {
  readonly scope: AblationScope;
  /** Empty: the model as it was trained. */
  readonly edits: readonly KernelEdit[];
}

/** What one ablation does to the prediction over a window, whole model. */
export interface AblationEffect {
  readonly edit: KernelEdit;
  /**
   * Mean over positions of the divergence of the next-token distributions, KL(trained || ablated) = sum p log2(p / q),
   * in bits; 0 only where nothing changed.
   */
  readonly meanKlBits: number;
  /** Mean over tokens of surprisal ablated minus surprisal trained, bits per token; negative where it predicts better. */
  readonly meanSurprisalChangeBits: number;
}

export const noAblation: Ablation = { scope: 'model', edits: [] };

export const partLabels: Readonly<Record<KernelPart, string>> = {
  pre_softmax_conv: t('convolution before softmax'),
  pre_softmax_head_mix: t('head mixing before softmax'),
  post_softmax_conv: t('convolution after softmax'),
  post_softmax_head_mix: t('head mixing after softmax'),
};

export interface Preset {
  readonly label: string;
  readonly edits: readonly KernelEdit[];
}

/** Ablations a reader asks for most, as far as the model has the parts; the last one is of the layer `layerIdx`. */
export function presets(layers: readonly LayerSummary[], layerIdx: number): Preset[] {
  const off = (part: KernelPart | null, layer: number | null = null): KernelEdit => ({
    part,
    layerIdx: layer,
    headIdx: null,
    weights: null,
  });
  const all: Preset[] = [
    { label: t('All of MTA off'), edits: [off(null)] },
    { label: t('Convolution before softmax off'), edits: [off('pre_softmax_conv')] },
    { label: t('Convolution after softmax off'), edits: [off('post_softmax_conv')] },
    { label: t('Head mixing off'), edits: [off('pre_softmax_head_mix'), off('post_softmax_head_mix')] },
    { label: t('Layer {0} off', layerIdx), edits: [off(null, layerIdx)] },
  ];
  return all
    .map(preset => ({ ...preset, edits: preset.edits.filter(edit => hasPart(layers, edit)) }))
    .filter(preset => preset.edits.length > 0);
}

/** The ablation after one more edit. What the new edit covers whole is dropped: it would have no effect. */
export function withEdit(ablation: Ablation, edit: KernelEdit): Ablation {
  return { ...ablation, edits: [...ablation.edits.filter(old => !covers(edit, old)), edit] };
}

/** The edits that touch a head's matrix, and so the last of them: null where it is as trained. */
export function editOf({ edits }: Ablation, part: KernelPart, layerIdx: number, headIdx: number): KernelEdit | null {
  return edits.findLast(edit => covers(edit, { part, layerIdx, headIdx })) ?? null;
}

/**
 * A part's weights after an ablation.
 * @returns `trained` itself where no edit touches it, else a changed copy.
 */
export function ablatedWeights(trained: KernelWeights, layerIdx: number, ablation: Ablation): KernelWeights {
  const { part, rows, columns } = trained;
  if (!touches(ablation, part, layerIdx)) return trained;
  const values = trained.values.slice();
  const nHeads = values.length / (rows * columns);
  for (let headIdx = 0; headIdx < nHeads; headIdx++) {
    const edit = editOf(ablation, part, layerIdx, headIdx);
    if (edit) headMatrix({ ...trained, values }, headIdx).set(edit.weights ?? identityMatrix(trained, headIdx));
  }
  return { ...trained, values };
}

/** Layers whose weights an ablation may change, in order. */
export function ablatedLayers(ablation: Ablation, layers: readonly LayerSummary[]): number[] {
  return layers
    .filter(({ layerIdx, kernels }) => kernelParts.some(part => kernels[part] && touches(ablation, part, layerIdx)))
    .map(({ layerIdx }) => layerIdx);
}

/** In a few words what is changed, for banner, status bar, hover and command line. Empty for no ablation. */
export function describeAblation({ scope, edits }: Ablation): string {
  if (edits.length === 0) return '';
  const said = edits.slice(0, 3).map(describeEdit);
  if (edits.length > 3) said.push(t('{0} more', edits.length - 3));
  return scope === 'layer' ? t('{0} (this layer only)', said.join(', ')) : said.join(', ');
}

export function describeEdit(edit: KernelEdit): string {
  const place = describePart(edit);
  return edit.weights ? t('{0} edited', place) : t('{0} off', place);
}

/** Which kernels an edit is of. */
export function describePart({ part, layerIdx, headIdx }: KernelEdit): string {
  const where = [
    ...(layerIdx === null ? [] : [t('layer {0}', layerIdx)]),
    ...(headIdx === null ? [] : [t('head {0}', headIdx)]),
  ];
  const what = part === null ? (where.length ? t('all parts') : t('all of MTA')) : partLabels[part];
  return [...where, what].join(' ');
}

/**
 * Checks an ablation that came from elsewhere against a model.
 * @throws Failure `bad-ablation` saying which edit is wrong and what the model has.
 */
export function checkAblation(value: unknown, layers: readonly LayerSummary[], nHeads: number): Ablation {
  const { scope, edits } = (value ?? {}) as Partial<Record<keyof Ablation, unknown>>;
  if (scope !== 'model' && scope !== 'layer') throw bad(`its scope is ${shown(scope)}, expected "model" or "layer"`);
  if (!Array.isArray(edits) || edits.length > maxEdits) throw bad(`its edits are not a list of at most ${maxEdits}`);
  return { scope, edits: edits.map(edit => checkEdit(edit, layers, nHeads)) };
}

const maxEdits = 10_000;

function checkEdit(value: unknown, layers: readonly LayerSummary[], nHeads: number): KernelEdit {
  const { part, layerIdx, headIdx, weights } = (value ?? {}) as Partial<Record<keyof KernelEdit, unknown>>;
  if (part !== null && !kernelParts.includes(part as KernelPart)) {
    throw bad(`it names the part ${shown(part)}, expected ${kernelParts.join(', ')}`);
  }
  const isBelow = (index: unknown, count: number) =>
    Number.isInteger(index) && Number(index) >= 0 && Number(index) < count;
  if (layerIdx !== null && !isBelow(layerIdx, layers.length)) {
    throw bad(`it names layer ${shown(layerIdx)}, the model has layers 0 to ${layers.length - 1}`);
  }
  if (headIdx !== null && !isBelow(headIdx, nHeads)) {
    throw bad(`it names head ${shown(headIdx)}, the model has heads 0 to ${nHeads - 1}`);
  }
  const edit = { part, layerIdx, headIdx, weights: null } as KernelEdit;
  if (!hasPart(layers, edit)) {
    const place = layerIdx === null ? 'the model' : `layer ${layerIdx}`;
    throw bad(`${place} has no ${part === null ? 'convolution or head mixing' : partLabels[edit.part!]}`);
  }
  if (weights === null) return edit;
  if (part === null || layerIdx === null || headIdx === null)
    throw bad('edited weights need a part, a layer and a head');
  const { rows, columns } = layers[edit.layerIdx!]!.kernels[edit.part!]!;
  if (!Array.isArray(weights) || weights.length !== rows * columns) {
    throw bad(`its weights are not ${rows}×${columns} numbers, as ${partLabels[edit.part!]} of layer ${layerIdx} has`);
  }
  const wrong = weights.findIndex(weight => typeof weight !== 'number' || !Number.isFinite(weight));
  if (wrong >= 0) throw bad(`its weight ${wrong} is ${shown(weights[wrong])}, expected a finite number`);
  return { ...edit, weights };
}

/** Whether the model has what an edit names. */
function hasPart(layers: readonly LayerSummary[], { part, layerIdx }: KernelEdit): boolean {
  return layers.some(
    layer =>
      (layerIdx === null || layer.layerIdx === layerIdx) &&
      (part === null ? Object.keys(layer.kernels).length > 0 : layer.kernels[part] !== undefined),
  );
}

function touches({ edits }: Ablation, part: KernelPart, layerIdx: number): boolean {
  return edits.some(
    edit => (edit.part === null || edit.part === part) && (edit.layerIdx === null || edit.layerIdx === layerIdx),
  );
}

/** Whether everything `inner` names is named by `outer` too. */
function covers(outer: Omit<KernelEdit, 'weights'>, inner: Omit<KernelEdit, 'weights'>): boolean {
  return (['part', 'layerIdx', 'headIdx'] as const).every(key => outer[key] === null || outer[key] === inner[key]);
}

function bad(why: string): Failure {
  return new Failure('bad-ablation', `Cannot ablate: ${why}. Change it, or reset the ablation.`);
}
