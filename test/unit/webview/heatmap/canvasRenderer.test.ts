import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bakeColors, colorOf, type Rgb } from '../../../../src/shared/colorScale';
import { CanvasRenderer } from '../../../../webview/heatmap/canvasRenderer';
import { emptyExactGrid, writeTile } from '../../../../webview/heatmap/levels';

const background: Rgb = [250, 251, 252];
const masked: Rgb = [240, 240, 240];
const edge: Rgb = [1, 2, 3];
const size = 24;

/** Draws `values` [3, 3] at 6 pixels a cell on 24 x 24 pixels, and returns the colour of any of them. */
function drawn(values: readonly number[], hasArrived = true) {
  let image = { data: new Uint8ClampedArray() };
  const context = {
    canvas: { width: size, height: size },
    createImageData: (width: number, height: number) => ({ data: new Uint8ClampedArray(width * height * 4) }),
    putImageData: (made: typeof image) => {
      image = made;
    },
  };
  const grid = emptyExactGrid(3);
  const rect = { queryStart: 0, keyStart: 0, nQueries: 3, nKeys: 3 };
  if (hasArrived) writeTile(grid, rect, Float32Array.from(values), 1, 'linear');
  const renderer = new CanvasRenderer(context as unknown as CanvasRenderingContext2D);
  renderer.setColors({ table: bakeColors(background), background, masked, edge });
  renderer.setGrids(null, grid);
  renderer.draw(3, { originX: 0, originY: 0, cellSize: 6, unit: 1, firstKey: 0 });
  assert.ok(image.data.length > 0 && image.data.every((value, at) => at % 4 !== 3 || value === 255));
  return (x: number, y: number) => [...image.data.subarray((y * size + x) * 4, (y * size + x) * 4 + 3)];
}

test('cells have the color of their value, masked ones another than zero, which is background as what is outside', () => {
  const values = [1, 0, 0, -1, 0, 0, 0.5, Number.NaN, -0.25];
  const levels = [127, 0, 0, -127, 0, 0, 62, -128, -30];
  const at = drawn(values);
  const table = bakeColors(background);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [query, key] = [Math.floor(y / 6), Math.floor(x / 6)];
      const isOutside = query > 2 || key > 2;
      const isMasked = (x: number, y: number) => Math.floor(x / 6) > Math.floor(y / 6);
      const isEdge = !(isMasked(x - 1, y) && isMasked(x, y + 1));
      const isValue = !isOutside && key <= query;
      const expected = isOutside
        ? background
        : isValue
          ? colorOf(table, levels[query * 3 + key]!)
          : isEdge
            ? edge
            : masked;
      assert.deepEqual(at(x, y), [...expected], `pixel ${x}, ${y}`);
    }
  }
});

test('cells whose value has not arrived are background', () => {
  const at = drawn([], false);
  assert.deepEqual(at(3, 3), [...background]);
  assert.deepEqual(at(3, 15), [...background]);
});
