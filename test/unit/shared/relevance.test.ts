import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chosenHeads, formatHeads, hiddenLine, parseHeads } from '../../../src/shared/relevance';

test('heads are written and read back', () => {
  assert.equal(parseHeads(' Layer ', 4, 2), 'layer');
  assert.equal(parseHeads('all', 4, 2), 'all');
  const list = parseHeads('2.0, 3.1;2.0 1.*', 4, 2);
  assert.equal(formatHeads(list), '2.0, 3.1, 1.0, 1.1');
  assert.deepEqual(parseHeads(formatHeads(list), 4, 2), list);
  for (const bad of ['', '4.0', '0.2', '1', '-1.0', '1.1.1', 'x', '1.1e1']) {
    assert.throws(() => parseHeads(bad, 4, 2), RangeError, bad);
  }
});

test('a choice names heads of the model only', () => {
  assert.equal(chosenHeads('all', 0, 3, 200).length, 600);
  assert.deepEqual(chosenHeads('layer', 2, 3, 1), [{ layerIdx: 2, headIdx: 0 }]);
  const list = [
    { layerIdx: 9, headIdx: 0 },
    { layerIdx: 1, headIdx: 1 },
  ];
  assert.deepEqual(chosenHeads(list, 0, 3, 2), [list[1]]);
});

test('a head just outside the model is left out, by its layer and by its number', () => {
  const [inside, otherLayer, otherHead] = [
    { layerIdx: 2, headIdx: 1 },
    { layerIdx: 3, headIdx: 1 },
    { layerIdx: 2, headIdx: 2 },
  ];
  assert.deepEqual(chosenHeads([otherLayer, inside, otherHead], 0, 3, 2), [inside]);
});

test('a hidden line is cut from the rows that predict the selection, up to the first of them, which sees itself', () => {
  const range = (first: number, end: number) => ({ first, end });
  assert.deepEqual(hiddenLine(range(2, 5), range(8, 10)), { rows: range(7, 9), keys: range(2, 5) });
  // Lines that reach into these rows are hidden up to the first.
  assert.deepEqual(hiddenLine(range(5, 12), range(8, 10)), { rows: range(7, 9), keys: range(5, 7) });
  assert.deepEqual(hiddenLine(range(6, 7), range(8, 9)), { rows: range(7, 8), keys: range(6, 7) });
  for (const [line, selection] of [
    [range(7, 9), range(8, 10)],
    [range(9, 12), range(8, 10)],
    [range(0, 1), range(0, 1)],
    [range(0, 1), range(0, 3)],
    [range(0, 1), range(1, 1)],
    [range(3, 3), range(8, 10)],
  ] as const) {
    assert.equal(hiddenLine(line, selection), null, JSON.stringify([line, selection]));
  }
});
