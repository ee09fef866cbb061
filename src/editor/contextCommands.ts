/** The commands around relevant context: stepping through it, listing it, asking for it, checking it. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { DocumentSearch } from '../analysis/documentSearch';
import type { RelevantContext } from '../analysis/relevantContext';
import { lengthOf } from '../analysis/target';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { askText, pick, showStatus, withProgress } from '../messages';
import { formatValue, withLocalMark } from '../shared/labels';
import type { ContextState } from '../shared/panel/context';
import { defaultRelevance, type OcclusionMode, type RelevanceOptions } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import type { CursorMoves } from './cursorMoves';
import { selectAtCursor } from './cursorSelection';
import type { AttentionDecorations } from './decorations';
import { describeRelevance, pickRelevance } from './relevancePicker';
import { type RunReported, registerReported } from './reported';
import { editorOf } from './reveal';

/** Models of the toy task know a few letters: no question can be put to them. */
const maxToyVocabulary = 256;

/** Lines offered to pick from. */
const maxLines = 50;

export function registerContextCommands(
  analysis: Analysis,
  context: RelevantContext,
  decorations: AttentionDecorations,
  moves: CursorMoves,
  search: Pick<DocumentSearch, 'snapshot' | 'spans'>,
  runReported: RunReported,
  showPanel: () => void,
): vscode.Disposable {
  const store = new DisposableStore();
  const register = registerReported(store, runReported);

  /** The relevance of the selection; what the cursor is on is selected where nothing is. */
  async function relevance(): Promise<ContextState> {
    const editor = editorOf(analysis);
    if (analysis.selectedRange === null && editor && !analysis.snapshot.isStale) selectAtCursor(analysis, editor);
    if (analysis.selectedRange === null) throw failures.noSelection();
    const state = await context.settled();
    if (state.failure) throw new Failure(state.failure.code, state.failure.message, state.failure.actions);
    if (!state.weights) throw failures.noSelection();
    return state;
  }

  async function step(direction: 1 | -1): Promise<void> {
    await relevance();
    const editor = editorOf(analysis);
    const { tokens } = analysis.snapshot;
    if (!editor || !tokens) throw failures.noSelection();
    const ranges = decorations.places().map(place => ({
      start: tokens.offsets[place.tokens.first]!,
      end: tokens.offsets[place.tokens.end]!,
      weight: place.weight,
    }));
    const cursor = editor.document.offsetAt(editor.selection.active);
    const next =
      direction === 1
        ? (ranges.find(({ start }) => start > cursor) ?? ranges[0])
        : (ranges.findLast(({ end }) => end < cursor) ?? ranges.at(-1));
    if (!next) throw failures.noPlaces();
    // The cursor moves, the selected tokens stay.
    moves.moveTo(editor, editor.document.positionAt(next.start), editor.document.positionAt(next.end));
    const number = ranges.indexOf(next) + 1;
    const text = vscode.l10n.t('Relevant place {0} of {1}: {2}', number, ranges.length, formatValue(next.weight));
    showStatus(`MTA: ${text}`, 4000);
  }

  async function showLines(): Promise<void> {
    const { lines, options } = await relevance();
    const editor = editorOf(analysis);
    if (lines.length === 0 || !editor) throw failures.noPlaces();
    const { selection, visibleRanges } = editor;
    const labels = analysis.snapshot.tokens?.labels ?? [];
    const items = lines.slice(0, maxLines).map(line => ({
      label: line.text || vscode.l10n.t('(blank line)'),
      description: vscode.l10n.t('line {0}', line.lineIdx + 1),
      detail: vscode.l10n.t(
        'relevance {0} per token; most on {1}: {2}',
        withLocalMark(line.meanWeight.toPrecision(3)),
        JSON.stringify(labels[line.strongestIdx] ?? ''),
        formatValue(line.strongestWeight),
      ),
      lineIdx: line.lineIdx,
    }));
    const picked = await pick(items, {
      title: describeRelevance(options, analysis.snapshot.view),
      placeHolder: vscode.l10n.t('Most relevant lines for the selection'),
      matchOnDescription: true,
      onDidSelectItem: item => {
        const { lineIdx } = item as (typeof items)[number];
        editor.revealRange(new vscode.Range(lineIdx, 0, lineIdx, 0), inCenter);
      },
    });
    if (!picked) {
      if (visibleRanges[0]) editor.revealRange(visibleRanges[0], vscode.TextEditorRevealType.AtTop);
      editor.selection = selection;
      return;
    }
    const shown = await vscode.window.showTextDocument(editor.document, editor.viewColumn);
    moves.moveTo(shown, new vscode.Position(picked.lineIdx, 0));
  }

  async function find(): Promise<void> {
    const editor = vscode.window.activeTextEditor ?? editorOf(analysis);
    if (!editor) throw failures.noEditor();
    const { document } = editor;
    const question = await askText({
      title: vscode.l10n.t('Find Relevant Context'),
      prompt: vscode.l10n.t('Goes to the model as the last line of the document; the document is not changed.'),
      placeHolder: vscode.l10n.t('A question, or the beginning of a line that the document would go on with'),
    });
    if (!question?.trim()) return;
    // One head seldom answers a question; the reader's choice of several is kept.
    const { options } = context.snapshot;
    if (options.method === 'head') context.setOptions(defaultRelevance);
    showPanel();
    const anchor = lengthOf(document) + question.length + 1;
    const progress = { location: vscode.ProgressLocation.Window, title: 'MTA Inspector' };
    await withProgress(progress, () => analysis.inspect({ document, range: null, anchor, question }));
    const { tokens, model } = analysis.snapshot;
    if (model && model.vocabSize <= maxToyVocabulary) throw failures.cannotAnswer(model.name);
    const first = tokens?.offsets.findIndex(offset => offset >= analysis.textEnd) ?? -1;
    const last = (tokens?.labels.length ?? 0) - 1;
    if (first < 0 || first > last) throw failures.noSelection();
    analysis.selectToken(last, first);
    // The run holds the end of the document only: what answers may be anywhere in it.
    await vscode.commands.executeCommand(commands.searchDocument);
    if (search.snapshot?.status === 'done') await showAnswers(question, model?.name ?? '', editor);
  }

  /** Offers the passages that make the question less surprising, in the order of how much. */
  async function showAnswers(question: string, model: string, editor: vscode.TextEditor): Promise<void> {
    const spans = search.spans.filter(({ gainBits }) => gainBits > 0);
    if (spans.length === 0) throw failures.noAnswer(model);
    const items = spans.slice(0, maxLines).map(({ text, lineIdx, gainBits, spanLines: [first, last] }) => ({
      label: text || vscode.l10n.t('(blank line)'),
      description:
        first === last
          ? vscode.l10n.t('line {0}', lineIdx + 1)
          : vscode.l10n.t('line {0}, of lines {1}–{2}', lineIdx + 1, first + 1, last + 1),
      detail: vscode.l10n.t(
        'gain {0} bits: each token of the question is that much less surprising after these lines',
        withLocalMark(gainBits.toFixed(2)),
      ),
      lineIdx,
    }));
    const picked = await pick(items, {
      title: vscode.l10n.t('Passages for “{0}”', question),
      placeHolder: vscode.l10n.t(
        '{0} ranks the passages of the document by gain; small models are weak at this: look at the first few',
        model,
      ),
      onDidSelectItem: item => {
        const { lineIdx } = item as (typeof items)[number];
        editor.revealRange(new vscode.Range(lineIdx, 0, lineIdx, 0), inCenter);
      },
    });
    if (!picked) return;
    const shown = await vscode.window.showTextDocument(editor.document, editor.viewColumn);
    moves.moveTo(shown, new vscode.Position(picked.lineIdx, 0));
  }

  async function check(): Promise<void> {
    await relevance();
    const mode = await pickMode();
    if (!mode) return;
    showPanel();
    const progress = {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Occluding lines'),
      cancellable: true,
    };
    await withProgress(progress, async (report, cancellation) => {
      const controller = new AbortController();
      cancellation.onCancellationRequested(() => controller.abort());
      let nReported = 0;
      const listening = context.onDidChange(({ occlusion }) => {
        if (!occlusion || occlusion.total === 0) return;
        const { rows, total } = occlusion;
        report.report({ increment: ((rows.length - nReported) / total) * 100, message: `${rows.length} / ${total}` });
        nReported = rows.length;
      });
      try {
        await context.occlude(mode, controller.signal);
      } finally {
        listening.dispose();
      }
    });
  }

  register(commands.nextRelevantPlace, () => step(1));
  register(commands.previousRelevantPlace, () => step(-1));
  register(commands.showRelevantLines, showLines);
  register(commands.findContext, find);
  register(commands.checkByOccluding, check);
  register(commands.chooseRelevance, async () => {
    const { model, view } = analysis.snapshot;
    const chosen: RelevanceOptions | undefined = await pickRelevance(context.snapshot.options, model, view);
    if (chosen) context.setOptions(chosen);
  });
  return store;
}

const inCenter = vscode.TextEditorRevealType.InCenterIfOutsideViewport;

async function pickMode(): Promise<OcclusionMode | undefined> {
  const items: { label: string; detail: string; mode: OcclusionMode }[] = [
    {
      label: vscode.l10n.t('Replace the line'),
      detail: vscode.l10n.t('Every token of it becomes one neutral token; everything else stays where it is.'),
      mode: 'replace',
    },
    {
      label: vscode.l10n.t('Leave the line out'),
      detail: vscode.l10n.t('What follows moves up, so distances change too.'),
      mode: 'remove',
    },
  ];
  const picked = await pick(items, {
    title: vscode.l10n.t('Check by Occluding'),
    placeHolder: vscode.l10n.t('How each line before the selection is occluded'),
  });
  return picked?.mode;
}
