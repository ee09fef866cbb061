/** `mta-inspect lens`: what the residual stream after each layer predicts, read by the output head. */

import { toBits } from '../inference/run/predictions';
import type { RowKind } from '../shared/relevance';
import { type AnalyzedDocument, type DocumentJson, documentJson, documentRun } from './document';
import { selectedTokens, type TargetChoice, type TokenJson, tokenQuestion } from './targets';
import { oneLine } from './terminal';

export interface LensOptions {
  readonly at: number;
  readonly to: number | undefined;
  readonly row: RowKind;
  readonly target: TargetChoice;
  /** Likeliest tokens of each layer. */
  readonly topK: number;
}

/** The JSON of `lens --json`; documented in schemas/lens.schema.json. */
export interface LensJson extends DocumentJson {
  readonly format: 'mta-lens-1';
  readonly rows: RowKind;
  readonly selection: { readonly first: number; readonly end: number };
  readonly positions: readonly LensPositionJson[];
}

interface LensPositionJson {
  /** The selected token, and the row of the residual stream that is read. */
  readonly token: number;
  readonly row: number;
  readonly text: string;
  readonly target: TokenJson;
  readonly layers: readonly LensLayerJson[];
}

interface LensLayerJson {
  readonly layer: number;
  readonly probability: number;
  readonly surprisal_bits: number;
  readonly rank: number;
  readonly entropy_bits: number;
  readonly kl_bits: number;
  readonly top: readonly (TokenJson & { readonly probability: number })[];
}

export async function lensJson(document: AnalyzedDocument, options: LensOptions): Promise<LensJson> {
  const { engine, tokens } = document;
  const selection = selectedTokens(document, options.at, options.to);
  const { rows, targets } = tokenQuestion(document, selection, options.row, options.target);
  const lens = await engine.experiments.logitLens({ analysisId: documentRun, rows, targets, k: options.topK });
  const label = (id: number) => engine.label(id);
  const layerJson = (position: number): LensLayerJson[] =>
    lens.map((layer, layerIdx) => {
      const k = layer.topIds.length / targets.length;
      const logProbability = layer.logProbabilities[position]!;
      return {
        layer: layerIdx,
        probability: Math.exp(logProbability),
        surprisal_bits: -toBits(logProbability),
        rank: layer.ranks[position]!,
        entropy_bits: toBits(layer.entropy[position]!),
        kl_bits: toBits(layer.divergence[position]!),
        top: Array.from(layer.topIds.subarray(position * k, (position + 1) * k), (id, i) => ({
          ...{ id, text: label(id) },
          probability: Math.exp(layer.topLogProbabilities[position * k + i]!),
        })),
      };
    });
  return {
    format: 'mta-lens-1',
    ...documentJson(document),
    ...{ rows: options.row, selection },
    positions: targets.map((id, i) => ({
      ...{ token: selection.first + i, row: rows.first + i, text: tokens.labels[selection.first + i]! },
      target: { id, text: label(id) },
      layers: layerJson(i),
    })),
  };
}

/** A table for people. */
export function lensText(json: LensJson): string {
  const lines = [
    `${oneLine(json.file)}: ${json.tokens} tokens, ${oneLine(json.model.name)} on ${json.provider}`,
    `Logit lens, ${json.rows} rows: the output head on the residual stream after each layer.`,
  ];
  for (const { token, row, target, layers } of json.positions) {
    lines.push(`token ${token}, row ${row}, target ${quoted(target.text)} (${target.id})`);
    lines.push('  layer  probability  rank  entropy bits  KL bits  likeliest');
    for (const { layer, probability, rank, entropy_bits: entropy, kl_bits: kl, top } of layers) {
      const numbers = [
        String(layer).padStart(7),
        probability.toPrecision(3).padStart(11),
        String(rank).padStart(4),
        entropy.toFixed(2).padStart(12),
        kl.toFixed(3).padStart(7),
      ];
      lines.push(
        `${numbers.join('  ')}  ${top
          .slice(0, 3)
          .map(({ text }) => quoted(text))
          .join(' ')}`,
      );
    }
  }
  return lines.join('\n');
}

export function quoted(text: string): string {
  return oneLine(JSON.stringify(text));
}
