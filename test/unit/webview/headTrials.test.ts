import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeadAblationArgs } from '../../../src/shared/headAblation';
import { Failure } from '../../../src/shared/tools/failure';
import { HeadTrials } from '../../../webview/headTrials';
import { largestTokenChanges, sayProgress, trialName, verdict } from '../../../webview/headTrialsText';

function open() {
  const asked: HeadAblationArgs[] = [];
  const state = { failure: null as Error | null, clock: 0 };
  const request = async (_: string, args: HeadAblationArgs) => {
    asked.push(args);
    if (state.failure) throw state.failure;
    state.clock += 2000;
    const meanKlBits = args.heads.length > 1 ? 1 : (args.heads[0]!.headIdx + 1) / 10;
    const changeBits = Float32Array.of(Number.NaN, meanKlBits);
    return { klBits: changeBits, meanKlBits, changeBits, meanChangeBits: meanKlBits };
  };
  const trials = new HeadTrials(
    { request } as never,
    () => {},
    () => state.clock,
  );
  return { trials, asked, state };
}

const head = (headIdx: number | null) => ({ layerIdx: 2, headIdx });

test('each trial is run once; single heads are ranked, a whole layer is not among them', async () => {
  const { trials, asked } = open();
  await trials.run([head(0), head(null), head(1)], 5, 3, 'mean');
  await trials.run([head(1), head(2)], 5, 3, 'mean');
  assert.deepEqual(
    asked.map(({ heads }) => heads.map(({ headIdx }) => headIdx)),
    [[0], [0, 1, 2], [1], [2]],
  );
  assert.deepEqual(
    trials.ranked().map(({ trial }) => trial.headIdx),
    [2, 1, 0],
  );
  assert.equal(trials.effectOf(head(null))?.meanKlBits, 1);
});

test('another run or baseline forgets what was tried', async () => {
  const { trials } = open();
  await trials.run([head(0)], 5, 3, 'mean');
  trials.show(5, 'mean');
  assert.equal(trials.ranked().length, 1);
  trials.show(5, 'zero');
  assert.equal(trials.ranked().length, 0);
});

test('time left goes by the pace so far', async () => {
  const said: string[] = [];
  const running = new HeadTrials(
    { request: async () => ({ meanKlBits: 0, changeBits: new Float32Array(1) }) } as never,
    () => said.push(sayProgress(running)),
    (() => {
      let clock = 0;
      return () => (clock += 1000);
    })(),
  );
  await running.run([head(0), head(1), head(2)], 1, 3, 'mean');
  assert.equal(said[0], '0 of 3 tried');
  assert.match(said[1]!, /^1 of 3 tried, \d+ s left$/);
  assert.equal(sayProgress({ done: 1, total: 200, leftMs: 400_000 }), '1 of 200 tried, 7 min left');
});

test('a failure is kept, and what was tried before stays', async () => {
  const { trials, state } = open();
  await trials.run([head(0)], 5, 3, 'mean');
  state.failure = new Failure('remote', 'not there');
  await trials.run([head(1)], 5, 3, 'mean');
  assert.deepEqual([trials.failure, trials.isRunning, trials.ranked().length], ['not there', false, 1]);
});

test('the verdict says what it is to be compared with', async () => {
  const { trials } = open();
  await trials.run([head(0), head(1), head(null)], 5, 3, 'mean');
  const said = verdict(head(0), trials.effectOf(head(0))!, trials, 2.125);
  assert.match(said, /^Without L2H0 the predictions differ by 0\.1\d* bits per token \(KL\)/);
  assert.match(said, /of 2\.1\d\. All heads of layer 2 off: 1\.0* bits\. Rank 2 of 2 heads tried\.$/);
  assert.equal(trialName(head(null)), 'all heads of layer 2');
  assert.doesNotMatch(verdict(head(null), trials.effectOf(head(null))!, trials, 2), /Rank|All heads of layer 2 off/);
});

test('the largest changes come by magnitude, without tokens that nothing predicts', () => {
  assert.deepEqual(largestTokenChanges(Float32Array.of(Number.NaN, 0.5, -2, 1), 2), [2, 3]);
});
