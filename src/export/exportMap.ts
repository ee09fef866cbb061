/** Exports one map, or several, in any format. */

import { defaultColorMap, type PictureStyle } from '../shared/colorScale';
import type { Stage } from '../shared/operators';
import type { ExportFormat } from '../shared/panel/exportFormats';
import { readableLabels } from '../shared/places';
import { drawFigure, type Figure, type FigureMap } from './figure';
import { mapCsv, mapJson } from './mapText';
import { npzBytes } from './npz';
import { figurePng } from './png';
import { type PageParts, reportHtml } from './report';
import { choiceFor, chosenMap, type ExportSource, type MapChoice, mapFacts } from './source';
import { figureSvg } from './svg';

export const defaultStyle: PictureStyle = { colorMap: defaultColorMap, scale: 'power' };

export interface ExportOptions {
  readonly choice: MapChoice;
  /** Layers and heads of an npz, which holds more than one map. */
  readonly layers: readonly number[];
  readonly heads: readonly number[];
  readonly topK: number;
  readonly style: PictureStyle;
  /** Of CSV: a mark by which spreadsheets recognize UTF-8. */
  readonly hasByteOrderMark?: boolean;
  /** Script and style of the HTML page. */
  readonly page: () => Promise<PageParts>;
}

export async function exportMap(
  source: ExportSource,
  format: ExportFormat,
  options: ExportOptions,
): Promise<string | Uint8Array> {
  const choice = choiceFor(format, options.choice);
  switch (format) {
    case 'png':
      return figurePng(await figureOf(source, choice, options.style), mapFacts(source, choice));
    case 'svg':
      return figureSvg(await figureOf(source, choice, options.style), mapFacts(source, choice));
    case 'json':
      return mapJson(source, choice, options.topK);
    case 'csv':
      return mapCsv(source, choice, options.hasByteOrderMark === true);
    case 'npz':
      return mapsNpz(source, { ...options, choice }, choice.stage);
    case 'html':
      return reportHtml(source, choice, await options.page());
  }
}

async function figureOf(source: ExportSource, choice: MapChoice, style: PictureStyle): Promise<Figure> {
  const { layer, head, shownStage, minus = null } = choice;
  const maps: FigureMap[] = [];
  if (choice.isAllStages) {
    for (const stage of source.model.layers[layer]!.stages) {
      maps.push({ stage, minus: null, values: await source.map(layer, head, stage) });
    }
  } else maps.push({ stage: shownStage, minus, values: await chosenMap(source, choice) });
  return drawFigure({
    ...{ maps, style, part: choice.part ?? null, facts: mapFacts(source, choice) },
    labels: readableLabels(source.tokens),
    firstLine: source.windowLines.first,
    selectedToken: source.selection?.token ?? null,
  });
}

/**
 * Arrays of an npz: `ids` [token]; `offsets` [token + 1] in UTF-16 units of the document and `offsets_codepoints` [token + 1]
 * in code points, as Python counts (absent where the document changed since); `surprisal_bits` [token], NaN for a token that
 * nothing predicts; `heads` [head]; `layer_L.<stage>` [head, query, key], 0 in masked cells (key after query); of layers with
 * attention sinks `layer_L.sink` [head, query], what went to no key, so that with it rows of the pattern sum to 1; and `info`,
 * the UTF-8 bytes of a JSON text: `json.loads(bytes(npz["info"]))`.
 */
async function mapsNpz(source: ExportSource, options: ExportOptions, stage: Stage): Promise<Uint8Array> {
  const { tokens, predictions } = source;
  const { layers, heads, choice } = options;
  const nTokens = tokens.ids.length;
  const units = { offsets: 'UTF-16 units', offsets_codepoints: 'code points', masked_cells: 0 };
  const info = new TextEncoder().encode(
    JSON.stringify({ ...mapFacts(source, choice), minus: null, layers, heads, ...units }),
  );
  const codePoints = source.codePointOffsets();
  const maps: Record<string, Parameters<typeof npzBytes>[0][string]> = {
    ids: { shape: [nTokens], data: tokens.ids },
    offsets: { shape: [nTokens + 1], data: tokens.offsets },
    ...(codePoints ? { offsets_codepoints: { shape: [nTokens + 1], data: codePoints } } : {}),
    surprisal_bits: { shape: [nTokens], data: predictions.surprisalBits },
    heads: { shape: [heads.length], data: Int32Array.from(heads) },
    info: { shape: [info.length], data: info },
  };
  for (const layer of layers) {
    const data = new Float32Array(heads.length * nTokens * nTokens);
    for (const [i, head] of heads.entries()) data.set(await source.map(layer, head, stage), i * nTokens * nTokens);
    maps[`layer_${layer}.${stage}`] = { shape: [heads.length, nTokens, nTokens], data };
    if (source.model.layers[layer]!.operators.includes('sink_softmax')) {
      const sinks = new Float32Array(heads.length * nTokens).fill(1);
      for (const [i, head] of heads.entries()) {
        const pattern = await source.map(layer, head, 'pattern');
        for (const [cell, weight] of pattern.entries()) sinks[i * nTokens + Math.floor(cell / nTokens)]! -= weight;
      }
      maps[`layer_${layer}.sink`] = { shape: [heads.length, nTokens], data: sinks };
    }
  }
  return npzBytes(maps);
}
