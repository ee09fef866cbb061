/** `mta-inspect export`: maps of a file as json, csv, npz, or a self-contained interactive HTML page. */

import type { Stage } from '../shared/attentionMap';
import { analyzeJson } from './analyze';
import { type AnalyzedDocument, chooseMap, headMap } from './document';
import { npzBytes } from './npz';
import { reportHtml } from './report';

export const exportFormats = ['npz', 'csv', 'json', 'html'] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportOptions {
  /** Absent: every layer and head in npz, the panel's default elsewhere. */
  readonly layer: number | undefined;
  readonly head: number | undefined;
  readonly stage: Stage | undefined;
  readonly topK: number;
}

export async function exportDocument(
  document: AnalyzedDocument,
  format: ExportFormat,
  options: ExportOptions,
): Promise<string | Uint8Array> {
  const choice = chooseMap(document.engine, options);
  switch (format) {
    case 'json': {
      const nTokens = document.tokens.ids.length;
      const map = await headMap(document, choice.layer, choice.head, choice.stage);
      const rows = Array.from({ length: nTokens }, (_, i) =>
        Array.from(map.subarray(i * nTokens, i * nTokens + i + 1)),
      );
      // Rows end at the diagonal: later keys are masked, not zero.
      return JSON.stringify({ ...(await analyzeJson(document, choice, options.topK)), map: rows });
    }
    case 'csv':
      return mapCsv(document, await headMap(document, choice.layer, choice.head, choice.stage));
    case 'npz':
      return mapsNpz(document, options, choice.stage);
    case 'html':
      return reportHtml(document, choice);
  }
}

/** One line per allowed cell. */
function mapCsv({ tokens }: AnalyzedDocument, map: Float32Array): string {
  const nTokens = tokens.ids.length;
  const lines = ['query,key,query_token,key_token,value'];
  const cells = tokens.labels.map(csvField);
  for (let query = 0; query < nTokens; query++) {
    for (let key = 0; key <= query; key++) {
      lines.push(`${query},${key},${cells[query]},${cells[key]},${map[query * nTokens + key]}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Quoted, and with a leading apostrophe where a spreadsheet would take the text for a formula. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** `ids` [token], `offsets` [token + 1], `surprisal_bits` [token], and `layer_L.<stage>` [head, query, key]. */
async function mapsNpz(document: AnalyzedDocument, options: ExportOptions, stage: Stage): Promise<Uint8Array> {
  const { engine, tokens, predictions } = document;
  const nTokens = tokens.ids.length;
  const all = (count: number) => Array.from({ length: count }, (_, i) => i);
  const layers = options.layer === undefined ? all(engine.model.nLayers) : [options.layer];
  const heads = options.head === undefined ? all(engine.model.nHeads) : [options.head];
  const arrays: Parameters<typeof npzBytes>[0] = {
    ids: { shape: [nTokens], data: tokens.ids },
    offsets: { shape: [nTokens + 1], data: tokens.offsets },
    surprisal_bits: { shape: [nTokens], data: predictions.surprisalBits },
    heads: { shape: [heads.length], data: Int32Array.from(heads) },
  };
  const maps = { ...arrays };
  for (const layer of layers) {
    const data = new Float32Array(heads.length * nTokens * nTokens);
    for (const [i, head] of heads.entries()) {
      data.set(await headMap(document, layer, head, stage), i * nTokens * nTokens);
    }
    maps[`layer_${layer}.${stage}`] = { shape: [heads.length, nTokens, nTokens], data };
  }
  return npzBytes(maps);
}
