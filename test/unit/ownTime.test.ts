import assert from 'node:assert/strict';
import type { Profiler } from 'node:inspector';
import { test } from 'node:test';
import { OwnTime, timeOf } from '../../src/ownTime';

const node = (id: number, url: string, children: number[] = []): Profiler.ProfileNode => ({
  ...{ id, children },
  callFrame: { url, functionName: '', scriptId: '', lineNumber: 0, columnNumber: 0 },
});

test('samples count that have the script on their stack, from a time on', () => {
  // root -> host -> ours -> library; host -> other
  const nodes = [node(1, '', [2]), node(2, 'host', [3, 5]), node(3, 'ours', [4]), node(4, 'library'), node(5, 'other')];
  const profile = {
    nodes,
    startTime: 1e6,
    endTime: 1.01e6,
    samples: [3, 4, 5, 2, 4],
    timeDeltas: [1e3, 2e3, 3e3, 4e3, 5e3],
  };
  const isOurs = (url: string) => url === 'ours';
  assert.equal(timeOf(profile, isOurs), 8);
  assert.equal(timeOf(profile, isOurs, 1e6 + 2e3), 7);
  assert.equal(
    timeOf(profile, url => url === 'absent'),
    0,
  );
});

test('a profile of the own thread is there at once, and does not count what others do', () => {
  const own = new OwnTime();
  const end = performance.now() + 200;
  while (performance.now() < end);
  assert.ok(own.ofLast(200) < 100); // taking the profile itself may be in it
  own.dispose();
});
