/** What the shaders draw is what `paint` says: every pixel, for cells larger and smaller than pixels, tile by tile. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage } from './harness/page';

/** Runs in the page: draws the same by WebGL and by `paint`, and counts the pixels that differ. */
const entry = `
import { absentLevel, bakeColors, colorOf } from './src/shared/colorScale';
import { cornerOfHead, layOutHeads } from './webview/heatmap/headGrid';
import { createHeadGridRenderer } from './webview/heatmap/headGridRenderer';
import { emptyExactGrid, paint, toPixels } from './webview/heatmap/levels';
import { createRenderer } from './webview/heatmap/renderer';
import { WebGlRenderer } from './webview/heatmap/webglRenderer';
import { Random } from './test/random';

const background = [30, 30, 30];
const table = bakeColors(background);
const colors = { table, background, masked: [45, 45, 45], edge: [130, 130, 130] };
/** Of two equally strong cells with opposite signs either may be shown. */
const isDrawn = (level, wanted, got) => {
  const isNear = rgb => [0, 1, 2].every(i => Math.abs(rgb[i] - got[i]) <= 1);
  return isNear(wanted) || (Math.abs(level) <= 128 && isNear(colorOf(table, -level)));
};

globalThis.compareHeads = ({ nTokens, blockSize, width, minEdge, count, viewport, part }) => {
  const random = new Random(6);
  const canvas = document.createElement('canvas');
  const grid = layOutHeads(count, width, { minEdge, gap: 5, header: 9 });
  [canvas.width, canvas.height] = [grid.width, grid.height];
  const renderer = createHeadGridRenderer(canvas, () => {});
  renderer.setColors(colors);
  const size = Math.ceil(nTokens / blockSize);
  renderer.reserve(count, size);
  const overviews = Array.from({ length: count }, () => ({
    size, blockSize, levels: Int16Array.from({ length: size * size }, () => random.below(256) - 128),
  }));
  const exacts = overviews.map(() => null);
  overviews.forEach((overview, slot) => slot !== 1 && renderer.setOverview(slot, overview));
  overviews[1] = null; // not arrived
  if (part) {
    const levels = Int16Array.from({ length: count * part.nQueries * part.nKeys }, () => random.below(256) - 128);
    renderer.setPatch({ ...part, levels });
    for (let slot = 0; slot < count; slot++) {
      exacts[slot] = emptyExactGrid(nTokens);
      for (let q = 0; q < part.nQueries; q++)
        for (let k = 0; k < part.nKeys; k++)
          exacts[slot].levels[(part.queryStart + q) * nTokens + part.keyStart + k] = levels[(slot * part.nQueries + q) * part.nKeys + k];
    }
  }
  renderer.draw(nTokens, blockSize, grid, viewport);
  const drawn = new Uint8Array(grid.width * grid.height * 4);
  const gl = canvas.getContext('webgl2');
  gl.readPixels(0, 0, grid.width, grid.height, gl.RGBA, gl.UNSIGNED_BYTE, drawn);
  const colorAt = (x, y) => drawn.subarray(((grid.height - 1 - y) * grid.width + x) * 4);
  const different = [];
  let outside = 0;
  for (let slot = 0; slot < count; slot++) {
    const expected = paint(overviews[slot], exacts[slot], nTokens, viewport, grid.edge, grid.edge);
    const pixels = toPixels(expected, colors);
    const corner = cornerOfHead(grid, slot);
    for (let y = 0; y < grid.edge; y++) {
      for (let x = 0; x < grid.edge; x++) {
        const at = y * grid.edge + x;
        if (!isDrawn(expected[at], pixels.subarray(at * 4), colorAt(corner.x + x, corner.y + y))) different.push([slot, x, y, expected[at]]);
      }
    }
    for (let x = 0; x < grid.edge; x++) if (background.some((c, i) => c !== colorAt(corner.x + x, corner.y - 1)[i])) outside++;
  }
  return { kind: renderer.kind, error: gl.getError(), different, outside };
};

globalThis.compare = ({ nTokens, blockSize, width, height, viewport, holes, tiles }) => {
  const random = new Random(5);
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true });
  const renderer = new WebGlRenderer(canvas, gl, () => {});
  renderer.setColors(colors);
  const size = Math.ceil(nTokens / blockSize);
  const levels = n => Int16Array.from({ length: n * n }, () => random.below(256) - 128);
  const overview = { size, blockSize, levels: levels(size) };
  const exact = { size: nTokens, blockSize: 1, levels: levels(nTokens) };
  if (holes) for (let i = 0; i < nTokens; i++) exact.levels[random.below(nTokens * nTokens)] = absentLevel;
  renderer.setGrids(overview, exact);
  renderer.draw(nTokens, viewport);
  for (const rect of tiles) {
    for (let q = rect.queryStart; q < rect.queryStart + rect.nQueries; q++)
      for (let k = rect.keyStart; k < rect.keyStart + rect.nKeys; k++) exact.levels[q * nTokens + k] = random.below(256) - 128;
    renderer.updateExact(rect);
    renderer.draw(nTokens, viewport);
  }
  const drawn = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, drawn);
  const expected = paint(overview, exact, nTokens, viewport, width, height);
  const pixels = toPixels(expected, colors);
  const different = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!isDrawn(expected[at], pixels.subarray(at * 4), drawn.subarray(((height - 1 - y) * width + x) * 4))) different.push([x, y, expected[at]]);
    }
  }
  return { error: gl.getError(), different };
};

/** Loses the graphics context for good; resolves when the map is drawn again, with the colours of two cells. */
globalThis.lose = () => new Promise(resolve => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [20, 20];
  document.body.append(canvas);
  const viewport = { originX: 0, originY: 0, cellSize: 10, unit: 1, firstKey: 0 };
  const renderer = createRenderer(canvas, () => {
    renderer.draw(2, viewport);
    const drawn = canvas.nextElementSibling.getContext('2d');
    const at = (x, y) => [...drawn.getImageData(x, y, 1, 1).data.slice(0, 3)];
    resolve({ kind: renderer.kind, before, at: [at(5, 5), at(15, 15)], expected: [colorOf(table, 100), colorOf(table, -50)] });
  });
  const before = renderer.kind;
  renderer.setColors(colors);
  renderer.setGrids(null, { size: 2, blockSize: 1, levels: Int16Array.of(100, absentLevel, 3, -50) });
  renderer.draw(2, viewport);
  canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext();
});
`;

let frame: Page;
let close: () => Promise<void>;

before(async () => {
  ({ page: frame, close } = await openPage(entry, { args: ['--disable-gpu', '--enable-unsafe-swiftshader'] }));
});
after(() => close?.());

const plain = { nTokens: 300, blockSize: 2, width: 200, height: 180, holes: false, tiles: [] };
const tile = { queryStart: 130, keyStart: 40, nQueries: 60, nKeys: 50 };
const view = (originX: number, originY: number, cellSize: number, unit = 1, firstKey = 0) => ({
  viewport: { originX, originY, cellSize, unit, firstKey },
});
/** No sizes of which a pixel's edge is a multiple: there the rounding of the GPU's shorter numbers decides. */
const cases = [
  ...[0.113, 0.241, 0.367, 0.5, 0.613, 0.991].map(cellSize => ({
    ...{ ...plain, name: `cells of ${cellSize} pixels`, ...view(0, 0, cellSize) },
  })),
  ...[0.113, 0.367, 0.613, 1.371].flatMap(cellSize =>
    [2, 3].map(unit => ({
      ...{
        ...plain,
        name: `cells of ${cellSize} pixels in squares of ${unit}`,
        ...view(-cellSize, 0, cellSize, unit, 1),
      },
    })),
  ),
  { ...plain, name: 'squares, moved', ...view(-31.3, -40.7, 0.83, 2, 1) },
  { ...plain, name: 'squares with holes', holes: true, ...view(-0.613, 0, 0.613, 2, 1) },
  { ...plain, name: 'squares of a large overview', blockSize: 8, holes: true, ...view(-0.613, 0, 0.613, 2, 1) },
  { ...plain, name: 'cells of 2.5 pixels, moved', ...view(-120.4, -301.7, 2.5) },
  { ...plain, name: 'holes, small', holes: true, ...view(0, 0, 0.613) },
  { ...plain, name: 'holes, large', holes: true, ...view(-10, -80, 1.7) },
  { ...plain, name: 'a tile arrives', tiles: [tile], ...view(0, 0, 0.519) },
  { ...plain, name: 'moved and small', ...view(-30.25, -41.5, 0.8) },
  { ...plain, name: 'one token', nTokens: 1, blockSize: 1, ...view(0, 0, 180) },
];
for (const { name, ...map } of cases) {
  test(name, async () => {
    const { error, different } = (await frame.evaluate(
      args => (globalThis as unknown as { compare(args: unknown): unknown }).compare(args),
      map,
    )) as { error: number; different: [number, number][] };
    assert.equal(error, 0);
    // Where a pixel is cut off by the canvas' edge, windows may reach a cell too far.
    const inside = different.filter(([x, y]) => x > 0 && y > 0);
    assert.deepEqual(inside.slice(0, 5), [], `${inside.length} pixels differ`);
    assert.ok(different.length - inside.length <= map.width + map.height);
  });
}

const heads = { nTokens: 300, blockSize: 4, width: 330, minEdge: 100, count: 5 };
const part = { queryStart: 150, keyStart: 40, nQueries: 30, nKeys: 20 };
const layers = [
  { ...heads, name: 'the whole maps', ...view(0, 0, 106 / 300.01) },
  { ...heads, name: 'the whole maps in squares', ...view(0, 0, 106 / 300.01, 2) },
  { ...heads, name: 'blocks smaller than pixels', minEdge: 40, ...view(0, 0, 0.151) },
  { ...heads, name: 'blocks smaller than squares', minEdge: 40, ...view(0, 0, 0.151, 2) },
  { ...heads, name: 'cells of 2.5 pixels, moved', ...view(-120.4, -301.7, 2.5) },
  { ...heads, name: 'exact values of a part', part, ...view(-70.37, -380.29, 2.713) },
];
for (const { name, ...layer } of layers) {
  test(`all heads of a layer, ${name}`, async () => {
    const { kind, error, different, outside } = (await frame.evaluate(
      args => (globalThis as unknown as { compareHeads(args: unknown): unknown }).compareHeads(args),
      layer,
    )) as { kind: string; error: number; different: number[][]; outside: number };
    assert.equal(kind, 'webgl2');
    assert.equal(error, 0);
    assert.deepEqual(different.slice(0, 5), [], `${different.length} pixels differ`);
    assert.equal(outside, 0, 'nothing is drawn where names stand');
  });
}

test('a graphics context that does not come back: the map goes on without it', async () => {
  const { kind, before, at, expected } = (await frame.evaluate(() =>
    (globalThis as unknown as { lose(): Promise<unknown> }).lose(),
  )) as { kind: string; before: string; at: number[][]; expected: number[][] };
  assert.deepEqual([before, kind], ['webgl2', 'canvas2d']);
  assert.deepEqual(at, expected);
});
