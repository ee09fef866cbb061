import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestFirst, planRanges } from '../../../src/attention/planRanges';
import { Random } from '../../random';

test('reports cover every token once; windows fit; every token has what it needs before it', () => {
  const random = new Random(11);
  for (let i = 0; i < 300; i++) {
    const nTokens = random.below(2000);
    const room = 4 + random.below(200);
    const before = random.below(room);
    const every = 1 + random.below(60);
    const windows = planRanges(nTokens, room, before, token => token % every === 0);
    let covered = 0;
    for (const { first, report } of windows) {
      assert.equal(report.first, covered);
      assert.ok(report.end > report.first && report.end - first <= room);
      assert.equal(first, Math.max(0, report.first - before));
      covered = report.end;
    }
    assert.equal(covered, nTokens);
    // Lines short enough are whole.
    if (every * 2 < room - before) assert.ok(windows.slice(0, -1).every(({ report }) => report.end % every === 0));
  }
  assert.throws(() => planRanges(10, 4, 4, () => false), RangeError);
});

test('windows nearest to the selection come first', () => {
  const windows = planRanges(100, 20, 10, () => false);
  const order = nearestFirst(windows, 52).map(({ report }) => report);
  assert.ok(order[0]!.first <= 52 && 52 < order[0]!.end);
  const distances = order.map(({ first, end }) => Math.max(first - 52, 52 - end + 1, 0));
  assert.deepEqual(
    distances,
    distances.toSorted((a, b) => a - b),
  );
});
