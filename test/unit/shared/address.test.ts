import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHead } from '../../../src/shared/address';

test('a head is read as people write it, inside the model only', () => {
  for (const text of ['L2H3', 'l2h3', ' L2 H3 ', '2.3', '2 3', '2,3', 'L2.H3', '2:3', 'L2 3']) {
    assert.deepEqual(parseHead(text, 3, 4), { layerIdx: 2, headIdx: 3 }, text);
  }
  for (const text of ['', 'L2', 'H3', '23', 'L3H0', 'L0H4', 'L-1H0', '1.5.2', 'L2H3x', 'L99999H0', 'two three']) {
    assert.equal(parseHead(text, 3, 4), null, text);
  }
});
