import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelSummary, PanelTokens } from '../../../src/shared/analysis';
import type { Change } from '../../../src/shared/interventions';
import type { ChangeRequest } from '../../../src/shared/panel/experiment';
import { asTrained } from '../../../src/shared/panel/panelAblation';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { Failure } from '../../../src/shared/tools/failure';
import { allows, chosenExperiment } from '../../../webview/experimentKinds';
import { Experiments, headsChange } from '../../../webview/experiments';
import { wholeLines } from '../../../webview/lineRange';
import { outcomeOf, sidesOfExperiment } from '../../../webview/outcome';
import { Places } from '../../../webview/places';
import { defaultLayout, type State } from '../../../webview/state';

const tokens: PanelTokens = {
  labels: ['', 'a', ' b', '\n', 'c', '\n', 'd'],
  offsets: Uint32Array.of(0, 0, 1, 3, 4, 5, 6, 7),
  surprisalBits: Float32Array.of(Number.NaN, 2, 2, 2, 2, 2, 2),
};
const plain = { name: 'plain', nLayers: 2, nHeads: 3, layers: [{ kernels: {} }] } as unknown as ModelSummary;
const panel = (change: object = {}) =>
  ({
    ...{ status: 'done', analysisId: 5, tokens, model: plain, ablation: { ...asTrained, trainedId: 5 } },
    ...change,
  }) as PanelState;

function open() {
  const asked: ChangeRequest[] = [];
  const state = { failure: null as Error | null, changes: 0 };
  const request = async (_: string, args: ChangeRequest) => {
    asked.push(args);
    if (state.failure) throw state.failure;
    const bits = args.change.kind === 'heads' ? args.change.heads.length : 10;
    const changeBits = Float32Array.from(tokens.labels, (_, i) => (i === 0 ? Number.NaN : i === 4 ? bits : 0));
    return { analysisId: 100 + asked.length, klBits: changeBits, meanKlBits: bits, changeBits, meanChangeBits: bits };
  };
  const experiments = new Experiments({ request } as never, () => state.changes++);
  experiments.follow(5);
  return { experiments, asked, state };
}

const all = headsChange(1, [0, 1, 2], 'mean');
const one = {
  label: 'Without L1H2',
  change: headsChange(1, [2], 'mean'),
  yardstick: { label: 'All off', change: all },
};

test('an experiment keeps its maps, its yardstick does not and is worked out once', async () => {
  const { experiments, asked } = open();
  await experiments.run('headsoff', one);
  await experiments.run('headsoff', one);
  assert.deepEqual(
    asked.map(({ keeps, change }) => [keeps, change.kind === 'heads' && change.heads.length]),
    [
      [true, 1],
      [false, 3],
      [true, 1],
    ],
  );
  assert.equal(experiments.yardstick(all)?.meanKlBits, 3);
  assert.equal(experiments.heads.ranked().length, 1);
});

test('the verdict names the change, what the text costs without it, and what it is compared with', async () => {
  const { experiments } = open();
  await experiments.run('headsoff', one);
  experiments.heads.add([{ layerIdx: 0, headIdx: 0 }], { ...experiments.yardstick(all)! }, 5, 'mean');
  const result = experiments.resultOf('headsoff')!;
  const sides = sidesOfExperiment(panel(), null, 'headsoff', result)!;
  assert.deepEqual(
    [sides.leftId, sides.rightId, sides.left.tokens.surprisalBits![4]],
    [result.effect.analysisId, 5, 3],
  );
  const { verdict } = outcomeOf(panel(), 'headsoff', sides, experiments);
  assert.match(
    verdict,
    /^Without L1H2: the predictions differ by 1\.0* bits per token \(KL\), and the text costs \+0\.1667 bits per token, of 2\.00\./,
  );
  assert.match(verdict, /All off: 3\.0* and \+3\.0* bits\. Rank 2 of 2 heads tried\.$/);
});

test('only the newest run has maps; another run of the document forgets them all', async () => {
  const { experiments } = open();
  await experiments.run('headsoff', one);
  const edges: Change = { kind: 'edges', cuts: [{ keys: { first: 1, end: 2 } }] };
  await experiments.run('hidden', { label: 'line 1 hidden', change: edges, yardstick: null });
  assert.equal(experiments.resultOf('headsoff'), null);
  assert.equal(experiments.resultOf('hidden')?.experiment.label, 'line 1 hidden');
  experiments.follow(6);
  assert.equal(experiments.resultOf('hidden'), null);
});

test('a failure is said, but not that a newer run has begun', async () => {
  const { experiments, state } = open();
  state.failure = new Failure('too-long', 'too many tokens');
  await experiments.run('headsoff', one);
  assert.deepEqual([experiments.failure, experiments.running], ['too many tokens', null]);
  state.failure = new Failure('no-analysis', 'older run');
  await experiments.run('headsoff', one);
  assert.equal(experiments.failure, '');
});

test('a model is offered the experiments that it can have; the chosen one wins among them', () => {
  const viewer = panel({ model: { ...plain, viewer: {} } });
  assert.deepEqual(
    [allows('compare', viewer), allows('patch', viewer), allows('ablation', panel())],
    [true, false, false],
  );
  const state = (views: object, of = panel()) => ({ panel: of, layout: { ...defaultLayout, views } }) as State;
  assert.equal(chosenExperiment(state({})), 'headsoff');
  assert.equal(chosenExperiment(state({ trial: 'ablation' })), 'headsoff');
  assert.equal(chosenExperiment(state({ trial: 'edges' })), 'edges');
  assert.equal(chosenExperiment(state({ trial: 'edges' }, viewer)), 'compare');
});

test('whole lines of what is selected, without the begin token', () => {
  const places = new Places(tokens, 1);
  assert.deepEqual(wholeLines({ first: 2, end: 3 }, places), { first: 1, end: 4 });
  assert.deepEqual(wholeLines({ first: 2, end: 5 }, places), { first: 1, end: 6 });
});
