/** What the editor shows of an analysis, and the commands that people run: hover, decorations, status bar, window, failures. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { config } from '@vscode/l10n';
import german from '../../../l10n/bundle.l10n.de.json' with { type: 'json' };
import '../../fixtures/vscode';
import { Ablations } from '../../../src/analysis/ablations';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import { colors, commands } from '../../../src/contributionIds';
import { registerCommands, withErrorReporting } from '../../../src/editor/commands';
import { registerContextCommands } from '../../../src/editor/contextCommands';
import { CursorMoves } from '../../../src/editor/cursorMoves';
import { AttentionDecorations } from '../../../src/editor/decorations';
import { AttentionHover } from '../../../src/editor/hover';
import { StatusBar } from '../../../src/editor/statusBar';
import { SurprisalMarks } from '../../../src/editor/surprisalMarks';
import { WindowFollower } from '../../../src/editor/windowFollower';
import { PanelTab } from '../../../src/panel/panelTab';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { byShownHead, fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { loaded, settle, tokensEvent } from '../../fixtures/fakeClient';
import { editor, TextEditorSelectionChangeKind } from '../../fixtures/vscode';

/** Each character is a token, and a word of its own, as in a script without spaces. */
const text = '一二三四\n五六七八';

async function open(isInspected = true, content = text) {
  const opened = openAnalysis();
  const { client, analysis, log } = opened;
  const readSettings = () => opened.settings;
  const memory = fakeMemento({ 'mtaInspector.relevance': byShownHead });
  const context = new RelevantContext(analysis, new OcclusionRuns(client.asClient), memory);
  const moves = new CursorMoves();
  const decorations = new AttentionDecorations(analysis, context, readSettings, moves);
  const ablations = new Ablations(analysis, client.asClient, readSettings, log);
  let nPanels = 0;
  const showPanel = () => nPanels++;
  const tab = new PanelTab();
  registerCommands(analysis, ablations, decorations, showPanel, tab, log, {} as never, {} as never);
  const search = { snapshot: { status: 'done' }, spans: [] as object[] };
  registerContextCommands(
    analysis,
    context,
    decorations,
    moves,
    search as never,
    run => withErrorReporting(log, run),
    showPanel,
  );
  new StatusBar(analysis);
  new WindowFollower(analysis, moves, log, run => withErrorReporting(log, run));
  const document = editor.open(content);
  const shown = editor.show(document);
  if (isInspected) await opened.inspect(document);
  /** Starts a command without waiting for it. */
  const run = (id: string, ...args: unknown[]) => {
    void editor.commands.get(id)!(...args);
    return settle();
  };
  const answer = async (weights: number[]) => {
    client.last('relevance').resolve(Float32Array.from(weights));
    await settle();
  };
  const marked = (color: string) =>
    shown.marked(({ backgroundColor, borderColor }) =>
      [backgroundColor, borderColor].some(used => (used as { id?: string } | undefined)?.id === color),
    );
  const item = () => editor.statusItems.find(({ id }) => id === 'mtaInspector.status')!;
  return {
    ...opened,
    context,
    decorations,
    tab,
    search,
    document,
    shown,
    run,
    answer,
    marked,
    item,
    nPanels: () => nPanels,
  };
}

test('the cursor selects its word, a selection its tokens, whatever moved them', async () => {
  const { analysis, shown } = await open(true, 'ab cd(efg)');
  const select = (...args: Parameters<typeof shown.select>) => {
    shown.select(...args);
    return analysis.selectedRange;
  };
  assert.deepEqual(select(1), { first: 1, end: 3 });
  assert.deepEqual(select(2), { first: 1, end: 3 }, 'behind its last character');
  assert.deepEqual(select(3), { first: 4, end: 6 });
  assert.deepEqual(select(10), { first: 10, end: 11 });
  assert.deepEqual(analysis.snapshot.selectionAnchor, null);
  // Go to definition and go to symbol, find, other extensions.
  assert.deepEqual(select(6, 6, TextEditorSelectionChangeKind.Command), { first: 7, end: 10 });
  assert.deepEqual(select(0, 2, TextEditorSelectionChangeKind.Command), { first: 1, end: 3 });
  assert.deepEqual(select(3, 4, TextEditorSelectionChangeKind.Keyboard), { first: 4, end: 5 }, 'one token');
  assert.deepEqual([analysis.selectedRange, select(7, 9), analysis.snapshot.selectedToken].slice(1), [
    { first: 8, end: 10 },
    9,
  ]);
  assert.deepEqual([select(9, 7), analysis.snapshot.selectedToken], [{ first: 8, end: 10 }, 8]);
  const other = editor.show(editor.open('other', 'b.md'));
  other.select(4);
  assert.deepEqual(analysis.selectedRange, { first: 8, end: 10 });
});

test('with several cursors the newest counts; Alt and a click take one token', async () => {
  const { analysis, shown } = await open(true, 'ab cd(efg)');
  shown.select(1);
  shown.addSelection(6, 9, TextEditorSelectionChangeKind.Keyboard);
  assert.deepEqual(analysis.selectedRange, { first: 7, end: 10 });
  shown.addSelection(7);
  assert.deepEqual(analysis.selectedRange, { first: 8, end: 9 });
  shown.addSelection(9);
  assert.deepEqual(analysis.selectedRange, { first: 10, end: 11 }, 'the token behind the cursor, not the word before');
});

test('in a text that changed the cursor selects nothing: the tokens are of another text', async () => {
  const { analysis, shown, document } = await open();
  document.edit(0, 0, 'x');
  shown.select(2);
  assert.equal(analysis.selectedRange, null);
});

test('relevant places are shaded by sign and strength, never the selection or the begin token', async () => {
  const { shown, answer, marked } = await open();
  shown.select(8);
  // Begin token, a b c d, line end, e f g h: the selected h has most.
  await answer([9, 1, -1, 0.5, 0, 0, 0.001, 0, 0, 8]);
  const strongest = colors.positive.at(-1)!;
  assert.deepEqual([marked(strongest), marked(colors.negative.at(-1)!)], [['一'], ['二']]);
  assert.deepEqual(colors.positive.slice(0, -1).flatMap(marked), ['三']);
  assert.deepEqual(marked(colors.selected), ['八']);
  await editor.commands.get(commands.clearHighlights)!();
  assert.deepEqual([marked(strongest), marked(colors.selected)], [[], []]);
  shown.select(7);
  await answer([0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(marked(strongest), ['一'], 'another selection shows its own');
});

test('what follows the rows that look is never marked, whatever weights are given', async () => {
  const { shown, answer, marked, context, run } = await open();
  shown.select(2);
  // Masked cells are 0; a mistake there must not look like attention to the future.
  await answer([0, 0.1, 0.2, 0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]);
  const all = () => [...colors.positive, ...colors.negative].flatMap(marked).sort();
  assert.deepEqual(all(), ['一', '二']);
  await run(commands.nextRelevantPlace);
  assert.match(editor.status.at(-1)!, /place 1 of 1/);
  context.setOptions({ ...context.snapshot.options, direction: 'attendedBy' });
  await settle();
  await answer([0, 0.1, 0.2, 0, 0.9, 0.8, 0, 0, 0, 0]);
  assert.deepEqual(all(), ['\n', '四'], 'of what attends to the selection only later tokens have weight');
});

test('marks are violet or rose underlines, thicker for more weight; a legend says so and counts them', async () => {
  const { shown, answer } = await open();
  const legend = () => editor.statusItems.find(({ id }) => id === 'mtaInspector.legend')!;
  assert.equal(legend()['isVisible'], false);
  shown.select(8);
  await answer([0, 1, -1, 0.5, 0, 0, 0.03, 0, 0, 0]);
  assert.deepEqual(
    [legend()['isVisible'], legend()['text']],
    [true, '$(symbol-color) ‘八’ ← 2 places, strongest +1.000'],
  );
  assert.match(
    String(legend()['tooltip']),
    /Layer 1, head 0: what the selection attends to\nViolet underlines: the thicker/,
  );
  const lines = shown
    .options()
    .flatMap(({ borderWidth, borderStyle, borderColor }) =>
      borderWidth ? [`${borderWidth} ${borderStyle} ${(borderColor as { id: string }).id}`] : [],
    );
  assert.deepEqual(lines, [
    ...[1, 2, 3, 4].map(px => `0 0 ${px}px 0 solid ${colors.underline.positive}`),
    ...[1, 2, 3, 4].map(px => `0 0 ${px}px 0 dashed ${colors.underline.negative}`),
  ]);
  await editor.commands.get(commands.clearHighlights)!();
  assert.equal(legend()['isVisible'], false);
});

test('surprisal of the whole text is shaded on request, by bits', async () => {
  const { analysis, shown, document, run, marked, finish, start, load, bring } = await open();
  new SurprisalMarks(analysis, work => work());
  const shades = () => colors.surprisal.map(color => marked(color).join(''));
  await run(commands.toggleSurprisal);
  assert.deepEqual(shades(), ['', '', '', ''], 'the fake answers 1 bit for each token');
  await start(document);
  await load();
  await bring(text);
  await finish(text.length + 1, 5);
  assert.deepEqual(shades(), ['', text, '', '']);
  const legend = editor.statusItems.find(({ id }) => id === 'mtaInspector.surprisal')!;
  assert.deepEqual([legend['isVisible'], legend['text']], [true, '$(graph) surprisal from 2 · 4 · 8 · 12 bits']);
  await run(commands.toggleSurprisal);
  assert.deepEqual([shades().join(''), legend['isVisible']], ['', false]);
  assert.equal(shown.document, document);
});

test('a hover says how well a word was predicted and where it looks, in three lines with links', async () => {
  const { analysis, client, context, settings, document, tab, run } = await open(true, 'ab cd\nef gh');
  const hover = new AttentionHover(analysis, context, () => settings);
  const weights = [0.9, 0.3, 0.2, 0, 0.1, 0, 0, 0, 0, 0, 0.8, 0];
  const at = async (offset: number, isCancelled = false) => {
    const token = { isCancellationRequested: isCancelled, onCancellationRequested() {} } as never;
    const found = hover.provideHover(document.asDocument, document.positionAt(offset) as never, token);
    await settle();
    const asked = client.all('relevance').at(-1);
    if (asked?.isOpen) asked.resolve(Float32Array.from(weights));
    return (await found)?.contents as unknown as { value: string; isTrusted: unknown } | undefined;
  };
  const shown = (await at(9))!;
  const [what, where, link, ...rest] = shown.value.split('\n\n');
  assert.equal(what, '` gh ` · 2.0 bits · ` x ` 50% · the token itself: not among the first 1');
  assert.match(
    where!,
    /^Layer 1, head 0 \(mixed pattern\), reading it, looks at \[line 1\]\(command:mtaInspector\.showToken\?\S+\) ` ab ` █████ \+0\.5000 · /,
  );
  assert.match(where!, /\[line 1\]\(\S+\) ` cd ` █ \+0\.1000$/);
  assert.equal(link, `[Explain this token](command:mtaInspector.explainToken?${encodeURIComponent('[1,10]')})`);
  assert.deepEqual(rest, []);
  assert.deepEqual(shown.isTrusted, { enabledCommands: [commands.explainToken, commands.showToken] });
  assert.deepEqual(client.last('relevance').args.range, { first: 10, end: 12 }, 'the whole word');
  await run(commands.explainToken, 1, 10);
  assert.deepEqual([analysis.selectedRange, tab.take()], [{ first: 10, end: 12 }, 'tokens']);
  await run(commands.showToken, 1, 99);
  await run(commands.explainToken, 7, 1);
  assert.deepEqual(analysis.selectedRange, { first: 10, end: 12 }, 'links of another run lead nowhere');
  config({ contents: german });
  assert.match((await at(9))!.value, / █████ \+0,5000 /);
  config({ contents: {} });
  assert.equal(await at(2, true), undefined);
  const { ablation } = analysis.snapshot;
  const edits = [{ part: null, layerIdx: 0, headIdx: null, weights: null }];
  analysis.setAblation({ ...ablation, shown: { ...ablation.shown, edits } });
  assert.match((await at(2))!.value, /Ablated: .*\. Not the model as trained\./);
  settings.hoverEnabled = false;
  assert.equal(await at(2), undefined);
  settings.hoverEnabled = true;
  document.edit(8, 0, 'x');
  assert.match((await at(2))!.value, /older version/);
  const other = await hover.provideHover(editor.open('x').asDocument, document.positionAt(0) as never, {} as never);
  assert.equal(other, undefined);
});

test('the status bar says what runs and what a click does', async () => {
  const { start, load, complete, document, item, analysis } = await open(false);
  const says = () => [item()['text'], (item()['command'] as { command: string } | undefined)?.command];
  assert.equal(item()['isVisible'], false);
  await start(document);
  assert.deepEqual(says(), ['$(loading~spin) MTA: loading model', commands.cancel]);
  assert.deepEqual((item()['command'] as { arguments: unknown }).arguments, [1], 'a click cancels this run alone');
  await load();
  assert.deepEqual(says(), ['$(loading~spin) MTA: layer 0 of 2, CPU', commands.cancel]);
  await complete();
  assert.deepEqual(says(), ['$(eye) MTA: CPU', commands.inspectDocument]);
  assert.match(String(item()['tooltip']), /m, a\.md\n10 tokens, lines 1 to 2 of 2\n7 ms\nnothing faster/);
  document.edit(0, 0, 'x');
  assert.deepEqual(says(), ['$(history) MTA: older version, CPU', commands.inspectDocument]);
  await start(document);
  analysis.cancel();
  await settle();
  assert.deepEqual(says(), ['$(circle-slash) MTA: cancelled', commands.inspectDocument]);
});

test('commands inspect the document or its selection, and say what cannot be inspected', async () => {
  const { run, client, shown, document, nPanels, load, analysis } = await open(false);
  await run(commands.inspectSelection);
  assert.match(editor.errors.at(-1)!.message, /Nothing is selected/);
  assert.equal(nPanels(), 0);
  shown.select(1, 3);
  await run(commands.inspectSelection);
  assert.deepEqual([(await load()).args.text, nPanels()], ['二三', 1]);
  await run(commands.inspectDocument);
  const { args, signal } = await load();
  assert.deepEqual([args.text, args.anchor], [text, 3]);
  await run(commands.cancel, 77);
  assert.equal(signal?.aborted, false);
  await run(commands.cancel, args.analysisId);
  assert.deepEqual([signal?.aborted, analysis.snapshot.status], [true, 'cancelled']);
  assert.equal(editor.errors.length, 1, 'a cancel is no error');
  Object.assign(editor, { active: undefined, visible: [] });
  document.close();
  await run(commands.inspectDocument);
  assert.match(editor.errors.at(-1)!.message, /open a text document/);
  assert.equal(client.all('analyze').length, 2);
});

test('Inspect Document finds the text where the panel or the walkthrough has the focus', async () => {
  const { run, load, client } = await open(false);
  const texts = async () => {
    await run(commands.inspectDocument);
    await settle();
    return (await load()).args.text;
  };
  // A second text had the focus last, and its tab is behind another now.
  const other = editor.open('the last one', 'b.md');
  editor.show(other);
  Object.assign(editor, { active: undefined });
  editor.events.changeActiveEditor.fire(undefined);
  assert.equal(await texts(), 'the last one', 'both are visible');
  Object.assign(editor, { visible: [] });
  assert.equal(await texts(), 'the last one', 'it is shown again');
  Object.assign(editor, { active: undefined });
  other.close();
  assert.equal(await texts(), 'the last one', 'a visible one');
  Object.assign(editor, { visible: [], active: undefined });
  const output = editor.open('printed', 'out');
  Object.assign(output, { uri: { scheme: 'output' } });
  editor.show(output);
  Object.assign(editor, { visible: [], active: undefined });
  const hidden = editor.open('in a tab', 'c.md');
  editor.files.set(hidden.uri.path, new TextEncoder().encode('in a tab'));
  editor.tabs = [hidden.uri];
  assert.equal(await texts(), 'in a tab');
  assert.equal(client.all('analyze').length, 4);
  assert.deepEqual(editor.errors, []);
});

test('a file in front of which VS Code gives no text is not answered with another file', async () => {
  const { run, load, client } = await open(false);
  const other = editor.open('a text beside it', 'b.md');
  editor.show(other);
  Object.assign(editor, { active: undefined, activeTab: editor.open('', 'binary.dat').uri });
  editor.events.changeActiveEditor.fire(undefined);
  await run(commands.inspectDocument);
  await settle();
  assert.match(editor.errors.at(-1)!.message, /There is no text to inspect/);
  assert.equal(client.all('analyze').length, 0);
  editor.activeTab = undefined;
  await run(commands.inspectDocument);
  await settle();
  assert.equal((await load()).args.text, 'a text beside it', 'the panel in front: the text that had the focus last');
});

test('a failure is shown with buttons that help, a cancel is not; a mistake of ours is logged with its stack', async () => {
  const { log, lines } = openAnalysis();
  await withErrorReporting(log, () => Promise.reject(new Cancelled()));
  assert.deepEqual([editor.errors, lines], [[], []]);
  for (const [action, title, executed] of [
    ['showLog', 'Show Log', [commands.showLog]],
    ['openSettings', 'Open Settings', ['mtaInspector.openSettings']],
    ['selectModel', 'Select Model', [commands.selectModel]],
    ['retry', 'Try Again', [commands.inspectDocument]],
  ] as const) {
    editor.answers.error = title;
    await withErrorReporting(log, () => Promise.reject(new Failure('x', 'It failed.', [action])));
    await settle();
    assert.deepEqual(
      [editor.errors.at(-1)?.buttons.map(button => button.title), editor.executed.at(-1)],
      [[title], executed],
    );
    assert.equal(lines.at(-1), 'error: It failed.');
  }
  await withErrorReporting(log, () => Promise.reject(new TypeError('ours')));
  assert.match(lines.at(-1)!, /TypeError: ours\n\s+at /);
});

test('steps go to the next and the previous relevant place, round and round, and keep the selection', async () => {
  const { run, shown, answer, analysis, document } = await open();
  shown.select(8);
  await answer([0, 1, 0, 0.5, 0, 0, 0, 0.7, 0, 0]);
  const cursor = () => document.offsetAt(shown.selection.active);
  const visited: number[] = [];
  for (const id of [commands.nextRelevantPlace, commands.nextRelevantPlace, commands.nextRelevantPlace]) {
    await run(id);
    visited.push(cursor());
  }
  assert.deepEqual(visited, [0, 2, 6]);
  assert.match(editor.status.at(-1)!, /Relevant place 3 of 3/);
  await run(commands.previousRelevantPlace);
  await run(commands.previousRelevantPlace);
  await run(commands.previousRelevantPlace);
  assert.equal(cursor(), 6);
  assert.deepEqual(analysis.selectedRange, { first: 9, end: 10 });
});

test('a question is put to the whole document by its search, and passages are offered by gain', async () => {
  const { run, load, complete, analysis, context, nPanels, search, shown, document } = await open();
  editor.answers.input = 'why?';
  const span = (lineIdx: number, gainBits: number, text: string) => ({
    ...{ lineIdx, gainBits, text, spanLines: [lineIdx, lineIdx] },
  });
  search.spans = [span(0, 2.5, '一二三四'), span(1, 0.5, '五六七八'), span(1, -1, 'harms')];
  const offered: string[] = [];
  editor.answers.pick = items => {
    offered.push(
      ...(items as readonly { label: string; detail: string }[]).map(({ label, detail }) => `${label} ${detail}`),
    );
    return items[1];
  };
  const big = { ...loaded, model: { ...loaded.model, vocabSize: 8192 } };
  await run(commands.findContext);
  assert.deepEqual([context.snapshot.options.method, context.snapshot.options.heads, nPanels()], ['mean', 'all', 1]);
  const { args } = await load(big);
  assert.deepEqual([args.text, args.anchor], [`${text}\nwhy?`, text.length + 5]);
  await complete();
  assert.deepEqual(analysis.selectedRange, { first: 10, end: 15 });
  assert.deepEqual(editor.executed.filter(([id]) => id === commands.searchDocument).length, 1);
  assert.equal(offered.length, 2, 'what harms is no answer');
  assert.match(offered[0]!, /^一二三四 gain 2\.50 bits/);
  assert.equal(document.offsetAt(shown.selection.active), 5);
  assert.deepEqual(analysis.selectedRange, { first: 10, end: 15 }, 'the question stays selected');
  search.spans = [];
  await run(commands.findContext);
  await load(big);
  await complete();
  assert.match(editor.errors.at(-1)!.message, /No passage makes the question less surprising to m/);
  editor.answers.input = ' ';
  await run(commands.findContext);
  assert.equal(nPanels(), 2, 'no question, no run');
});

test('no question is put to a model that knows a few letters only', async () => {
  const { run, load, complete } = await open();
  editor.answers.input = 'why?';
  await run(commands.findContext);
  await load();
  await complete();
  assert.match(editor.errors.at(-1)!.message, /"m" knows the letters of the toy task only/);
  assert.deepEqual(
    editor.executed.filter(([id]) => id === commands.searchDocument),
    [],
  );
});

test('the window of a long document follows the resting cursor, unless it is pinned', async () => {
  const { start, load, finish, client, shown, document, run } = await open(false);
  const { run: inspected } = await start(document);
  await load();
  client.emit('tokens', tokensEvent(1, text.slice(0, 4), text.length));
  await finish(5);
  await inspected;
  const nRuns = () => client.all('load').length;
  shown.select(8);
  mock.timers.tick(299);
  assert.equal(nRuns(), 1);
  shown.select(2);
  mock.timers.tick(300);
  await settle();
  assert.equal(nRuns(), 1, 'the cursor is in the window, which begins with the document');
  await run(commands.pinWindow);
  shown.select(8);
  mock.timers.tick(300);
  await settle();
  assert.equal(nRuns(), 1);
  await run(commands.followCursor);
  assert.equal(nRuns(), 2, 'released, it follows at once');
  assert.equal((await load()).args.anchor, 8);
});
