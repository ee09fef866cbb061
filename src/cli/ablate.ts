/** `mta-inspect ablate`: every single ablation of a model on a file's window, ranked by effect. */

import { rankEffects } from '../attention/ablationEffects';
import { describeEdit } from '../shared/ablation';
import type { KernelPart } from '../shared/kernels';
import { type AnalyzedDocument, type DocumentJson, documentJson, documentRun } from './document';
import { oneLine } from './terminal';

/** The JSON of `ablate --json`; documented in schemas/ablate.schema.json. */
export interface AblateJson extends DocumentJson {
  readonly format: 'mta-ablate-1';
  readonly effects: readonly {
    readonly layer: number;
    readonly part: KernelPart;
    /** Null: all heads of the layer. */
    readonly head: number | null;
    readonly mean_kl_bits: number;
    /** Null for a window of one token, which predicts nothing that is known. */
    readonly mean_surprisal_change_bits: number | null;
  }[];
}

export async function ablateJson(document: AnalyzedDocument, withHeads: boolean): Promise<AblateJson> {
  const { engine } = document;
  const effects = await engine.rankAblations({ analysisId: documentRun, withHeads });
  return {
    format: 'mta-ablate-1',
    ...documentJson(document),
    effects: rankEffects(effects).map(({ edit, meanKlBits, meanSurprisalChangeBits }) => ({
      layer: edit.layerIdx!,
      part: edit.part!,
      head: edit.headIdx,
      mean_kl_bits: meanKlBits,
      mean_surprisal_change_bits: Number.isNaN(meanSurprisalChangeBits) ? null : meanSurprisalChangeBits,
    })),
  };
}

/** A table for people. */
export function ablateText(json: AblateJson, nRows = 20): string {
  const { effects } = json;
  const lines = [
    `${oneLine(json.file)}: ${json.tokens} tokens, ${oneLine(json.model.name)} on ${json.provider}`,
    'Each part switched off by itself, whole model: mean KL divergence of the prediction, change of surprisal.',
  ];
  if (effects.length === 0) lines.push('The model has no convolution and no head mixing: there is nothing to ablate.');
  for (const { layer, part, head, mean_kl_bits: kl, mean_surprisal_change_bits: change } of effects.slice(0, nRows)) {
    const what = describeEdit({ part, layerIdx: layer, headIdx: head, weights: null });
    lines.push(`${kl.toFixed(4).padStart(10)} bits  ${signed(change).padStart(9)} bits/token  ${what}`);
  }
  if (effects.length > nRows) lines.push(`${effects.length - nRows} smaller ones (all of them with --json)`);
  return lines.join('\n');
}

function signed(value: number | null): string {
  if (value === null) return 'unknown';
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
}
