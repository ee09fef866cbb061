import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellAt, cornerOf, isMasked, stepCell, visibleCells } from '../../../../webview/heatmap/hitTest';
import { edgePixel, emptyExactGrid, maskedPixel, outsidePixel, paint } from '../../../../webview/heatmap/levels';
import { views } from './views';

test('a point belongs to the cell that is drawn under it, and to none beside the map', () => {
  for (const { view, nTokens, canvas, random } of views(200)) {
    for (let i = 0; i < 20; i++) {
      const [x, y] = [(random.next() * 1.2 - 0.1) * canvas.width, (random.next() * 1.2 - 0.1) * canvas.height];
      const cell = cellAt(view, x, y, nTokens);
      const edge = view.cellSize * nTokens;
      const isBeside = [x - view.originX, y - view.originY].some(at => at < 0 || at >= edge);
      assert.equal(cell === undefined, isBeside);
      if (!cell) continue;
      const corner = cornerOf(view, cell);
      assert.ok(x >= corner.x - 1e-6 && x < corner.x + view.cellSize + 1e-6);
      assert.ok(y >= corner.y - 1e-6 && y < corner.y + view.cellSize + 1e-6);
    }
  }
});

test('a cell’s middle leads back to the cell, and visible cells are those with a point on the canvas', () => {
  for (const { view, nTokens, canvas, random } of views(200)) {
    const cell = { queryIdx: random.below(nTokens), keyIdx: random.below(nTokens) };
    const { x, y } = cornerOf(view, cell);
    assert.deepEqual(cellAt(view, x + view.cellSize / 2, y + view.cellSize / 2, nTokens), cell);
    const seen = visibleCells(view, nTokens, canvas);
    const onCanvas = (at: number, length: number) => at < length - 1e-6 && at + view.cellSize > 1e-6;
    assert.equal(cell.keyIdx >= seen.keyStart && cell.keyIdx < seen.keyEnd, onCanvas(x, canvas.width));
    assert.equal(cell.queryIdx >= seen.queryStart && cell.queryIdx < seen.queryEnd, onCanvas(y, canvas.height));
  }
});

test('where cells can be distinguished, what is painted masked or outside is so under the pointer', () => {
  let nMasked = 0;
  for (const { random } of views(30)) {
    const nTokens = 1 + random.below(12);
    const view = { originX: -random.next() * 20, originY: -random.next() * 20, cellSize: 1 + random.next() * 6 };
    const pixels = paint(null, emptyExactGrid(nTokens), nTokens, { ...view, unit: 1, firstKey: 0 }, 30, 30);
    for (let y = 0; y < 30; y++) {
      for (let x = 0; x < 30; x++) {
        const cell = cellAt(view, x + 0.5, y + 0.5, nTokens);
        assert.equal(pixels[y * 30 + x] === outsidePixel, cell === undefined);
        assert.equal([maskedPixel, edgePixel].includes(pixels[y * 30 + x]!), cell !== undefined && isMasked(cell));
        if (cell && isMasked(cell)) nMasked++;
      }
    }
  }
  assert.ok(nMasked > 0);
});

test('arrow keys never leave the map', () => {
  assert.deepEqual(stepCell({ queryIdx: 0, keyIdx: 9 }, -1, 1, 10), { queryIdx: 0, keyIdx: 9 });
  assert.deepEqual(stepCell({ queryIdx: 4, keyIdx: 4 }, 10, -10, 10), { queryIdx: 9, keyIdx: 0 });
  assert.deepEqual(stepCell({ queryIdx: 4, keyIdx: 4 }, -1, 1, 10), { queryIdx: 3, keyIdx: 5 });
});
