/** What gestures on a map do: a click selects the query under it, arrows move the cell, the keyboard begins at the selection. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cell } from '../../../../src/shared/address';
import { createGestures } from '../../../../webview/components/mapGestures';
import { Navigation } from '../../../../webview/heatmap/navigation';

/** A map of 10 x 10 cells, 20 pixels each. */
function open({ cell = null as Cell | null, selectedToken = null as number | null } = {}) {
  const calls: unknown[][] = [];
  const state = { cell, panel: { selectedToken } };
  const actions = {
    pickCell(picked: Cell | null) {
      state.cell = picked;
      calls.push(['pickCell', picked]);
    },
    selectToken: (...args: unknown[]) => calls.push(['selectToken', ...args]),
  };
  const navigation = new Navigation(() => {});
  navigation.follow(10, { factor: 1, centerQuery: 0.5, centerKey: 0.5 });
  navigation.resize(200, 200);
  const hover = (hovered: Cell | null) => calls.push(['hover', hovered]);
  return { calls, navigation, gestures: createGestures({ state } as never, actions as never, navigation, hover) };
}

const at = (queryIdx: number, keyIdx: number): Cell => ({ queryIdx, keyIdx });

test('a click picks the cell under it and selects its query, the row that looks', () => {
  const { calls, gestures } = open();
  gestures.click(50, 150);
  assert.deepEqual(calls, [
    ['pickCell', at(7, 2)],
    ['selectToken', 7, true],
  ]);
});

test('a click beside the map picks nothing and leaves the selection', () => {
  const { calls, gestures, navigation } = open();
  navigation.zoomAt(0.5, 0, 0);
  gestures.click(-10, 5);
  assert.deepEqual(calls, [['pickCell', null]]);
});

test('the pointer’s cell is reported, and that it left', () => {
  const { calls, gestures } = open();
  gestures.hover({ x: 50, y: 150 });
  gestures.hover({ x: 250, y: 150 });
  gestures.hover(null);
  assert.deepEqual(calls, [
    ['hover', at(7, 2)],
    ['hover', null],
    ['hover', null],
  ]);
});

test('arrows move the cell, and begin at the selected query or at the first cell in sight', () => {
  const moved = open({ cell: at(4, 3) });
  moved.gestures.step(-1, 2);
  assert.deepEqual(moved.calls, [
    ['hover', null],
    ['pickCell', at(3, 5)],
  ]);
  const selected = open({ selectedToken: 6 });
  selected.gestures.step(1, 0);
  assert.deepEqual(selected.calls.at(-1), ['pickCell', at(6, 6)]);
  const first = open({ selectedToken: 0 });
  first.gestures.step(1, 0);
  assert.deepEqual(first.calls.at(-1), ['pickCell', at(0, 0)]);
  const zoomed = open();
  zoomed.navigation.zoomAt(4, 200, 100);
  zoomed.gestures.step(0, 1);
  const { queryIdx, keyIdx } = zoomed.calls.at(-1)![1] as Cell;
  assert.deepEqual(
    [queryIdx > 0, keyIdx],
    [true, 0],
    'what is in sight is masked, but for the strip of the first token',
  );
});

test('a cell that arrows reach comes into sight', () => {
  const { gestures, navigation } = open({ cell: at(8, 8) });
  navigation.zoomAt(5, 0, 0);
  const before = navigation.viewport;
  gestures.step(1, 1);
  assert.notDeepEqual(navigation.viewport, before);
});

test('Enter selects the cell’s query, or nothing without a cell', () => {
  const { calls, gestures } = open({ cell: at(4, 3) });
  gestures.select();
  assert.deepEqual(calls, [['selectToken', 4, true]]);
  const none = open();
  none.gestures.select();
  assert.deepEqual(none.calls, []);
});

test('Escape leaves the cell first, then the selection', () => {
  const { calls, gestures } = open({ cell: at(4, 3) });
  gestures.clear();
  assert.deepEqual(calls.splice(0), [
    ['hover', null],
    ['pickCell', null],
  ]);
  gestures.clear();
  assert.deepEqual(calls, [
    ['hover', null],
    ['selectToken', null, false],
  ]);
});

test('zoom holds the point, the cell, or else the middle; panning and fitting move the map', () => {
  const corner = (cell: Cell | null, x?: number, y?: number) => {
    const { gestures, navigation } = open({ cell });
    assert.equal(gestures.zoom(2, x, y), true);
    return [navigation.viewport.originX, navigation.viewport.originY];
  };
  assert.deepEqual(corner(null, 20, 60), [-20, -60]);
  assert.deepEqual(corner(at(5, 1)), [-20, -100]);
  assert.deepEqual(corner(null), [-100, -100]);
  const { gestures, navigation } = open();
  gestures.zoom(2, 100, 100);
  gestures.pan(-30, -40);
  assert.deepEqual([navigation.viewport.originX, navigation.viewport.originY], [-130, -140]);
  gestures.fit();
  assert.equal(navigation.viewport.cellSize, 20);
});
