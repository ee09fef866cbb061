import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOfPixel } from '../../../../webview/heatmap/levels';
import { windowSizeFor } from '../../../../webview/heatmap/strongestWindows';
import { Random } from '../../../random';

test('two windows along each axis cover what any pixel touches', () => {
  const random = new Random(3);
  for (let i = 0; i < 2000; i++) {
    const cellSize = 0.02 + 0.97 * random.next();
    const origin = -random.next() * 50;
    const n = windowSizeFor(cellSize);
    const [start, end] = cellsOfPixel(1 + random.below(40), origin, cellSize, 1e6);
    assert.ok(end - start >= n && end - start <= 2 * n, `${end - start} cells, windows of ${n}, cells of ${cellSize}`);
  }
  assert.equal(windowSizeFor(1), 1);
  assert.equal(windowSizeFor(7), 1);
});
