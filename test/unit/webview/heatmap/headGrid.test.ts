import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cornerOfHead, headUnder, layOutHeads } from '../../../../webview/heatmap/headGrid';

const measures = { minEdge: 200, gap: 10, header: 18 };
const layouts: [count: number, width: number, columns: number, rows: number][] = [
  [8, 1176, 4, 2],
  [8, 300, 2, 4],
  [1, 300, 1, 1],
  [3, 1176, 3, 1],
  [32, 1176, 5, 7],
  [2, 40, 2, 1],
];
for (const [count, width, columns, rows] of layouts) {
  test(`${count} heads on ${width} pixels: ${columns} columns, ${rows} rows, nothing outside`, () => {
    const grid = layOutHeads(count, width, measures);
    assert.equal(grid.columns, columns);
    assert.equal(grid.height, rows * grid.pitchY - measures.gap);
    for (let slot = 0; slot < count; slot++) {
      const { x, y } = cornerOfHead(grid, slot);
      assert.ok(x + grid.edge <= width && y + grid.edge <= grid.height && y >= measures.header);
      assert.deepEqual(headUnder(grid, x, y), { slot, x: 0, y: 0 });
      assert.deepEqual(headUnder(grid, x + grid.edge - 1, y + 3), { slot, x: grid.edge - 1, y: 3 });
      assert.equal(headUnder(grid, x + 1, y - 1), null, 'its name is no part of the map');
    }
  });
}

test('between the maps and after the last there is none', () => {
  const grid = layOutHeads(3, 430, measures);
  assert.equal(grid.columns, 2);
  const last = cornerOfHead(grid, 2);
  for (const [x, y] of [
    [grid.edge + 2, 40],
    [last.x + grid.pitchX, last.y],
    [-1, 40],
    [5, grid.height + 40],
  ] as const) {
    assert.equal(headUnder(grid, x, y), null);
  }
});
