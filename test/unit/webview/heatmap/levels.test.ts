import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeadOverview } from '../../../../src/shared/attentionMap';
import { absentLevel, levelOf, maxLevel, nanLevel } from '../../../../src/shared/colorScale';
import {
  cellsOfPixel,
  edgePixel,
  emptyExactGrid,
  maskedPixel,
  outsidePixel,
  overviewEnd,
  overviewGrid,
  paint,
  strongestLevel,
  tileMagnitudes,
  tilesEnd,
  toDevice,
  writeTile,
} from '../../../../webview/heatmap/levels';
import { Random } from '../../../random';
import { overviewOf, randomMap, strongestOfBlock } from './maps';

const random = new Random(11);
/** A viewport in which a unit is a pixel, and no key is left out. */
const at1 = (originX: number, originY: number, cellSize: number) => ({
  originX,
  originY,
  cellSize,
  unit: 1,
  firstKey: 0,
});
/** Without the line between the halves. */
const plain = (pixels: Int16Array) => pixels.map(level => (level === edgePixel ? maskedPixel : level));

/** An exact grid of a random map, and its values. */
function exact(nTokens: number) {
  const map = random.floats(nTokens * nTokens);
  const grid = emptyExactGrid(nTokens);
  writeTile(grid, { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens }, map, 1, 'linear');
  return { map, grid };
}

test('every pixel shows the strongest of the cells it touches, sign kept, masked ones left out', () => {
  for (let round = 0; round < 20; round++) {
    const nTokens = 5 + random.below(40);
    const { map, grid } = exact(nTokens);
    const size = 24;
    const viewport = at1(0, 0, size / nTokens);
    const pixels = plain(paint(null, grid, nTokens, viewport, size, size));
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [rows, columns] = [y, x].map(at => cellsOfPixel(at, 0, viewport.cellSize, nTokens)) as [number, number][];
        let strongest: number | undefined;
        for (let i = rows![0]; i < rows![1]; i++) {
          for (let j = columns![0]; j < columns![1] && j <= i; j++) {
            const level = levelOf(map[i * nTokens + j]!, 1);
            if (strongest === undefined || Math.abs(level) > Math.abs(strongest)) strongest = level;
          }
        }
        const isLargeAndMasked = viewport.cellSize >= 1 && columns![0] > rows![0];
        assert.equal(pixels[y * size + x], isLargeAndMasked ? maskedPixel : (strongest ?? maskedPixel) + 0);
      }
    }
  }
});

test('the strongest cell of the map is on screen, however small the map is drawn', () => {
  for (let round = 0; round < 20; round++) {
    const nTokens = 30 + random.below(200);
    const { grid } = exact(nTokens);
    const pixels = paint(null, grid, nTokens, at1(0, 0, 20 / nTokens), 20, 20);
    const strongest = strongestLevel(grid, [0, nTokens], [0, nTokens]);
    assert.ok(pixels.some(level => Math.abs(level) === Math.abs(strongest)));
  }
});

test('every cell belongs to some pixel, and pixels beside the map to none', () => {
  for (const cellSize of [0.1, 0.37, 0.99]) {
    const seen = new Set<number>();
    for (let pixel = 0; pixel < 100 * cellSize; pixel++) {
      const [start, end] = cellsOfPixel(pixel, 0, cellSize, 100);
      for (let cell = start; cell < end; cell++) seen.add(cell);
    }
    assert.equal(seen.size, 100, `cells of ${cellSize} pixels`);
  }
  const [start, end] = cellsOfPixel(-5, 0, 2, 100);
  assert.ok(start >= end);
});

test('exact values win over the overview, which shows where they have not arrived', () => {
  const overview: HeadOverview = {
    ...{ layerIdx: 0, headIdx: 0, stage: 'pattern', nTokens: 4, blockSize: 2, size: 2, scale: 1 },
    cells: Int8Array.of(10, 0, -20, 30),
  };
  const grid = emptyExactGrid(4);
  writeTile(grid, { queryStart: 2, keyStart: 2, nQueries: 2, nKeys: 2 }, Float32Array.of(1, 0, -1, 0.5), 1, 'linear');
  const pixels = plain(paint(overviewGrid(overview, 1, 'linear'), grid, 4, at1(0, 0, 1), 5, 4));
  assert.deepEqual(
    [...pixels],
    [
      ...[7, maskedPixel, maskedPixel, maskedPixel, outsidePixel],
      ...[7, 7, maskedPixel, maskedPixel, outsidePixel],
      ...[-18, -18, 127, maskedPixel, outsidePixel],
      ...[-18, -18, -127, 62, outsidePixel],
    ],
  );
  assert.equal(strongestLevel(grid, [0, 4], [0, 4]), absentLevel);
  assert.ok(Math.abs(overviewEnd(overview, 'linear') - 30 / 127) < 1e-6);
});

test('the scale of a tile leaves out masked cells, the first key, and what is not finite', () => {
  const rect = { queryStart: 4, keyStart: 0, nQueries: 2, nKeys: 6 };
  const tile = Float32Array.of(9, -2, 1, Number.NaN, 3, 99, -8, 1, Number.POSITIVE_INFINITY, 0, 0, 4);
  const magnitudes = tileMagnitudes(rect, tile);
  assert.deepEqual([magnitudes.count, ...magnitudes.strongest], [7, 0, 0, 1, 1, 2, 3, 4]);
  assert.equal(tilesEnd([magnitudes], 'linear'), 4);
  const other = tileMagnitudes({ ...rect, keyStart: 1 }, tile.map(Math.abs));
  assert.equal(tilesEnd([magnitudes, other], 'linear'), 9, 'its first key is not the map’s');
});

test('a power scale ends at the 99.5th percentile, of many tiles too, a linear one at the largest value', () => {
  const rect = { queryStart: 200, keyStart: 1, nQueries: 100, nKeys: 100 };
  const tiles = [0, 1, 2].map(() => random.floats(100 * 100));
  const all = tiles.flatMap(tile => [...tile.map(Math.abs)]).sort((a, b) => a - b);
  const magnitudes = tiles.map(tile => tileMagnitudes(rect, tile));
  assert.equal(tilesEnd(magnitudes, 'linear'), all.at(-1));
  assert.equal(tilesEnd(magnitudes, 'power'), all[Math.ceil(0.995 * all.length) - 1]);
  const sparse = Float32Array.from({ length: 10_000 }, (_, i) => (i === 77 ? -0.25 : 0));
  assert.equal(tilesEnd([tileMagnitudes(rect, sparse)], 'power'), 0.25, 'a single cell that is not zero');
});

test('cells smaller than 2 pixels share squares of them, which move with the map', () => {
  const { grid } = exact(60);
  const [ratio, size] = [1.5, 90];
  for (const originX of [0, -7, -20]) {
    const viewport = toDevice({ originX, originY: -5, cellSize: 1.1 }, ratio, 0);
    assert.equal(viewport.unit, 3);
    const pixels = plain(paint(null, grid, 60, viewport, size, size));
    const [left, top] = [Math.floor(originX * ratio), Math.floor(-5 * ratio)];
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const corner = (at: number, start: number) => at - ((((at - start) % 3) + 3) % 3);
        const [cornerX, cornerY] = [corner(x, left), corner(y, top)];
        if (cornerX < 0 || cornerY < 0) continue;
        assert.equal(pixels[y * size + x], pixels[cornerY * size + cornerX], `${x}, ${y} of ${originX}`);
      }
    }
  }
  assert.equal(toDevice({ originX: 0, originY: 0, cellSize: 2 }, 1, 0).unit, 1);
});

test('keys that are drawn beside the map are not in it', () => {
  const grid = emptyExactGrid(80);
  grid.levels.fill(3);
  for (let query = 0; query < 80; query++) grid.levels[query * 80] = maxLevel;
  for (const cellSize of [0.3, 0.9, 2, 5]) {
    const viewport = { ...toDevice({ originX: -cellSize, originY: 0, cellSize }, 1, 1) };
    const pixels = paint(null, grid, 80, viewport, 24, 24);
    assert.ok(!pixels.includes(maxLevel) && pixels.includes(3), `cells of ${cellSize} pixels`);
    const overview = { size: 40, blockSize: 2, levels: grid.levels.filter((_, i) => i % 4 === 0).subarray(0, 1600) };
    overview.levels.fill(5);
    for (let i = 0; i < 40; i++) overview.levels[i * 40] = maxLevel;
    assert.ok(!paint(overview, null, 80, viewport, 24, 24).includes(maxLevel));
  }
});

test('a line parts the masked half from the other, one pixel wide', () => {
  const { grid } = exact(6);
  const pixels = paint(null, grid, 6, at1(0, 0, 4), 24, 24);
  const isMasked = (x: number, y: number) => Math.floor(x / 4) > Math.floor(y / 4);
  for (let y = 0; y < 24; y++) {
    for (let x = 0; x < 24; x++) {
      const isEdge = isMasked(x, y) && !(isMasked(x - 1, y) && isMasked(x, y + 1));
      const level = pixels[y * 24 + x]!;
      assert.equal(level === edgePixel, isEdge, `${x}, ${y}`);
      assert.equal(level === maskedPixel, isMasked(x, y) && !isEdge, `${x}, ${y}`);
    }
  }
});

test('an overview drawn at one pixel per block shows the strongest value of every block, sign kept', () => {
  for (let round = 0; round < 20; round++) {
    const [nTokens, blockSize] = [4 + random.below(60), 1 + random.below(5)];
    const map = randomMap(nTokens, random);
    const overview = overviewOf(map, nTokens, blockSize);
    const { size, scale } = overview;
    const viewport = at1(0, 0, 1 / blockSize);
    const pixels = plain(paint(overviewGrid(overview, scale, 'linear'), null, nTokens, viewport, size, size));
    for (let y = 0; y < size; y++) {
      // The pixel of a last, incomplete block belongs to the map only if its middle does.
      for (let x = 0; x <= y && (y + 0.5) * blockSize < nTokens; x++) {
        const value = strongestOfBlock(map, nTokens, blockSize, y, x);
        const strongest = levelOf((Math.round((value / scale) * 127) / 127) * scale, scale);
        assert.equal(pixels[y * size + x], strongest + 0, `block ${y}, ${x} of ${blockSize}`);
      }
    }
  }
});

test('on any part of the map, one strong cell is seen at its place, with its sign', () => {
  for (let round = 0; round < 60; round++) {
    const nTokens = 20 + random.below(150);
    const grid = emptyExactGrid(nTokens);
    grid.levels.fill(1);
    const query = random.below(nTokens);
    const key = random.below(query + 1);
    const level = random.pick([maxLevel, -maxLevel, nanLevel]);
    grid.levels[query * nTokens + key] = level;
    const cellSize = 0.1 + random.next() * 2;
    const place = (idx: number) => Math.min(0, 10 - idx * cellSize);
    const viewport = at1(place(key), place(query), cellSize);
    const at = (origin: number, idx: number) => Math.floor(origin + (idx + 0.5) * cellSize);
    const [x, y] = [at(viewport.originX, key), at(viewport.originY, query)];
    // The last pixel of a map may end inside the map's last cells.
    if (viewport.originY + nTokens * cellSize < y + 0.5 || viewport.originX + nTokens * cellSize < x + 0.5) continue;
    const pixels = paint(null, grid, nTokens, viewport, 20, 20);
    const around = [-1, 0, 1].flatMap(dy => [-1, 0, 1].map(dx => pixels[(y + dy) * 20 + x + dx]));
    assert.ok(cellSize < 1 ? pixels[y * 20 + x] === level : around.includes(level), JSON.stringify(viewport));
  }
});

test('no value has the level of a cell that is masked, outside or not there', () => {
  for (const value of [...random.floats(500, 10), 0, 1e30, -1e30, Number.NaN, Number.POSITIVE_INFINITY]) {
    const level = levelOf(value, 1);
    assert.ok(level >= nanLevel && level <= maxLevel);
    for (const marker of [absentLevel, maskedPixel, outsidePixel]) assert.notEqual(level, marker);
  }
});

test('without any column the scale of an overview is zero, and so are its levels', () => {
  const overview = overviewOf(randomMap(3, random), 3, 4);
  for (const kind of ['power', 'linear'] as const) {
    assert.equal(overviewEnd(overview, kind), 0);
    assert.deepEqual([...overviewGrid(overview, 0, kind).levels], [0]);
  }
});
