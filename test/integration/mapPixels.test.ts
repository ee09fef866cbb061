/** The default map of a head that copies is worth looking at: ten times the colored pixels of a linear scale with cells of one pixel. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpolateRdBu } from 'd3-scale-chromatic';
import { analyzeFile, headMap } from '../../src/cli/document';
import type { HeadOverview } from '../../src/shared/attentionMap';
import { bakeColors, parseColor, type Rgb } from '../../src/shared/colorScale';
import { paint, toDevice, toPixels } from '../../webview/heatmap/levels';
import { MapData, type MapRef } from '../../webview/heatmap/mapData';
import { coverWithTiles } from '../../webview/heatmap/tiles';
import { fit } from '../../webview/heatmap/viewport';
import { root } from '../fixtures/paths';
import { tileOf } from '../unit/webview/heatmap/maps';

/** Edge of the map in a side bar of 300 px. */
const edge = 224;
const isColored = ({ 0: red, 1: green, 2: blue }: ArrayLike<number>) =>
  Math.max(red!, green!, blue!) - Math.min(red!, green!, blue!) >= 40;

test('an induction head of mta-base at 300 px: at least ten times the colored pixels', async () => {
  const file = join(root, 'samples', 'inventory.ts');
  const document = await analyzeFile(file, {
    ...({ model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 1 } as const),
  });
  try {
    const map = await headMap(document, 6, 6, 'mixed_pattern');
    const nTokens = document.tokens.ids.length;
    const ref: MapRef = { analysisId: 1, layerIdx: 6, headIdx: 6, stage: 'mixed_pattern', minus: null, nTokens };
    const { blockSize, size, scales, cells } = document.layers[6]!.overviews.find(
      ({ stage }) => stage === 'mixed_pattern',
    )!;
    const part = cells.subarray(6 * size * size, 7 * size * size);
    const overview: HeadOverview = { ...ref, blockSize, size, scale: scales[6]!, cells: part };
    const data = new MapData(ref, 'power');
    data.setOverview(overview);
    const whole = { queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens };
    for (const rect of coverWithTiles(whole, nTokens)) data.addTile(rect, tileOf(map, nTokens, rect));
    const background: Rgb = [255, 255, 255];
    const viewport = toDevice(fit(nTokens, { width: edge, height: edge, nKeysBeside: 1 }), 1, 1);
    const colors = { table: bakeColors(background), background, masked: background, edge: background };
    const pixels = toPixels(paint(null, data.exactGrid, nTokens, viewport, edge, edge), colors);
    let now = 0;
    for (let at = 0; at < pixels.length; at += 4) if (isColored(pixels.subarray(at))) now++;
    const before = linearPixels(map, nTokens).filter(isColored).length;
    assert.ok(now >= 10 * before, `${now} colored pixels, ${before} on a linear scale`);
  } finally {
    await document.engine.release();
  }
});

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
