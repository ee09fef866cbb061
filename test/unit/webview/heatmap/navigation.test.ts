import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Navigation } from '../../../../webview/heatmap/navigation';
import type { SavedZoom } from '../../../../webview/heatmap/viewport';

const whole: SavedZoom = { factor: 1, centerQuery: 0.5, centerKey: 0.5 };

/** Shown at 200 x 200 pixels, with what was saved. */
function shown(nTokens = 100) {
  const saved: SavedZoom[] = [];
  const navigation = new Navigation(zoom => saved.push(zoom));
  navigation.follow(nTokens, whole);
  navigation.resize(200, 200);
  return { navigation, saved };
}

test('without a size or a map there is nothing to move', () => {
  const saved: SavedZoom[] = [];
  const navigation = new Navigation(zoom => saved.push(zoom));
  navigation.pan(5, 5);
  assert.equal(navigation.resize(0, 100), false);
  assert.equal(navigation.resize(100, 100), false, 'no map yet');
  assert.equal(navigation.follow(10, whole), true);
  assert.equal(navigation.viewport.cellSize, 10);
  assert.deepEqual(saved, []);
});

test('what one view saves, another follows', () => {
  const { navigation, saved } = shown();
  navigation.zoomAt(4, 100, 100);
  const other = shown();
  assert.equal(other.navigation.follow(100, saved.at(-1)!), true);
  assert.deepEqual(other.navigation.viewport, navigation.viewport);
  assert.equal(other.navigation.follow(100, saved.at(-1)!), false, 'nothing new');
  assert.equal(navigation.follow(100, saved.at(-1)!), false, 'its own move');
});

test('a resize keeps the place', () => {
  const { navigation } = shown();
  navigation.zoomAt(5, 50, 150);
  const { originX, cellSize } = navigation.viewport;
  navigation.resize(400, 400);
  assert.ok(Math.abs(navigation.viewport.cellSize - 2 * cellSize) < 1e-9);
  assert.ok(Math.abs(navigation.viewport.originX - 2 * originX) < 1e-6);
});

test('a cell picked elsewhere comes to the middle; one in sight, or seen before, moves nothing', () => {
  const { navigation, saved } = shown();
  navigation.zoomAt(5, 0, 0);
  const before = navigation.viewport;
  navigation.followCell({ queryIdx: 5, keyIdx: 5 });
  assert.equal(navigation.viewport, before);
  const far = { queryIdx: 60, keyIdx: 50 };
  navigation.followCell(far);
  const { originX, originY, cellSize } = navigation.viewport;
  assert.deepEqual([originX + 50.5 * cellSize, originY + 60.5 * cellSize], [100, 100]);
  const nSaved = saved.length;
  navigation.pan(-100, -100);
  navigation.followCell(far);
  assert.equal(saved.length, nSaved + 1, 'the reader has moved on');
});

test('a zoom to a word shows about forty tokens, those before it more than those after', () => {
  const { navigation } = shown(400);
  navigation.zoomTo(250);
  const { originX, originY, cellSize } = navigation.viewport;
  assert.equal(200 / cellSize, 40);
  for (const origin of [originX, originY]) {
    const at = origin + 250.5 * cellSize;
    assert.ok(at > 140 && at < 160, `${at} of 200`);
  }
  const small = shown(20);
  small.navigation.zoomTo(3);
  assert.equal(small.navigation.viewport.cellSize, 10, 'a text that fits stays whole');
});

test('keys beside the canvas are not on it, whatever one does', () => {
  const navigation = new Navigation(() => {}, 1);
  navigation.follow(100, whole);
  navigation.resize(200, 200);
  for (const move of [
    () => {},
    () => navigation.zoomAt(5, 0, 0),
    () => navigation.pan(500, 500),
    () => navigation.reveal({ queryIdx: 0, keyIdx: 0 }),
    () => navigation.fit(),
  ]) {
    move();
    const { originX, cellSize } = navigation.viewport;
    assert.ok(originX + cellSize <= 1e-9, `key 0 ends at ${originX + cellSize}`);
  }
});
