import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellAt, cornerOf, stepCell, visibleCells } from '../../../../webview/heatmap/hitTest';
import {
  fit,
  fromSavedZoom,
  isFit,
  pan,
  reveal,
  toSavedZoom,
  type Viewport,
  zoomAt,
} from '../../../../webview/heatmap/viewport';
import { Random } from '../../../random';

const canvas = { width: 320, height: 320 };

/** Views as a reader reaches them: random zooms and moves from the whole map. */
function* views(count: number): Generator<{ view: Viewport; nTokens: number; random: Random }> {
  const random = new Random(3);
  for (let i = 0; i < count; i++) {
    const nTokens = 1 + random.below(2000);
    let view = fit(nTokens, canvas);
    for (let step = 0; step < 6; step++) {
      view =
        random.next() < 0.5
          ? zoomAt(view, 0.3 + 3 * random.next(), random.next() * 320, random.next() * 320, nTokens, canvas)
          : pan(view, (random.next() - 0.5) * 900, (random.next() - 0.5) * 900, nTokens, canvas);
    }
    yield { view, nTokens, random };
  }
}

test('the canvas stays filled with map, whatever one does', () => {
  for (const { view, nTokens } of views(200)) {
    const edge = view.cellSize * nTokens;
    for (const origin of [view.originX, view.originY]) {
      assert.ok(origin <= 0 && origin + edge >= Math.min(320, edge) - 1e-6, JSON.stringify(view));
    }
    assert.ok(view.cellSize >= fit(nTokens, canvas).cellSize - 1e-9);
  }
});

test('zooming in keeps the place under the pointer', () => {
  for (const { view, nTokens, random } of views(200)) {
    const [x, y] = [random.next() * 320, random.next() * 320];
    const zoomed = zoomAt(view, 1 + random.next(), x, y, nTokens, canvas);
    assert.ok(Math.abs((x - view.originX) / view.cellSize - (x - zoomed.originX) / zoomed.cellSize) < 1e-6);
    assert.ok(Math.abs((y - view.originY) / view.cellSize - (y - zoomed.originY) / zoomed.cellSize) < 1e-6);
  }
});

test('zooming out all the way shows the whole map', () => {
  for (const { view, nTokens } of views(50)) {
    const whole = zoomAt(view, 1e-6, 10, 10, nTokens, canvas);
    assert.ok(isFit(whole, nTokens, canvas));
  }
});

test('a cell’s corner leads back to the cell, and visible cells are those with a point on the canvas', () => {
  for (const { view, nTokens, random } of views(200)) {
    const cell = { queryIdx: random.below(nTokens), keyIdx: random.below(nTokens) };
    const { x, y } = cornerOf(view, cell);
    assert.deepEqual(cellAt(view, x + view.cellSize / 2, y + view.cellSize / 2, nTokens), cell);
    const seen = visibleCells(view, nTokens, canvas);
    const onCanvas = (at: number) => at < 320 - 1e-6 && at + view.cellSize > 1e-6;
    assert.equal(cell.keyIdx >= seen.keyStart && cell.keyIdx < seen.keyEnd, onCanvas(x), JSON.stringify({ x, seen }));
    assert.equal(cell.queryIdx >= seen.queryStart && cell.queryIdx < seen.queryEnd, onCanvas(y));
    assert.equal(cellAt(view, x - nTokens * 50, y, nTokens), undefined);
  }
});

test('revealing a cell makes it wholly visible', () => {
  for (const { view, nTokens, random } of views(200)) {
    const [queryIdx, keyIdx] = [random.below(nTokens), random.below(nTokens)];
    const shown = reveal(view, queryIdx, keyIdx, nTokens, canvas);
    const { x, y } = cornerOf(shown, { queryIdx, keyIdx });
    for (const at of [x, y]) assert.ok(at >= -1e-6 && at + shown.cellSize <= 320 + 1e-6);
  }
});

test('a saved zoom comes back on a canvas of the same size', () => {
  for (const { view, nTokens } of views(200)) {
    const again = fromSavedZoom(toSavedZoom(view, nTokens, canvas), nTokens, canvas);
    for (const key of ['originX', 'originY', 'cellSize'] as const) {
      assert.ok(Math.abs(again[key] - view[key]) < 1e-3 * Math.max(1, Math.abs(view[key])), key);
    }
  }
});

test('arrow keys never leave the map', () => {
  assert.deepEqual(stepCell({ queryIdx: 0, keyIdx: 9 }, -1, 1, 10), { queryIdx: 0, keyIdx: 9 });
  assert.deepEqual(stepCell({ queryIdx: 4, keyIdx: 4 }, 10, -10, 10), { queryIdx: 9, keyIdx: 0 });
});
