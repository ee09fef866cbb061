import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cornerOf } from '../../../../webview/heatmap/hitTest';
import {
  fit,
  fromSavedZoom,
  pan,
  reveal,
  type Size,
  toSavedZoom,
  type Viewport,
  zoomAt,
} from '../../../../webview/heatmap/viewport';
import { Random } from '../../../random';
import { views } from './views';

/** Origin, length of the canvas and the map's edge, per axis. */
function axes(view: Viewport, nTokens: number, canvas: Size) {
  const edge = view.cellSize * nTokens;
  return [
    { origin: view.originX, length: canvas.width, edge },
    { origin: view.originY, length: canvas.height, edge },
  ] as const;
}

function assertFilled(view: Viewport, nTokens: number, canvas: Size): void {
  for (const { origin, length, edge } of axes(view, nTokens, canvas)) {
    assert.ok(origin <= 0 && origin + edge >= Math.min(length, edge) - 1e-6, JSON.stringify({ view, canvas }));
  }
  assert.ok(view.cellSize >= fit(nTokens, canvas).cellSize * (1 - 1e-9));
}

test('the canvas stays filled with map, whatever one does', () => {
  for (const { view, nTokens, canvas } of views(200)) assertFilled(view, nTokens, canvas);
});

test('a saved zoom may hold any numbers: the canvas stays filled', () => {
  const random = new Random(8);
  const numbers = [0, -5, 1e308, -1e308, 1e-300, 0.5, 1, 3, 1e9];
  const canvas = { width: 500, height: 320 };
  for (let round = 0; round < 300; round++) {
    const nTokens = 1 + random.below(2000);
    const zoom = { factor: random.pick(numbers), centerQuery: random.pick(numbers), centerKey: random.pick(numbers) };
    assertFilled(fromSavedZoom(zoom, nTokens, canvas), nTokens, canvas);
  }
});

test('zooming in keeps the place under the pointer', () => {
  for (const { view, nTokens, canvas, random } of views(200)) {
    const [x, y] = [random.next() * canvas.width, random.next() * canvas.height];
    const zoomed = zoomAt(view, 1 + random.next(), x, y, nTokens, canvas);
    const places = [
      [x, view.originX, zoomed.originX, canvas.width],
      [y, view.originY, zoomed.originY, canvas.height],
    ] as const;
    for (const [at, before, after, length] of places) {
      if (view.cellSize * nTokens < length - 1e-6) continue; // A map that leaves a margin keeps to its side of it.
      assert.ok(Math.abs((at - before) / view.cellSize - (at - after) / zoomed.cellSize) < 1e-6);
    }
  }
});

test('zooming out all the way shows the whole map', () => {
  for (const { view, nTokens, canvas } of views(50)) {
    const whole = zoomAt(view, 1e-6, 10, 10, nTokens, canvas);
    assert.ok(whole.cellSize <= fit(nTokens, canvas).cellSize * 1.0001);
    for (const { origin } of axes(whole, nTokens, canvas)) assert.ok(Math.abs(origin) < 1e-6);
  }
});

test('a move goes as far as asked for, or to the edge of the map', () => {
  for (const { view, nTokens, canvas, random } of views(200)) {
    const by = [(random.next() - 0.5) * 300, (random.next() - 0.5) * 300] as const;
    const moved = axes(pan(view, by[0], by[1], nTokens, canvas), nTokens, canvas);
    for (const [i, { origin, length, edge }] of axes(view, nTokens, canvas).entries()) {
      const target = origin + by[i]!;
      const expected = Math.max(Math.min(0, length - edge), Math.min(0, target));
      assert.ok(Math.abs(moved[i]!.origin - expected) < 1e-9);
    }
  }
});

test('revealing a cell makes it wholly visible, and moves nothing when it was', () => {
  for (const { view, nTokens, canvas, random } of views(200)) {
    const cell = { queryIdx: random.below(nTokens), keyIdx: random.below(nTokens) };
    const isWhole = (shown: Viewport) => {
      const { x, y } = cornerOf(shown, cell);
      const slack = 1e-6 - shown.cellSize;
      return x >= -1e-6 && y >= -1e-6 && x <= canvas.width + slack && y <= canvas.height + slack;
    };
    const shown = reveal(view, cell.queryIdx, cell.keyIdx, nTokens, canvas);
    if (Math.min(canvas.width, canvas.height) >= view.cellSize)
      assert.ok(isWhole(shown), JSON.stringify({ shown, cell }));
    assert.equal(shown.cellSize, view.cellSize);
    if (isWhole(view)) {
      assert.ok(Math.abs(shown.originX - view.originX) < 1e-5 && Math.abs(shown.originY - view.originY) < 1e-5);
    }
  }
});

test('a saved zoom comes back on a canvas of the same size', () => {
  for (const { view, nTokens, canvas } of views(200)) {
    const again = fromSavedZoom(toSavedZoom(view, nTokens, canvas), nTokens, canvas);
    for (const key of ['originX', 'originY', 'cellSize'] as const) {
      assert.ok(Math.abs(again[key] - view[key]) < 1e-3 * Math.max(1, Math.abs(view[key])), key);
    }
  }
});
