import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLayout, readLayout, Store } from '../../../webview/state';

const rubbish = [null, undefined, 5, 'text', [], {}, { zoom: null }, { zoom: { factor: 'x' } }, { closedSections: 7 }];
for (const saved of rubbish) {
  test(`a layout saved as ${JSON.stringify(saved)} is the default one`, () => {
    assert.deepEqual(readLayout(saved), defaultLayout);
  });
}

test('what fits of a saved layout is kept', () => {
  const zoom = { factor: 3, centerQuery: 0.2, centerKey: 0.1 };
  const saved = { zoom, leavesOutFirst: true, closedSections: ['tokens', 3], fromTheFuture: 1 };
  assert.deepEqual(readLayout(saved), { zoom, leavesOutFirst: true, closedSections: ['tokens'] });
  assert.deepEqual(readLayout(JSON.parse(JSON.stringify(readLayout(saved)))), readLayout(saved));
});

test('listeners hear the state now and after every update', () => {
  const store = new Store({ a: 1, b: 2 });
  const heard: number[] = [];
  store.subscribe(({ a, b }) => heard.push(a * 10 + b));
  store.update({ a: 3 });
  store.update({ b: 4 });
  assert.deepEqual(heard, [12, 32, 34]);
});
