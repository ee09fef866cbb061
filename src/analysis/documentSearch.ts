/**
 * The one owner of the document search: its request, its progress, its most relevant lines. It runs in the background
 * for the selection it started with, goes on while the reader looks elsewhere, and ends when its document changes.
 */

import * as vscode from 'vscode';
import { LineRanking } from '../attention/lineRanking';
import { lineSpan } from '../attention/lines';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { SearchArgs, SearchedEvent } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import { logFailure } from '../log';
import {
  type DocumentSearchState,
  maxSearchTokens,
  type Probe,
  probeAt,
  type SearchLine,
  type SearchMeasure,
  searchMethod,
} from '../shared/documentSearch';
import { chosenHeads } from '../shared/relevance';
import { Cancelled } from '../shared/tools/failure';
import { piecesAround, type TextSource } from '../shared/tools/textPieces';
import type { Analysis } from './analysis';
import type { RelevantContext } from './relevantContext';
import { labelOf, sourceOf } from './target';

const nLines = 100;
const nSteps = 400;
/** How often listeners hear of windows that are done. */
const updateMs = 200;
const maxTextLength = 160;

/** A text that the inference process holds. */
interface ReadText {
  readonly key: string;
  readonly textId: number;
  readonly nTokens: number;
  readonly start: number;
  readonly end: number;
}

export class DocumentSearch implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly changed = this.store.add(new vscode.EventEmitter<DocumentSearchState | null>());
  readonly onDidChange = this.changed.event;
  private state: DocumentSearchState | null = null;
  private document: vscode.TextDocument | undefined;
  private running: AbortController | undefined;
  private read: ReadText | undefined;
  private lastId = 0;
  private lines: LineRanking | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly context: RelevantContext,
    private readonly client: InferenceClient,
    private readonly readSettings: () => Settings,
    private readonly log: vscode.LogOutputChannel,
  ) {
    client.listen({ searched: event => event.searchId === this.lastId && this.running && this.onWindow(event) });
    this.store.add(analysis.onDidReplaceDocument(({ from }) => this.follow(from, analysis.document!)));
    this.store.add(
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (document !== this.document || contentChanges.length === 0 || this.state?.isStale !== false) return;
        this.update({ isStale: true }); // first, so that no line is read from the changed text
        this.cancel();
      }),
    );
  }

  /** The searched document goes on as another object of the editor. */
  private follow(from: vscode.TextDocument, to: vscode.TextDocument): void {
    if (from !== this.document) return;
    this.document = to;
    if (this.state?.isStale !== false) return;
    if (this.analysis.snapshot.isStale) {
      this.update({ isStale: true });
      this.cancel();
    } else this.update({ documentLabel: labelOf(to) });
  }

  get snapshot(): DocumentSearchState | null {
    return this.state;
  }

  /** The document that is or was searched. */
  get searchedDocument(): vscode.TextDocument | undefined {
    return this.document;
  }

  /** Spans of lines with what they add to the prediction of the selection, the largest gain first, each by its main line. */
  get spans(): DocumentSearchState['lines'] {
    return this.lines && this.document ? this.withText(this.lines.spans, this.document) : [];
  }

  /** Searches the document for the selection. Resolves when done or cancelled. @throws Failure to show. */
  async start(): Promise<void> {
    const { document, snapshot, selectedRange: range } = this.analysis;
    const { model, tokens, view, question } = snapshot;
    if (!document || !model || !tokens || !range || snapshot.isStale) throw failures.noSelection();
    this.cancel();
    const controller = new AbortController();
    this.running = controller;
    const { signal } = controller;
    const { options } = this.context.snapshot;
    const method = searchMethod(options.method);
    const heads =
      method === 'head'
        ? [{ layerIdx: view.layerIdx, headIdx: view.headIdx }]
        : chosenHeads(options.heads, view.layerIdx, model.nLayers, model.nHeads);
    const measure = { method, heads };
    const source = sourceOf(document);
    const [start, end] = [tokens.offsets[range.first]!, tokens.offsets[range.end]!];
    const isQuestion = question !== null && start >= this.analysis.textEnd;
    const probe: Probe = isQuestion
      ? { text: question, start: source.length + 1, selectionStart: 0 }
      : probeAt(source, { start, end });
    this.document = document;
    this.lines = undefined;
    this.begin(document, probe, measure, model.name);
    try {
      const text = await this.readText(document, source, Math.min(start, source.length), model.directory, signal);
      const { nTokens } = text;
      const lines = lineSpan(text, offset => document.positionAt(offset).line, source.length);
      const lineRange = { first: lines.first - 1, end: lines.last, of: lines.of };
      this.lines = new LineRanking(lineRange.first, lineRange.end, nLines, nSteps);
      this.update({ status: 'running', nTokens, lineRange });
      const maxTokens = Math.min(this.readSettings().maxTokens, model.maxSeqlen);
      const args = { textId: text.textId, probe, stage: view.stage, maxTokens, ...measure };
      const { baselineBits } = await this.search(args, signal);
      if (this.running === controller) this.update({ status: 'done', baselineBits });
      this.log.info(`document search: ${nTokens} tokens in ${this.state?.total} windows`);
    } catch (error) {
      const isCurrent = this.running === controller;
      if (error instanceof Cancelled) {
        if (isCurrent) this.update({ status: 'cancelled' });
        return;
      }
      this.read = undefined; // the process may have been started anew
      const failure = logFailure(this.log, error);
      if (isCurrent) this.update({ status: 'failed', failure });
      throw error;
    } finally {
      if (this.running === controller) this.running = undefined;
    }
  }

  cancel(): void {
    if (!this.running) return;
    this.running.abort();
    this.running = undefined;
    this.update({ status: 'cancelled' });
  }

  dispose(): void {
    this.cancel();
    clearTimeout(this.timer);
    this.store.dispose();
  }

  private begin(document: vscode.TextDocument, probe: Probe, measure: SearchMeasure, modelName: string): void {
    const selection = probe.text.slice(probe.selectionStart).replaceAll(/\s+/g, ' ').trim().slice(0, 60);
    const none = { nTokens: 0, done: 0, total: 0, lines: [], profile: null, baselineBits: Number.NaN, failure: null };
    this.state = {
      ...{
        status: 'reading',
        isStale: false,
        documentLabel: labelOf(document),
        modelName,
        selection,
        measure,
        ...none,
      },
      lineRange: { first: 0, end: document.lineCount, of: document.lineCount },
    };
    this.changed.fire(this.state);
  }

  /** Sends the text to the inference process piece by piece, unless it holds it already. */
  private async readText(
    document: vscode.TextDocument,
    source: TextSource,
    anchor: number,
    model: string,
    signal: AbortSignal,
  ): Promise<ReadText> {
    const key = JSON.stringify([document.uri.toString(), document.version, model, this.client.pid]);
    if (this.read?.key === key) return this.read;
    this.read = undefined;
    const textId = ++this.lastId;
    let [nTokens, first, last] = [0, source.length, 0];
    for (const [start, end] of piecesAround(source, anchor)) {
      const firstLine = document.positionAt(start).line;
      ({ nTokens } = await this.client.readSearchText(
        { textId, start, firstLine, text: source.slice(start, end) },
        signal,
      ));
      if (signal.aborted) throw new Cancelled();
      [first, last] = [Math.min(first, start), Math.max(last, end)];
      this.update({ nTokens });
      if (nTokens >= maxSearchTokens) break;
    }
    this.read = { key, textId, nTokens, start: first, end: last };
    return this.read;
  }

  private search(args: Omit<SearchArgs, 'searchId'>, signal: AbortSignal) {
    return this.client.searchDocument({ searchId: ++this.lastId, ...args }, signal);
  }

  private onWindow({ rows, gainBits, done, total }: SearchedEvent): void {
    if (!this.lines || !this.state) return;
    this.lines.add({ rows, gainBits });
    this.state = { ...this.state, done, total };
    this.timer ??= setTimeout(() => this.update({}), updateMs);
  }

  private update(change: Partial<DocumentSearchState>): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.state) return;
    const { lines, document } = this;
    // Lines of a text that is gone keep the words they had.
    const isReadable = lines && document && !change.isStale && !this.state.isStale;
    const results = isReadable ? { lines: this.withText(lines.lines, document), profile: lines.profile } : {};
    this.state = { ...this.state, ...results, ...change };
    this.changed.fire(this.state);
  }

  private withText(lines: readonly SearchLine[], document: vscode.TextDocument): DocumentSearchState['lines'] {
    return lines
      .filter(({ lineIdx }) => lineIdx < document.lineCount)
      .map(line => ({
        ...line,
        text: document
          .lineAt(line.lineIdx)
          .text.slice(0, 2 * maxTextLength)
          .trim()
          .slice(0, maxTextLength),
      }));
  }
}
