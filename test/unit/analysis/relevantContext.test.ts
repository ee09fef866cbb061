/** What is relevant for the selection follows the analysis: newest wins, waits for the layers it needs, checks by occluding. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import '../../fixtures/vscode';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import {
  defaultRelevance,
  type OcclusionEffect,
  type RelevanceMethod,
  type RelevanceOptions,
} from '../../../src/shared/relevance';
import { Failure } from '../../../src/shared/tools/failure';
import { byShownHead, fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { layerOf, settle, tokensEvent } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const text = 'one\ntwo\n  six  \nten';
const ofAllHeads: RelevanceOptions = { method: 'mean', direction: 'attends', heads: 'all' };
/** Per token of `text`: the begin token, then one per character. Line 1 weighs most, then line 0. */
const weights = Float32Array.from({ length: text.length + 1 }, (_, i) => (i > 4 && i < 8 ? -0.25 : i < 4 ? 0.1 : 0.01));
const baseline = { surprisalBits: 1, topLabel: 'x', topProbability: 0.5, neutralLabel: '?' };
const effectOf = (bits: number): OcclusionEffect => ({
  ...{ surprisalBits: bits, divergenceBits: bits, topLabel: 'y', topProbability: 0.1 },
});

async function open(options: unknown = byShownHead, isInspected = true) {
  const opened = openAnalysis();
  const memory = fakeMemento({ 'mtaInspector.relevance': options });
  const context = new RelevantContext(opened.analysis, new OcclusionRuns(opened.client.asClient), memory);
  const document = editor.open(text);
  if (isInspected) await opened.inspect(document);
  /** Answers the latest request for weights. */
  async function answer(values = weights) {
    opened.client.last('relevance').resolve(values);
    await settle();
  }
  /** Selects the last line, of which the weights are there. */
  async function select() {
    opened.analysis.selectToken(20, 17);
    await answer();
  }
  const nRequests = () => opened.client.all('relevance').length;
  return { ...opened, memory, context, document, answer, select, nRequests };
}

test('a selection is measured on the shown head, and becomes weights and lines, heaviest first', async () => {
  const { context, analysis, client, answer } = await open();
  analysis.selectToken(20, 17);
  assert.deepEqual([context.snapshot.range, context.snapshot.isBusy], [{ first: 17, end: 21 }, true]);
  const { args } = client.last('relevance');
  assert.deepEqual(args, {
    ...{ analysisId: 1, range: { first: 17, end: 21 }, direction: 'attends', method: 'head' },
    ...{ heads: [{ layerIdx: 1, headIdx: 0 }], stage: 'mixed_pattern' },
  });
  await answer();
  const { weights: shown, isBusy, lines, failure } = context.snapshot;
  assert.deepEqual([shown, isBusy, failure], [weights, false, null]);
  assert.deepEqual(
    lines.map(({ lineIdx, text }) => [lineIdx, text]),
    [
      [1, 'two'],
      [0, 'one'],
      [2, 'six'],
    ],
    'the selection’s own line is not listed, blanks around a line are cut',
  );
  assert.deepEqual([lines[0]!.strongestWeight, lines[0]!.tokens], [-0.25, { first: 5, end: 9 }]);
});

test('the newest selection wins: an older one is aborted, and its answer dropped even where it is there already', async () => {
  const { context, analysis, client, answer } = await open();
  analysis.selectToken(5);
  const first = client.last('relevance');
  first.resolve(new Float32Array(21));
  analysis.selectToken(6);
  assert.equal(first.signal?.aborted, true);
  await settle();
  assert.deepEqual([context.snapshot.weights, context.snapshot.range], [null, { first: 6, end: 7 }]);
  await answer();
  assert.equal(context.snapshot.weights, weights);
});

test('without a selection, or of a text that changed, nothing is measured and nothing stays', async () => {
  const { context, analysis, client, select, document, nRequests } = await open();
  await select();
  analysis.selectToken(null);
  assert.deepEqual([context.snapshot.range, context.snapshot.weights, context.snapshot.lines], [null, null, []]);
  await select();
  document.edit(0, 0, 'x');
  assert.deepEqual([context.snapshot.weights, context.snapshot.isBusy], [null, false]);
  analysis.selectToken(3);
  assert.equal(nRequests(), 2);
  assert.equal(client.last('relevance').isOpen, false);
});

test('a change that the weights do not depend on measures nothing anew; one that they do depend on does', async () => {
  const view = { layerIdx: 1, headIdx: 0, stage: 'mixed_pattern', difference: false } as const;
  const otherHead = { ...view, headIdx: 1 };
  const otherLayer = { ...view, layerIdx: 0 };
  const cases: [RelevanceOptions, typeof view | typeof otherHead | typeof otherLayer, boolean][] = [
    [byShownHead, view, false],
    [byShownHead, otherHead, true],
    [byShownHead, otherLayer, true],
    [{ ...ofAllHeads, heads: 'layer' }, otherHead, false],
    [{ ...ofAllHeads, heads: 'layer' }, otherLayer, true],
    [ofAllHeads, otherLayer, false],
  ];
  for (const [options, next, isMeasured] of cases) {
    const { analysis, client, nRequests } = await open(options);
    analysis.selectToken(5);
    mock.timers.tick(120);
    await settle();
    client.last('relevance').resolve(weights);
    await settle();
    analysis.setView(next);
    analysis.setPinned(true);
    mock.timers.tick(120);
    await settle();
    assert.equal(nRequests(), isMeasured ? 2 : 1, JSON.stringify([options, next]));
  }
});

test('methods that ask many heads wait until the cursor rests', async () => {
  const { analysis, nRequests, client } = await open(ofAllHeads);
  analysis.selectToken(5);
  mock.timers.tick(119);
  analysis.selectToken(6);
  mock.timers.tick(119);
  await settle();
  assert.equal(nRequests(), 0);
  mock.timers.tick(1);
  await settle();
  assert.equal(nRequests(), 1);
  assert.deepEqual(client.last('relevance').args.range, { first: 6, end: 7 });
  assert.equal(client.last('relevance').args.heads.length, 4);
});

test('weights wait for the deepest layer that they ask', async () => {
  const cases: [RelevanceOptions, number][] = [
    [{ ...ofAllHeads, heads: 'all' }, 2],
    [{ ...ofAllHeads, heads: [{ layerIdx: 0, headIdx: 1 }] }, 1],
    [{ ...ofAllHeads, heads: 'layer' }, 1],
    [byShownHead, 1],
  ];
  for (const [options, nLayers] of cases) {
    const { context, analysis, client, start, load } = await open(options, false);
    await start(editor.open(text));
    await load();
    analysis.setView({ layerIdx: 0, headIdx: 0, stage: 'mixed_pattern', difference: false });
    client.emit('tokens', tokensEvent(1, text));
    analysis.selectToken(5);
    for (let done = 0; done < 3; done++) {
      assert.equal(context.snapshot.isBusy, done >= nLayers, `${JSON.stringify(options)}, ${done} layers`);
      if (done < 2) client.emit('layer', { analysisId: 1, layer: layerOf(done) });
    }
  }
});

test('how relevance is measured is remembered, and measured anew at once', async () => {
  const { context, memory, select, nRequests } = await open();
  await select();
  const options = { ...byShownHead, direction: 'attendedBy' } as const;
  context.setOptions(options);
  assert.deepEqual([memory.held['mtaInspector.relevance'], context.snapshot.options], [options, options]);
  assert.deepEqual([nRequests(), context.snapshot.isBusy], [2, true]);
  assert.deepEqual((await open(options)).context.snapshot.options, options);
  assert.deepEqual((await open({ method: 'nonsense' })).context.snapshot.options, defaultRelevance);
});

test('what cannot be measured says so, a cancel does not', async () => {
  const { context, analysis, client, answer } = await open();
  analysis.selectToken(5);
  client.last('relevance').reject(new Failure('process', 'gone'));
  await settle();
  assert.deepEqual([context.snapshot.failure?.code, context.snapshot.isBusy], ['process', false]);
  analysis.selectToken(6);
  assert.equal(context.snapshot.failure, null);
  await answer();
  assert.ok(context.snapshot.weights);
});

test('who waits for the weights gets those of the selection of the moment', async () => {
  const { context, analysis, client, answer } = await open();
  analysis.selectToken(5);
  const settled = context.settled();
  analysis.selectToken(6);
  let state: unknown;
  void settled.then(value => {
    state = value;
  });
  await settle();
  assert.equal(state, undefined);
  await answer();
  assert.equal((await settled).weights, weights);
  assert.deepEqual((await settled).range, { first: 6, end: 7 });
  assert.equal(client.all('relevance').length, 2);
});

test('a check occludes every line before the selection, the most relevant first, and reports each', async () => {
  const { context, client, select } = await open();
  await select();
  const done = context.occlude('replace');
  await settle();
  const { args, resolve } = client.last('occlude');
  assert.deepEqual(args, {
    ...{ analysisId: 1, target: { first: 17, end: 21 }, mode: 'replace', occlusionId: 1 },
    spans: [
      { first: 5, end: 9 },
      { first: 1, end: 5 },
      { first: 9, end: 17 },
    ],
  });
  const occlusion = () => context.snapshot.occlusion!;
  assert.deepEqual([occlusion().status, occlusion().total, occlusion().rows], ['running', 3, []]);
  for (const [spanIdx, bits] of [-3, 2, 1].entries()) {
    client.emit('occluded', { occlusionId: 1, spanIdx, effect: effectOf(bits), baseline });
  }
  client.emit('occluded', { occlusionId: 2, spanIdx: 0, effect: effectOf(9), baseline });
  assert.deepEqual(
    occlusion().rows.map(({ lineIdx, effect }) => [lineIdx, effect.surprisalBits]),
    [
      [1, -3],
      [0, 2],
      [2, 1],
    ],
  );
  const { agreement } = occlusion();
  assert.deepEqual([agreement.divergence.relevanceMean, agreement.divergence.nearness], [-0.5, -0.5]);
  assert.ok(Number.isNaN(agreement.surprisal.relevanceMean), 'the predicting rows are not measured yet');
  // One row earlier, where the lines weigh otherwise.
  const { args: measured, resolve: measure } = client.last('relevance');
  assert.deepEqual(measured.range, { first: 16, end: 20 });
  measure(Float32Array.from(weights, (_, i) => (i < 5 ? 0.5 : i < 9 ? -0.75 : 0.1)));
  await settle();
  assert.deepEqual(
    occlusion().rows.map(({ predicting }) => predicting?.meanWeight.toFixed(2)),
    ['0.75', '0.50', '0.10'],
  );
  assert.equal(occlusion().agreement.surprisal.relevanceMean, -0.5, 'of the signed change');
  assert.equal(occlusion().agreement.surprisalSize.relevanceMean, 1, 'of its absolute value');
  resolve(baseline);
  await settle();
  assert.deepEqual([occlusion().status, occlusion().baseline], ['running', baseline]);
  // Hidden from the rows 16 to 19, which predict the tokens 17 to 20.
  const hide = client.last('knockOuts');
  assert.deepEqual(hide.args, {
    ...{ analysisId: 1, rows: { first: 16, end: 20 }, target: 'actual' },
    cuts: [{ keys: { first: 5, end: 9 } }, { keys: { first: 1, end: 5 } }, { keys: { first: 9, end: 16 } }],
  });
  const cut = (changeBits: number) => ({ changeBits, divergenceBits: 0, likeliest: [] });
  hide.resolve({
    rows: { first: 16, end: 20 },
    targets: [],
    surprisalBits: new Float32Array(4),
    effects: [cut(-4), cut(-8), cut(2)],
  });
  await done;
  assert.equal(occlusion().status, 'done');
  assert.deepEqual(
    occlusion().rows.map(({ lostBits }) => lostBits),
    [1, 2, -0.5],
  );
  assert.equal(occlusion().hiding?.relevanceMean, 0.5);
  client.emit('occluded', { occlusionId: 1, spanIdx: 0, effect: effectOf(9), baseline });
  assert.equal(occlusion().rows.length, 3, 'what comes after the end is dropped');
});

test('of the rows that predict the selection: their weights are taken, and a check measures the reading rows as well', async () => {
  const { context, analysis, client, answer } = await open({ ...byShownHead, row: 'predicting' });
  analysis.selectToken(20, 17);
  assert.deepEqual(client.last('relevance').args.range, { first: 16, end: 20 });
  await answer();
  void context.occlude('replace');
  await settle();
  assert.deepEqual(client.last('relevance').args.range, { first: 17, end: 21 }, 'the other rows');
  for (const [spanIdx, bits] of [3, 2, 1].entries()) {
    client.emit('occluded', { occlusionId: 1, spanIdx, effect: effectOf(bits), baseline });
  }
  const { agreement } = context.snapshot.occlusion!;
  assert.ok(Number.isNaN(agreement.divergence.relevanceMean), 'the reading rows are not measured yet');
  assert.equal(agreement.surprisal.relevanceMean, 1, 'of the predicting rows, which are shown');
  await answer(weights.map(weight => -weight));
  assert.equal(context.snapshot.occlusion!.agreement.divergence.relevanceMean, 1);
  context.setOptions({ ...byShownHead, row: 'predicting', direction: 'attendedBy' });
  assert.deepEqual(
    client.last('relevance').args.range,
    { first: 17, end: 21 },
    'later rows that look at the selection',
  );
  context.setOptions({ ...byShownHead, row: 'predicting' });
  analysis.selectToken(0);
  await settle();
  assert.match(
    context.snapshot.failure!.message,
    /Nothing predicts the first token of the range\. Select a later word/,
  );
});

test('a line that reaches into the selection is occluded up to it, one behind it is not', async () => {
  const { context, analysis, client, answer } = await open();
  analysis.selectToken(6);
  await answer();
  void context.occlude('remove').catch(() => {});
  await settle();
  assert.deepEqual(client.last('occlude').args.spans, [
    { first: 5, end: 6 },
    { first: 1, end: 5 },
  ]);
});

test('measured another way, a check keeps its effects beside the new relevance; another selection ends it', async () => {
  const { context, analysis, client, select, answer } = await open();
  await select();
  void context.occlude('replace');
  await settle();
  client.emit('occluded', { occlusionId: 1, spanIdx: 0, effect: effectOf(1), baseline });
  client.emit('occluded', { occlusionId: 1, spanIdx: 1, effect: effectOf(2), baseline });
  client.emit('occluded', { occlusionId: 1, spanIdx: 2, effect: effectOf(3), baseline });
  context.setOptions({ ...byShownHead, method: 'head', direction: 'attendedBy' });
  await answer(weights.map(weight => -2 * weight));
  const { rows, status, agreement } = context.snapshot.occlusion!;
  assert.equal(status, 'running');
  assert.deepEqual(
    rows.map(({ lineIdx, weight }) => [lineIdx, weight.toFixed(2)]),
    [
      [1, '1.52'],
      [0, '0.62'],
      [2, '0.16'],
    ],
  );
  assert.equal(agreement.divergence.relevance, -1);
  analysis.selectToken(6);
  assert.equal(client.last('occlude').signal?.aborted, true);
  assert.equal(context.snapshot.occlusion, null);
});

test('a check is refused where there is nothing to check, and its failure is said and thrown', async () => {
  const { context, analysis, client, select, answer } = await open();
  await assert.rejects(context.occlude('replace'), { code: 'no-selection' });
  await select();
  context.setOptions({ ...byShownHead, direction: 'attendedBy' });
  await answer();
  await assert.rejects(context.occlude('replace'), { code: 'wrong-direction' });
  context.setOptions(byShownHead);
  await answer();
  const done = context.occlude('replace');
  await settle();
  client.last('occlude').reject(new Failure('memory', 'too large'));
  await assert.rejects(done, { code: 'memory' });
  assert.deepEqual(
    [context.snapshot.occlusion?.status, context.snapshot.occlusion?.failure?.code],
    ['failed', 'memory'],
  );
  analysis.selectToken(null);
  await assert.rejects(context.occlude('replace'), { code: 'no-selection' });
});

test('a check is cancelled by the reader, by its caller’s signal, by a newer one and at the end', async () => {
  for (const how of ['cancel', 'signal', 'newer', 'dispose'] as const) {
    const { context, client, select } = await open();
    await select();
    const controller = new AbortController();
    const done = context.occlude('replace', controller.signal);
    await settle();
    const { signal } = client.last('occlude');
    if (how === 'cancel') context.cancelOcclusion();
    else if (how === 'signal') controller.abort();
    else if (how === 'newer') void context.occlude('remove');
    else context.dispose();
    await settle();
    assert.equal(signal?.aborted, true, how);
    await done; // a cancel is no failure
    const { status, mode } = context.snapshot.occlusion!;
    assert.deepEqual([status, mode], how === 'newer' ? ['running', 'remove'] : ['cancelled', 'replace']);
  }
});

test('lines that an edit took away are left out', async () => {
  const { context, analysis, client, document } = await open();
  analysis.selectToken(5);
  Object.assign(document, { text: 'one' });
  client.last('relevance').resolve(weights);
  await settle();
  assert.deepEqual(
    context.snapshot.lines.map(({ lineIdx }) => lineIdx),
    [0],
  );
});

test('the setting says how relevance is measured where nothing was chosen in the workspace', async () => {
  const { analysis, client } = openAnalysis();
  let method: RelevanceMethod = 'max';
  const memory = fakeMemento({});
  const runs = new OcclusionRuns(client.asClient);
  const context = new RelevantContext(analysis, runs, memory, () => method);
  assert.deepEqual(context.snapshot.options, { ...defaultRelevance, method: 'max' });
  const changed = (id: string) =>
    editor.events.changeConfiguration.fire({ affectsConfiguration: (section: string) => id.startsWith(section) });
  method = 'rollout';
  changed('mtaInspector.hover.enabled');
  assert.equal(context.snapshot.options.method, 'max');
  changed('mtaInspector.relevance.method');
  assert.equal(context.snapshot.options.method, 'rollout');
  context.setOptions(ofAllHeads);
  method = 'max';
  changed('mtaInspector.relevance.method');
  assert.deepEqual(context.snapshot.options, ofAllHeads);
  // After a restart as well.
  assert.deepEqual(new RelevantContext(analysis, runs, memory, () => method).snapshot.options, ofAllHeads);
});
