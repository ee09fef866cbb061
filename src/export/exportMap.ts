/** One map, or several, in any of the forms in which it can be taken along. */

import type { Stage } from '../shared/attentionMap';
import type { ExportFormat } from '../shared/panel/exportFormats';
import { mapCsv, mapJson } from './mapText';
import { npzBytes } from './npz';
import { captionedPng, drawMap, type PictureStyle } from './picture';
import { type PageParts, reportHtml } from './report';
import { chosenMap, type ExportSource, type MapChoice, mapFacts } from './source';
import { mapSvg } from './svg';

export interface ExportOptions {
  readonly choice: MapChoice;
  /** Layers and heads of an npz, which holds more than one map. */
  readonly layers: readonly number[];
  readonly heads: readonly number[];
  readonly topK: number;
  readonly style: PictureStyle;
  /** Script and style of the HTML page. */
  readonly page: () => Promise<PageParts>;
}

export async function exportMap(
  source: ExportSource,
  format: ExportFormat,
  options: ExportOptions,
): Promise<string | Uint8Array> {
  const { choice, style } = options;
  switch (format) {
    case 'png':
    case 'svg': {
      const picture = drawMap(await chosenMap(source, choice), source.tokens.ids.length, style);
      const facts = mapFacts(source, choice);
      return format === 'png'
        ? captionedPng(picture, facts, style)
        : mapSvg(picture, source.tokens.labels, facts, style);
    }
    case 'json':
      return mapJson(source, choice, options.topK);
    case 'csv':
      return mapCsv(source, choice);
    case 'npz':
      return mapsNpz(source, options, choice.stage);
    case 'html':
      return reportHtml(source, choice, await options.page());
  }
}

/**
 * `ids` [token], `offsets` [token + 1], `surprisal_bits` [token], `layer_L.<stage>` [head, query, key], and `info`, the
 * UTF-8 bytes of a JSON text: `json.loads(bytes(npz["info"]))`.
 */
async function mapsNpz(source: ExportSource, options: ExportOptions, stage: Stage): Promise<Uint8Array> {
  const { tokens, predictions } = source;
  const { layers, heads, choice } = options;
  const nTokens = tokens.ids.length;
  const info = new TextEncoder().encode(JSON.stringify({ ...mapFacts(source, choice), minus: null, layers, heads }));
  const maps: Record<string, Parameters<typeof npzBytes>[0][string]> = {
    ids: { shape: [nTokens], data: tokens.ids },
    offsets: { shape: [nTokens + 1], data: tokens.offsets },
    surprisal_bits: { shape: [nTokens], data: predictions.surprisalBits },
    heads: { shape: [heads.length], data: Int32Array.from(heads) },
    info: { shape: [info.length], data: info },
  };
  for (const layer of layers) {
    const data = new Float32Array(heads.length * nTokens * nTokens);
    for (const [i, head] of heads.entries()) data.set(await source.map(layer, head, stage), i * nTokens * nTokens);
    maps[`layer_${layer}.${stage}`] = { shape: [heads.length, nTokens, nTokens], data };
  }
  return npzBytes(maps);
}
