import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeadAblationArgs } from '../../../src/shared/headAblation';
import { Failure } from '../../../src/shared/tools/failure';
import { HeadTrials } from '../../../webview/headTrials';
import { sayProgress, trialName } from '../../../webview/headTrialsText';

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

test('what a head did elsewhere counts as a trial; all heads of a layer do not', () => {
  const { trials } = open();
  const effect = { klBits: new Float32Array(1), meanKlBits: 3, changeBits: new Float32Array(1), meanChangeBits: 1 };
  trials.add([{ layerIdx: 2, headIdx: 1 }], effect, 5, 'mean');
  trials.add([head(0), head(1)] as never, effect, 5, 'mean');
  assert.deepEqual(
    trials.ranked().map(({ trial }) => trialName(trial)),
    ['L2H1'],
  );
  assert.equal(trialName(head(null)), 'all heads of layer 2');
});
