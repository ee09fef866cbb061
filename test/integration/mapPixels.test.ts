/** A map at 300 px is worth looking at: ten times the colored pixels of a linear scale with cells of one pixel. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpolateRdBu } from 'd3-scale-chromatic';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import type { HeadOverview } from '../../src/shared/attentionMap';
import { bakeColors, parseColor, type Rgb } from '../../src/shared/colorScale';
import { paintFirstKey } from '../../webview/heatmap/firstKey';
import { paint, toDevice, toPixels } from '../../webview/heatmap/levels';
import { MapData, type MapRef } from '../../webview/heatmap/mapData';
import { coverWithTiles } from '../../webview/heatmap/tiles';
import { fit } from '../../webview/heatmap/viewport';
import { root } from '../fixtures/paths';
import { tileOf } from '../unit/webview/heatmap/maps';

/** Edge of the map in a side bar of 300 px. */
const edge = 224;
/** The strip of the first token beside it, without its border. */
const stripWidth = 4;
const isColored = ({ 0: red, 1: green, 2: blue }: ArrayLike<number>) =>
  Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!) >= 40;

/** The file and the heads of the review that asked for this; then a file and a head of ours. */
const maps = [
  { file: ['node_modules', 'flatbuffers', 'ts', 'builder.ts'], heads: ['2.0', '6.6', '6.1'] },
  { file: ['samples', 'inventory.ts'], heads: ['6.6'] },
] as const;

for (const { file, heads } of maps) {
  test(`${file.at(-1)} at 300 px: at least ten times the colored pixels`, async context => {
    const document = await analyzeFile(join(root, ...file), {
      ...({ model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 1 } as const),
    });
    try {
      for (const head of heads) {
        const [layerIdx, headIdx] = head.split('.').map(Number) as [number, number];
        const { now, before } = await coloredPixels(document, layerIdx, headIdx);
        const share = (n: number) => `${((100 * n) / (edge * edge)).toFixed(1)} %`;
        const said = `L${layerIdx}H${headIdx}: ${share(now)} of the pixels are colored, ${share(before)} on a linear scale: ${(now / before).toFixed(1)} times as many`;
        context.diagnostic(said);
        assert.ok(now >= 10 * before, said);
      }
    } finally {
      await document.engine.release();
    }
  });
}

async function coloredPixels(document: AnalyzedDocument, layerIdx: number, headIdx: number) {
  const stage = 'mixed_pattern';
  const map = await headMap(document, layerIdx, headIdx, stage);
  const nTokens = document.tokens.ids.length;
  const ref: MapRef = { analysisId: 1, layerIdx, headIdx, stage, minus: null, nTokens };
  const pooled = document.layers[layerIdx]!.overviews.find(overview => overview.stage === stage)!;
  const { blockSize, size, scales } = pooled;
  const cells = pooled.cells.subarray(headIdx * size * size, (headIdx + 1) * size * size);
  const overview: HeadOverview = { ...ref, blockSize, size, scale: scales[headIdx]!, cells };
  const data = new MapData(ref, 'power');
  data.setOverview(overview);
  const whole = { queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens };
  for (const rect of coverWithTiles(whole, nTokens)) data.addTile(rect, tileOf(map, nTokens, rect));
  const background: Rgb = [255, 255, 255];
  const viewport = toDevice(fit(nTokens, { width: edge, height: edge, nKeysBeside: 1 }), 1, 1);
  const colors = { table: bakeColors(background), background, masked: background, edge: background };
  const pixels = toPixels(paint(null, data.exactGrid, nTokens, viewport, edge, edge), colors);
  const strip = toPixels(paintFirstKey(null, data.exactGrid, nTokens, viewport, edge), colors);
  const count = (rgba: Uint8ClampedArray) =>
    Array.from({ length: rgba.length / 4 }, (_, at) => rgba.subarray(4 * at)).filter(isColored).length;
  const now = count(pixels) + stripWidth * count(strip);
  return { now, before: linearPixels(map, nTokens).filter(isColored).length };
}

/** The strongest cell of each pixel on a linear scale to the largest cell, whose weak colors fade into white. */
function linearPixels(map: Float32Array, nTokens: number): number[][] {
  const max = map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const strongest = new Float32Array(edge * edge);
  for (let query = 0; query < nTokens; query++) {
    for (let key = 0; key <= query; key++) {
      const value = map[query * nTokens + key]!;
      const at = Math.floor((query * edge) / nTokens) * edge + Math.floor((key * edge) / nTokens);
      if (Math.abs(value) > Math.abs(strongest[at]!)) strongest[at] = value;
    }
  }
  return Array.from(strongest, value => {
    const part = value / max;
    const opacity = Math.min(1, Math.abs(part) / 0.12);
    return parseColor(interpolateRdBu(0.5 + 0.5 * part))!.map(channel => 255 + (channel - 255) * opacity);
  });
}
