/** `mta-inspect analyze`: tokens of a file and, for one head, the keys each of them attends to most. */

import type { AnalyzedDocument, MapChoice } from './document';
import { headMap } from './document';

/** The JSON of `analyze --json`; documented in schemas/analyze.schema.json. */
export interface AnalyzeJson {
  readonly format: 'mta-analyze-1';
  readonly file: string;
  readonly model: { readonly name: string; readonly n_layers: number; readonly n_heads: number };
  readonly provider: string;
  readonly layer: number;
  readonly head: number;
  /** The stage asked for, and the one whose values it shows where the layer lacks it. */
  readonly stage: string;
  readonly shown_stage: string;
  readonly window: { readonly start: number; readonly end: number; readonly document_length: number };
  readonly tokens: readonly {
    readonly index: number;
    readonly id: number;
    readonly text: string;
    readonly start: number;
    readonly end: number;
    readonly surprisal_bits: number | null;
    readonly predictions: readonly { readonly id: number; readonly text: string; readonly probability: number }[];
  }[];
  readonly rows: readonly {
    readonly query: number;
    /** Sum over the keys; 1 for `pattern` only. */
    readonly sum: number;
    readonly top: readonly { readonly key: number; readonly weight: number }[];
  }[];
}

export async function analyzeJson(
  document: AnalyzedDocument,
  choice: MapChoice & { readonly shownStage: string },
  topK: number,
): Promise<AnalyzeJson> {
  const { engine, tokens, window, predictions } = document;
  const map = await headMap(document, choice.layer, choice.head, choice.stage);
  const nTokens = tokens.ids.length;
  return {
    format: 'mta-analyze-1',
    file: document.name,
    model: { name: engine.model.name, n_layers: engine.model.nLayers, n_heads: engine.model.nHeads },
    provider: engine.provider,
    layer: choice.layer,
    head: choice.head,
    stage: choice.stage,
    shown_stage: choice.shownStage,
    window: { start: window.start, end: window.end, document_length: window.documentLength },
    tokens: Array.from(tokens.ids, (id, index) => ({
      index,
      id,
      text: tokens.labels[index]!,
      start: tokens.offsets[index]!,
      end: tokens.offsets[index + 1]!,
      surprisal_bits: Number.isNaN(predictions.surprisalBits[index]) ? null : predictions.surprisalBits[index]!,
      predictions: topPredictions(document, index),
    })),
    rows: Array.from({ length: nTokens }, (_, query) => {
      const row = map.subarray(query * nTokens, query * nTokens + query + 1);
      return { query, sum: row.reduce((sum, x) => sum + x, 0), top: strongest(row, topK) };
    }),
  };
}

/** A table for people: the last tokens' strongest keys. */
export function analyzeText(json: AnalyzeJson, nRows = 20): string {
  const left = json.window.document_length - (json.window.end - json.window.start);
  const lines = [
    `${json.file}: ${json.tokens.length} tokens, ${json.model.name} on ${json.provider}, ` +
      `layer ${json.layer}, head ${json.head}, ${json.shown_stage}`,
    ...(left > 0
      ? [`${left} of ${json.window.document_length} characters lie outside the window and were left out.`]
      : []),
    ...(json.rows.length > nRows ? [`The last ${nRows} queries (all of them with --json):`] : []),
  ];
  for (const row of json.rows.slice(-nRows)) {
    const keys = row.top
      .slice(0, 5)
      .map(({ key, weight }) => `${signed(weight)} ${quoted(json.tokens[key]!.text)}@${key}`);
    lines.push(`${String(row.query).padStart(5)} ${quoted(json.tokens[row.query]!.text)}: ${keys.join('  ')}`);
  }
  return lines.join('\n');
}

/** Largest magnitudes of a row, in descending order. */
export function strongest(row: Float32Array, k: number): { key: number; weight: number }[] {
  return Array.from(row, (weight, key) => ({ key, weight }))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.key - b.key)
    .slice(0, k);
}

function topPredictions({ predictions }: AnalyzedDocument, index: number) {
  const { k, topIds, topProbabilities, labels } = predictions;
  return Array.from({ length: k }, (_, i) => {
    const id = topIds[index * k + i]!;
    return { id, text: labels[id] ?? '', probability: topProbabilities[index * k + i]! };
  });
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toPrecision(3)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
