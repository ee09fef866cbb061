/** What a webview asks goes to the right owner, checked; what the owners change reaches the webview, in the agreed form. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import '../../fixtures/vscode';
import { Ablations } from '../../../src/analysis/ablations';
import { Answers } from '../../../src/analysis/answers';
import { ChangedRuns } from '../../../src/analysis/changedRuns';
import { Comparison } from '../../../src/analysis/comparison';
import { DocumentSearch } from '../../../src/analysis/documentSearch';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import { commands } from '../../../src/contributionIds';
import { connectPanel } from '../../../src/panel/bridge';
import { PanelTab } from '../../../src/panel/panelTab';
import { noAblation } from '../../../src/shared/ablation';
import type { PanelCommand, PanelEvents, PanelRequests, RunTokens } from '../../../src/shared/panel/panelMessages';
import { panelAnswers, panelEvents } from '../../../src/shared/panel/panelSchemas';
import { withUpdate } from '../../../src/shared/panel/panelUpdates';
import { Failure } from '../../../src/shared/tools/failure';
import { type None, Rpc, type Wire } from '../../../src/shared/tools/rpc';
import { fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { analyzeAnswer, layerOf, loaded, settle, tokensEvent } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

/** Two ends of a line that copies what it carries. */
function wires(): [Wire, Wire] {
  const listeners: ((message: unknown) => void)[] = [];
  const end = (mine: number): Wire => ({
    send: message => listeners[1 - mine]?.(structuredClone(message)),
    onMessage: listener => {
      listeners[mine] = listener;
    },
  });
  return [end(0), end(1)];
}

async function open(isInspected = true) {
  const opened = openAnalysis();
  const { client, analysis, log } = opened;
  const context = new RelevantContext(analysis, new OcclusionRuns(client.asClient), fakeMemento());
  const calls: unknown[][] = [];
  const call =
    (name: string) =>
    (...args: unknown[]) => {
      calls.push([name, ...args]);
      return Promise.resolve(name === 'picture' ? Uint8Array.of(1, 2) : true) as never;
    };
  const services = {
    ablations: new Ablations(analysis, client.asClient, () => opened.settings, log),
    comparison: new Comparison(analysis, client.asClient, () => opened.settings, log),
    search: new DocumentSearch(analysis, context, client.asClient, () => opened.settings, log),
    tab: new PanelTab(),
    answers: new Answers(analysis),
    changed: new ChangedRuns(analysis, client.asClient),
    exporter: { save: call('save'), copy: call('copy'), picture: call('picture') } as never,
    reveal: call('reveal'),
    revealLine: call('revealLine'),
    showPlace: call('showPlace'),
    revealInDocument: call('revealInDocument'),
  };
  const document = editor.open('text\nline');
  if (isInspected) await opened.inspect(document);
  const [host, webview] = wires();
  const connection = connectPanel(host, { analysis, context, ...services });
  const panel = new Rpc<PanelRequests, None, PanelEvents, None>(
    webview,
    {},
    { answers: panelAnswers, events: panelEvents },
  );
  const heard: [string, unknown][] = [];
  for (const name of Object.keys(panelEvents) as (keyof PanelEvents)[]) {
    panel.on(name, payload => heard.push([name, payload]));
  }
  const last = <Name extends keyof PanelEvents>(name: Name) =>
    heard.findLast(([event]) => event === name)?.[1] as PanelEvents[Name];
  let page = await panel.request('ready', {});
  let run: RunTokens | null = null;
  panel.on('tokens', tokens => {
    run = tokens;
  });
  panel.on('state', update => {
    page = withUpdate(page, update, run);
  });

  /** A finished second run, of another model. @returns its id. */
  async function compare() {
    void services.comparison.start({ label: 'other', modelDirectory: '/other' });
    await settle();
    client.last('load').resolve(loaded);
    await settle();
    const { args, resolve } = client.last('analyze');
    client.emit('tokens', tokensEvent(args.analysisId, 'text\nline'));
    for (const layerIdx of [0, 1]) client.emit('layer', { analysisId: args.analysisId, layer: layerOf(layerIdx, 40) });
    resolve(analyzeAnswer(args.analysisId, 10));
    await settle();
    return args.analysisId as number;
  }
  return {
    ...opened,
    context,
    ...services,
    document,
    panel,
    connection,
    heard,
    last,
    calls,
    compare,
    state: () => page,
  };
}

const map = { analysisId: 1, layerIdx: 1, headIdx: 0, stage: 'mixed_pattern' } as const;
const rect = { queryStart: 0, keyStart: 0, nQueries: 1, nKeys: 2 };

test('every state in a run’s life reaches the panel in the form that it accepts', async () => {
  // A state of another form is dropped, and the reason written here.
  const dropped: unknown[] = [];
  mock.method(console, 'error', (error: unknown) => error instanceof Failure && dropped.push(error.message));
  const { analysis, panel, state, start, load, bring, finish, document, client } = await open(false);
  assert.equal((await panel.request('ready', {})).status, 'idle');
  const seen: unknown[] = [];
  const see = () => {
    const { status, layersDone, isStale, failure } = state();
    assert.deepEqual(state(), analysis.snapshot);
    seen.push([status, layersDone, isStale, failure?.code ?? null]);
  };
  await start(document);
  see();
  await load();
  see();
  await bring('text\nline');
  see();
  await finish(10);
  see();
  document.edit(0, 0, 'x');
  see();
  await start(document);
  await load();
  client.last('analyze').reject(new Failure('memory', 'too large'));
  await settle();
  see();
  assert.deepEqual(seen, [
    ['loading', 0, false, null],
    ['running', 0, false, null],
    ['running', 2, false, null],
    ['done', 2, false, null],
    ['done', 2, true, null],
    ['failed', 0, false, 'memory'],
  ]);
  assert.deepEqual(dropped, []);
  mock.restoreAll();
});

test('maps of the second run come from the second run, those of the first from the first', async () => {
  const { panel, client, compare } = await open();
  const second = await compare();
  assert.equal((await panel.request('overview', map)).scale, 1);
  assert.equal((await panel.request('overview', { ...map, analysisId: second })).scale, 40);
  for (const analysisId of [1, second]) {
    const asked = panel.request('tile', { ...map, ...rect, analysisId });
    await settle();
    assert.equal(client.last('tile').args.analysisId, analysisId);
    client.last('tile').resolve({ ...map, ...rect, values: new Float32Array(2) });
    assert.equal((await asked).nKeys, 2);
  }
  await assert.rejects(panel.request('tile', { ...map, ...rect, analysisId: 77 }), { code: 'no-analysis' });
});

const passed: [keyof PanelRequests, object, string, object, unknown][] = [
  [
    'overview',
    { ...map, stage: 'scores' },
    'overview',
    { analysisId: 1, layerIdx: 1, stage: 'scores' },
    layerOf(1).overviews[0],
  ],
  ['tile', { ...map, ...rect }, 'tile', { ...map, ...rect }, { ...rect, values: new Float32Array(2) }],
  [
    'patch',
    { analysisId: 1, layerIdx: 1, stage: 'scores', ...rect },
    'patch',
    { analysisId: 1, layerIdx: 1, stage: 'scores', ...rect },
    { ...rect, nHeads: 2, values: new Float32Array(4) },
  ],
  ['kernels', { analysisId: 1, layerIdx: 1 }, 'kernels', { analysisId: 1, layerIdx: 1 }, []],
  ['kernelHistory', { analysisId: 1, layerIdx: 1 }, 'kernelHistory', { analysisId: 1, layerIdx: 1 }, null],
  ['headMeasures', { analysisId: 1, layerIdx: 1 }, 'headMeasures', { analysisId: 1, layerIdx: 1 }, []],
  [
    'largestChanges',
    { analysisId: 1, layerIdx: 1, headIdx: 1, part: 'pre_softmax_conv' },
    'largestChanges',
    { analysisId: 1, layerIdx: 1, headIdx: 1, part: 'pre_softmax_conv', k: 12 },
    [],
  ],
  [
    'rangeWeights',
    { ...map, range: { first: 1, end: 3 }, direction: 'attendedBy' },
    'relevance',
    {
      ...{ analysisId: 1, range: { first: 1, end: 3 }, direction: 'attendedBy', method: 'head' },
      ...{ heads: [{ layerIdx: 1, headIdx: 0 }], stage: 'mixed_pattern' },
    },
    new Float32Array(10),
  ],
];
for (const [name, args, request, expected, answer] of passed) {
  test(`${name}: goes to the process and back, and is cancelled there with the panel’s request`, async () => {
    const { panel, client } = await open();
    const asked = panel.request(name, args as never);
    await settle();
    assert.deepEqual(client.last(request).args, expected);
    client.last(request).resolve(answer);
    await asked;
    const controller = new AbortController();
    const cancelled = panel.request(name, args as never, controller.signal);
    await settle();
    controller.abort();
    await assert.rejects(cancelled, { name: 'Cancelled' });
    assert.equal(client.last(request).signal?.aborted, true);
    await assert.rejects(panel.request(name, { ...args, analysisId: 9 } as never), { code: 'no-analysis' });
  });
}

test('pictures and predictions are those of the run', async () => {
  const { panel } = await open();
  const pictures = await panel.request('thumbnails', { analysisId: 1, layerIdx: 1, headStart: 1, nHeads: 1 });
  assert.deepEqual([...pictures.scales], [11]);
  assert.equal((await panel.request('predictions', { analysisId: 1 })).surprisalBits[1], 1);
  await assert.rejects(panel.request('predictions', { analysisId: 2 }), { code: 'no-analysis' });
});

test('a view and a selection change the analysis; a token is brought into sight where that was asked', async () => {
  const { panel, analysis, calls, state } = await open();
  const view = { layerIdx: 0, headIdx: 1, stage: 'scores', difference: true } as const;
  await panel.request('setView', view);
  assert.deepEqual([analysis.snapshot.view, state().view], [view, view]);
  await panel.request('selectToken', { tokenIdx: 3, reveal: false });
  assert.deepEqual([analysis.selectedRange, calls], [{ first: 3, end: 4 }, []]);
  await panel.request('selectToken', { tokenIdx: 5, anchorIdx: 2, reveal: true });
  assert.deepEqual([analysis.selectedRange, calls], [{ first: 2, end: 6 }, [['reveal', 5]]]);
  await panel.request('selectToken', { tokenIdx: null, anchorIdx: 2, reveal: true });
  assert.deepEqual([analysis.selectedRange, calls.length], [null, 1]);
});

test('ablations: set, stepped through, ranked, and each change said', async () => {
  const { panel, client, last, ablations, state } = await open();
  const edits = [{ part: 'pre_softmax_conv', layerIdx: 0, headIdx: null, weights: null } as const];
  await panel.request('setAblation', { ...noAblation, edits });
  assert.deepEqual(client.last('ablate').args.ablation.edits, edits);
  assert.equal(state().ablation.isRunning, true);
  for (const [step, n] of [
    ['undo', 0],
    ['redo', 1],
    ['reset', 0],
  ] as const) {
    await panel.request('stepAblation', { step });
    assert.equal(state().ablation.requested.edits.length, n, step);
  }
  await panel.request('rankAblations', { withHeads: true });
  assert.equal(client.last('rankAblations').args.withHeads, true);
  assert.deepEqual(await panel.request('ranking', {}), last('ranking'));
  await panel.request('cancelRanking', {});
  await settle();
  assert.deepEqual([last('ranking')?.status, ablations.ranking?.status], ['cancelled', 'cancelled']);
  await panel.request('rankAblations', { withHeads: false });
  assert.equal(client.last('rankAblations').args.withHeads, false);
});

test('relevance: its options, its changes, its check and the check’s end', async () => {
  const { panel, client, context, analysis, calls } = await open();
  const options = { method: 'head', direction: 'attends', heads: 'all' } as const;
  await panel.request('setRelevance', options);
  assert.deepEqual((await panel.request('context', {})).options, options);
  analysis.selectToken(7);
  client.last('relevance').resolve(new Float32Array(10).fill(0.1));
  await settle();
  assert.deepEqual(
    (await panel.request('contextLines', {})).lines.map(({ lineIdx }) => lineIdx),
    [0, 1],
  );
  const done = panel.request('occlude', { mode: 'remove' });
  await settle();
  assert.equal(client.last('occlude').args.mode, 'remove');
  await panel.request('cancelOcclusion', {});
  await done;
  assert.equal(context.snapshot.occlusion?.status, 'cancelled');
  await panel.request('revealLine', { lineIdx: 1 });
  assert.deepEqual(calls.splice(0), [['revealLine', 1]]);
  await panel.request('showPlace', { queryIdx: 5, keyIdx: 2 });
  assert.deepEqual(calls, [['showPlace', { queryIdx: 5, keyIdx: 2 }]]);
});

test('the search of the document and the comparison are said as they are and as they change', async () => {
  const { panel, search, analysis, last, calls, compare, comparison } = await open();
  assert.deepEqual([await panel.request('documentSearch', {}), await panel.request('comparison', {})], [null, null]);
  analysis.selectToken(3);
  void search.start().catch(() => {});
  assert.equal(last('documentSearch')?.status, 'reading');
  assert.equal((await panel.request('documentSearch', {}))?.status, 'reading');
  await panel.request('revealInDocument', { offset: 3 });
  assert.deepEqual(calls, [['revealInDocument', 3]]);
  await compare();
  assert.equal(last('comparison')?.status, 'done');
  assert.equal((await panel.request('comparison', {}))?.label, comparison.snapshot?.label);
});

test('a tab that a link asks for is taken once; the one that is open is known; a cell is passed on', async () => {
  const { panel, tab, last } = await open();
  tab.show('lens', { queryIdx: 3, keyIdx: 1 });
  assert.deepEqual([last('tab'), last('cell')], [{ tab: 'lens' }, { queryIdx: 3, keyIdx: 1 }]);
  assert.deepEqual([await panel.request('tab', {}), await panel.request('tab', {})], ['lens', null]);
  await panel.request('setTab', { tab: 'heads' });
  assert.equal(tab.shown, 'heads');
});

test('exports are of the format and style that was chosen; a picture comes in parts', async () => {
  const { panel, calls } = await open();
  const exported = { colorMap: 'redBlue', scale: 'power', part: null, isAllStages: false } as const;
  const chosen = { format: 'svg', ...exported } as const;
  assert.equal(await panel.request('save', chosen), true);
  await panel.request('copy', { ...chosen, format: 'csv' });
  const part = await panel.request('picture', { ...exported, partIdx: 0 });
  assert.deepEqual([part.sizeBytes, [...part.bytes]], [2, [1, 2]]);
  assert.deepEqual(
    calls.map(([name, ...args]) => [
      name,
      args.map(arg => (typeof arg === 'string' ? arg : { ...(arg as object), format: 0 })),
    ]),
    [
      ['save', ['svg', { ...chosen, format: 0 }]],
      ['copy', ['csv', { ...chosen, format: 0 }]],
      ['picture', [{ ...exported, format: 0 }]],
    ],
  );
  await assert.rejects(panel.request('picture', { ...exported, partIdx: 1 }));
  const outside = { queryStart: 0, keyStart: 0, nQueries: 1_000_000, nKeys: 1 };
  await assert.rejects(panel.request('copy', { ...chosen, part: outside }), /last query of the part/);
});

const panelCommands: Record<PanelCommand, unknown[]> = {
  inspectDocument: [commands.inspectDocument],
  inspectSelection: [commands.inspectSelection],
  cancel: [commands.cancel],
  selectModel: [commands.selectModel],
  showLog: [commands.showLog],
  compare: [commands.compare],
  endComparison: [commands.endComparison],
  openSettings: ['workbench.action.openSettings', 'mtaInspector'],
  copyLink: [commands.copyLink],
  findContext: [commands.findContext],
  searchDocument: [commands.searchDocument],
  cancelSearch: [commands.cancelSearch],
  showRelevantLines: [commands.showRelevantLines],
};
test('a button starts its command, and nothing else is a command', async () => {
  const { panel } = await open();
  for (const [command, executed] of Object.entries(panelCommands)) {
    editor.executed.length = 0;
    await panel.request('command', { command: command as PanelCommand });
    assert.deepEqual(editor.executed, [executed]);
  }
  editor.executed.length = 0;
  for (const command of ['workbench.action.quit', 'constructor', '__proto__', '']) {
    await assert.rejects(panel.request('command', { command: command as never }));
  }
  assert.deepEqual(editor.executed, []);
});

const bad: [keyof PanelRequests, object][] = [
  ['overview', { ...map, stage: 'values' }],
  ['tile', { ...map, ...rect, nQueries: 257, nKeys: 257 }],
  ['tile', { ...map, ...rect, queryStart: -1 }],
  ['patch', { analysisId: 1, layerIdx: 1, stage: 'scores', ...rect, nKeys: 1.5 }],
  ['kernels', { analysisId: 1, layerIdx: '1' }],
  ['largestChanges', { ...map, part: 'values' }],
  ['setView', { layerIdx: 2, headIdx: 0, stage: 'scores', difference: false }],
  ['setView', { layerIdx: 0, headIdx: 2, stage: 'scores', difference: false }],
  ['selectToken', { tokenIdx: 10, reveal: false }],
  ['selectToken', { tokenIdx: 1, anchorIdx: 10, reveal: false }],
  ['rangeWeights', { ...map, range: { first: 1, end: 11 }, direction: 'attends' }],
  ['rangeWeights', { ...map, range: { first: 2, end: 2 }, direction: 'attends' }],
  ['setAblation', { scope: 'model', edits: [{ part: null, layerIdx: 9, headIdx: null, weights: null }] }],
  ['stepAblation', { step: 'back' }],
  ['setRelevance', { method: 'sum', direction: 'attends', heads: 'all' }],
  ['occlude', { mode: 'delete' }],
  ['revealLine', { lineIdx: -1 }],
  ['showPlace', { queryIdx: 10, keyIdx: 2 }],
  ['showPlace', { queryIdx: 2, keyIdx: 3 }],
  ['setTab', { tab: 'a b' }],
  ['save', { format: 'exe', colorMap: 'redBlue', scale: 'linear' }],
  ['copy', { format: 'csv', colorMap: 'constructor', scale: 'linear' }],
  ['thumbnails', { analysisId: 1, layerIdx: 1, headStart: 0, nHeads: 129 }],
];
for (const [name, args] of bad) {
  test(`refused, and nothing happens: ${name} ${JSON.stringify(args)}`, async () => {
    const { panel, client, heard, calls, context, tab } = await open();
    const before = [client.requests.length, context.snapshot.options, tab.shown] as const;
    heard.length = 0;
    await assert.rejects(panel.request(name, args as never));
    assert.deepEqual([client.requests.length, context.snapshot.options, tab.shown], before);
    assert.deepEqual([heard, calls], [[], []]);
  });
}

test('a connection that ended hears nothing more', async () => {
  const { connection, analysis, heard, tab, context } = await open();
  connection.dispose();
  analysis.setPinned(true);
  analysis.selectToken(2);
  tab.show('lens', { queryIdx: 1, keyIdx: 1 });
  context.setOptions(context.snapshot.options);
  assert.deepEqual(heard, []);
});
