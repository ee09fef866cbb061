/**
 * The one owner of what is known: the inspected document, its tokens and maps, the view, the selection.
 * Editor features and the panel read it and listen; they ask nothing of the inference process themselves.
 *
 * Newest wins: every run has an id, events of older runs are dropped unseen, and a new run aborts the last one.
 */

import * as vscode from 'vscode';
import { lineSpan, linesOfTokens } from '../attention/lines';
import type { Settings } from '../contributions';
import type { InferenceClient } from '../inference/client';
import type { AnalyzeArgs, InferenceEvents, TokensEvent } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import type { TokenRange } from '../shared/address';
import type { LayerResult, ModelSummary, Predictions, WindowTokens } from '../shared/analysis';
import { withLocalMark } from '../shared/labels';
import type { PanelAblation } from '../shared/panel/panelAblation';
import type { PanelState, View } from '../shared/panel/panelMessages';
import { readableLabels } from '../shared/places';
import { rangeBetween } from '../shared/relevance';
import { Cancelled, toFailureData } from '../shared/tools/failure';
import { tokenAt } from '../tokenization/offsets';
import { DocumentIdentity } from './documentIdentity';
import { type ChosenModel, modelKey } from './modelChoice';
import { begun, nothingInspected, withLayer, withModel } from './panelState';
import { firstLength, type RangeLength } from './rangeLength';
import { type KnownRun, RunDetails } from './runDetails';
import { type Sight, suggestWord } from './suggestWord';
import { labelOf, lengthOf, type Target, textOf } from './target';
import { keptStart, shiftedBy } from './windowStart';

/** A run whose last layer is there. */
export interface FinishedRun {
  readonly analysisId: number;
  readonly layers: readonly LayerResult[];
  readonly predictions: Predictions;
}

/** A pause in typing; what comes then is mostly taken over from the run before. */
const editDelayMs = 200;

export class Analysis implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly changed = this.store.add(new vscode.EventEmitter<PanelState>());
  private readonly layerReady = this.store.add(new vscode.EventEmitter<{ analysisId: number; layerIdx: number }>());
  /** Anything but a new layer's maps. */
  readonly onDidChange = this.changed.event;
  readonly onDidFinishLayer = this.layerReady.event;
  private readonly finished = this.store.add(new vscode.EventEmitter<FinishedRun>());
  /** A run of the model as trained is done. */
  readonly onDidFinish = this.finished.event;
  private readonly replaced = this.store.add(new vscode.EventEmitter<{ from: vscode.TextDocument }>());
  /** The inspected document goes on as another object of the editor, or under another name. */
  readonly onDidReplaceDocument = this.replaced.event;
  /** Details of the current run, and of that of the model as trained. */
  readonly details: RunDetails;

  private state = nothingInspected;
  private lastId = 0;
  /** The finished run of the model as trained, on the same tokens; another may be the current one. */
  private trained: FinishedRun | undefined;
  /** The text in front, as far as it is known. */
  private front: vscode.TextDocument | undefined;
  private hasPickedLayer = false;
  private target: Target | undefined;
  /** Length of the document, without a question. */
  private ownLength = 0;
  /** Where the last window began, as the text is now: the next one begins there too if it can. */
  private windowStart: number | undefined;
  private running: AbortController | undefined;
  private editTimer: NodeJS.Timeout | undefined;
  private layers: readonly LayerResult[] = [];
  private tokens: WindowTokens | undefined;
  private predicted: Predictions | undefined;
  private sent: Omit<AnalyzeArgs, 'analysisId' | 'slot'> | undefined;
  /** Kept between moves of the cursor. */
  private tokenLines:
    | { readonly offsets: Uint32Array; readonly version: number; readonly lines: Int32Array }
    | undefined;
  /** What ran last, so that the first run of a model is known from the others. */
  private lastMeasured: string | undefined;
  private note = '';
  private loaded: ChosenModel | undefined;

  constructor(
    private readonly client: InferenceClient,
    private readonly readSettings: () => Settings,
    private readonly chooseModel: (name?: string) => Promise<ChosenModel>,
    private readonly log: vscode.LogOutputChannel,
    private readonly lengths: RangeLength | null = null,
    /** Whether the settings leave the length of the range open. */
    private readonly isLengthAutomatic: () => boolean = () => false,
  ) {
    this.details = new RunDetails(client, analysisId => this.runOf(analysisId));
    client.listen({
      log: ({ level, message }) => log[level](message),
      provider: ({ provider, note }) => {
        this.note = note;
        log.warn(note);
        this.update({ provider });
      },
      tokens: event => this.isCurrent(event) && this.onTokens(event),
      layer: event => this.isCurrent(event) && this.onLayer(event.layer),
    });
    this.store.add(vscode.workspace.onDidChangeTextDocument(event => this.onEdit(event)));
    this.store.add(
      vscode.workspace.onDidCloseTextDocument(document => {
        // What an edit would inspect again is gone; should the document be opened again, it is the same.
        if (document === this.target?.document) clearTimeout(this.editTimer);
      }),
    );
    this.store.add(new DocumentIdentity(this));
  }

  get snapshot(): PanelState {
    return this.state;
  }

  /** Why this execution provider runs and no faster one does. */
  get providerNote(): string {
    return this.note;
  }

  /**
   * Analyses a document, or a part of it, and resolves when the last layer is there.
   * @throws Failure with a message for the user; Cancelled when newer work or the reader stopped it.
   */
  async inspect(target: Target): Promise<void> {
    this.running?.abort();
    clearTimeout(this.editTimer);
    const controller = new AbortController();
    this.running = controller;
    const analysisId = this.nextId();
    const documentLabel = labelOf(target.document);
    const isPinned = this.isOf(target.document) ? this.state.isPinned : !this.readSettings().windowFollowsCursor;
    if (!this.isOf(target.document)) this.windowStart = undefined;
    this.target = target;
    this.layers = [];
    this.tokens = undefined;
    this.predicted = undefined;
    this.trained = undefined;
    const otherInFront = this.otherInFront();
    this.update(
      begun(this.state, { analysisId, documentLabel, question: target.question ?? null, isPinned, otherInFront }),
    );
    try {
      await this.run(target, documentLabel, analysisId, controller.signal);
    } catch (error) {
      if (this.state.analysisId === analysisId) {
        const isCancelled = error instanceof Cancelled;
        const { view, layersDone } = this.state;
        // What is there is shown, though another layer was chosen.
        const lastDone =
          layersDone > 0 && view.layerIdx >= layersDone ? { view: { ...view, layerIdx: layersDone - 1 } } : {};
        this.update({
          ...lastDone,
          status: isCancelled ? 'cancelled' : 'failed',
          failure: isCancelled ? null : toFailureData(error),
        });
      }
      throw error;
    } finally {
      if (this.running === controller) this.running = undefined;
    }
  }

  /** Loads the model of an expected run while its document is still being opened. Failures surface in the run. */
  prepare(model?: string): void {
    this.chooseModel(model)
      .then(chosen => this.client.load(chosen))
      .catch(() => {});
  }

  /** Run ids are unique, whatever starts the run. */
  nextId(): number {
    return ++this.lastId;
  }

  /** The model of the last run, and what runs it. */
  get chosenModel(): ChosenModel | undefined {
    return this.loaded;
  }

  /** The request of the current run. */
  get request(): Omit<AnalyzeArgs, 'analysisId' | 'slot'> | undefined {
    return this.sent;
  }

  /** The finished run of the model as trained, on the shown tokens. */
  get trainedRun(): FinishedRun | undefined {
    return this.trained;
  }

  /** Shows a finished run of the same tokens, and what it changes about the model. */
  showRun(run: FinishedRun, ablation: PanelAblation): void {
    const { analysisId, layers, predictions } = run;
    this.layers = layers;
    this.predicted = predictions;
    const tokens = this.state.tokens && { ...this.state.tokens, surprisalBits: predictions.surprisalBits };
    this.update({ analysisId, tokens, ablation });
  }

  /** Another text came to the front. */
  setFront(document: vscode.TextDocument): void {
    this.front = document;
    const otherInFront = this.otherInFront();
    if (otherInFront !== this.state.otherInFront) this.update({ otherInFront });
  }

  private otherInFront(): string | null {
    const { front, target } = this;
    return front && target && front !== target.document && !front.isClosed ? labelOf(front) : null;
  }

  setAblation(ablation: PanelAblation): void {
    this.update({ ablation });
  }

  /** Keeps the window where it is from now on, or lets it follow the cursor. */
  setPinned(isPinned: boolean): void {
    this.update({ isPinned });
    const { window } = this.state;
    if (window && !this.state.isStale) this.windowStart = keptStart(window, isPinned);
  }

  /** @param analysisId the run that is meant, so that no later one is cancelled; by default whichever goes on. */
  cancel(analysisId = this.state.analysisId): void {
    if (analysisId !== this.state.analysisId) return;
    clearTimeout(this.editTimer);
    this.running?.abort();
  }

  setView(view: View): void {
    this.hasPickedLayer = true;
    this.update({ view });
  }

  /** Selects a token of the window (null for none), or the range of tokens between it and an anchor. */
  selectToken(tokenIdx: number | null, anchorIdx: number | null = null): void {
    const selectionAnchor = anchorIdx === tokenIdx ? null : anchorIdx;
    const { state } = this;
    if (tokenIdx === state.selectedToken && selectionAnchor === state.selectionAnchor) return;
    this.update({ selectedToken: tokenIdx, selectionAnchor });
  }

  /** The selected tokens. */
  get selectedRange(): TokenRange | null {
    const { selectedToken, selectionAnchor } = this.state;
    return selectedToken === null ? null : rangeBetween(selectedToken, selectionAnchor ?? selectedToken);
  }

  /** Tokens of the window, with their ids. */
  get windowTokens(): WindowTokens | undefined {
    return this.tokens;
  }

  /** What the last run works on. */
  get lastTarget(): Target | undefined {
    return this.target;
  }

  /** The document of the last run. */
  get document(): vscode.TextDocument | undefined {
    return this.target?.document;
  }

  /** The inspected document is this one now: opened again, renamed, or a cell that was moved. */
  replace(document: vscode.TextDocument): void {
    const from = this.target?.document;
    if (!this.target || !from) return;
    this.target = { ...this.target, document };
    const isSameText = from === document || from.getText() === document.getText();
    const isStale = this.state.isStale || !isSameText;
    this.update({ documentLabel: labelOf(document), isStale, otherInFront: this.otherInFront() });
    this.replaced.fire({ from });
    if (isStale) {
      this.running?.abort(); // what it would bring describes a text that is gone
      this.inspectAfterEdit(this.target.anchor);
    }
  }

  /** The line of the document that each token starts in, -1 for the begin token and those of a question. */
  linesOfTokens(): Int32Array {
    const { document } = this;
    const { tokens } = this.state;
    if (!document || !tokens) return new Int32Array(0);
    const { offsets } = tokens;
    if (this.tokenLines?.offsets !== offsets || this.tokenLines.version !== document.version) {
      const lines = linesOfTokens(offsets, offset => document.positionAt(offset).line, this.textEnd);
      this.tokenLines = { offsets, version: document.version, lines };
    }
    return this.tokenLines.lines;
  }

  /** Where the document's own part of the window ends. */
  get textEnd(): number {
    const { window, question } = this.state;
    const end = window?.end ?? 0;
    return question === null ? end : Math.min(end, this.ownLength);
  }

  isOf(document: vscode.TextDocument): boolean {
    return document === this.target?.document;
  }

  /** The token that covers an offset of the document, null outside the window. */
  tokenAtOffset(offset: number): number | null {
    const token = this.tokens ? tokenAt(this.tokens.offsets, offset) : -1;
    return token < 0 ? null : token;
  }

  dispose(): void {
    this.cancel();
    this.store.dispose();
  }

  private async run(target: Target, label: string, analysisId: number, signal: AbortSignal): Promise<void> {
    const chosen = await this.chooseModel(target.model);
    if (signal.aborted) throw new Cancelled();
    this.loaded = chosen;
    const settings = this.readSettings();
    const { ownLength, ...text } = textOf(target, label, settings.maxTokens);
    this.ownLength = ownLength;
    const { model, provider, providerNote } = await this.client.load(chosen, signal);
    if (signal.aborted) throw new Cancelled();
    this.note = providerNote;
    this.update(withModel(this.state, model, provider));
    this.sent = {
      ...text,
      maxTokens: Math.min(settings.maxTokens, model.maxSeqlen),
      topK: Math.max(settings.topK, settings.highlightCount),
      memoryBudgetMb: settings.memoryBudgetMb,
    };
    const answer = await this.client.analyze({ analysisId, ...this.sent }, signal);
    if (signal.aborted || this.state.analysisId !== analysisId) throw new Cancelled();
    const { predictions } = answer;
    this.predicted = predictions;
    const tokens = this.state.tokens && { ...this.state.tokens, surprisalBits: predictions.surprisalBits };
    this.trained = { analysisId, layers: this.layers, predictions };
    const ablation = { ...this.state.ablation, trainedId: analysisId };
    const suggestion = tokens && suggestWord(tokens, predictions.surprisalBits, sightOf(target.document));
    this.update({ status: 'done', tokens, ablation, suggestion, durationMs: answer.durationMs });
    this.finished.fire(this.trained);
    const { durationMs, firstLayerMs, nReused } = answer;
    const time = { nTokens: this.tokens?.ids.length ?? 0, ms: firstLayerMs };
    const isCold = this.lastMeasured !== modelKey(chosen);
    this.lastMeasured = modelKey(chosen);
    if (nReused === 0 && time.nTokens > 0) this.lengths?.add(modelKey(chosen), time, isCold);
    this.log.info(
      `run ${analysisId}: ${tokens?.labels.length} tokens, ${nReused} reused, ${durationMs.toFixed(0)} ms, first layer ${firstLayerMs.toFixed(0)} ms, ${provider}`,
    );
  }

  /** How many tokens are inspected at once where the settings leave it open, for the model in use. */
  get automaticLength(): number {
    return this.lengths && this.loaded ? this.lengths.of(modelKey(this.loaded)) : firstLength;
  }

  /** Why a run is as long as it is, where something was left out: one sentence. */
  private rangeReason(nTokens: number, model: ModelSummary): string {
    if (nTokens >= model.maxSeqlen) return vscode.l10n.t('{0} tokens are the model’s whole context.', nTokens);
    if (!this.isLengthAutomatic()) return vscode.l10n.t('{0} tokens are set as the longest range.', nTokens);
    const measured = this.lengths && this.loaded ? this.lengths.measured(modelKey(this.loaded)) : undefined;
    return measured
      ? vscode.l10n.t(
          '{0} tokens are as many as this machine brings a first map of in 1.5 s: {1} tokens took {2} s.',
          ...[nTokens, measured.nTokens, withLocalMark((measured.ms / 1000).toFixed(2))],
        )
      : vscode.l10n.t('{0} tokens to begin with: this run measures how many this machine can do in 1.5 s.', nTokens);
  }

  private runOf(analysisId: number): KnownRun | undefined {
    const { model } = this.state;
    if (!model || !this.tokens) return undefined;
    const nTokens = this.tokens.ids.length;
    const shown = { analysisId: this.state.analysisId, layers: this.layers, predictions: this.predicted };
    const run = [shown, this.trained].find(candidate => candidate?.analysisId === analysisId);
    return run && { model, nTokens, layers: run.layers, predictions: run.predictions };
  }

  /** The current run with its tokens and the layers that are done. */
  get shownRun(): (KnownRun & TokensEvent) | undefined {
    const { analysisId, window } = this.state;
    const run = this.runOf(analysisId);
    return run && this.tokens && window ? { ...run, analysisId, window, tokens: this.tokens } : undefined;
  }

  private isCurrent({ analysisId }: { readonly analysisId: number }): boolean {
    return this.running !== undefined && !this.running.signal.aborted && analysisId === this.state.analysisId;
  }

  private onTokens({ window, tokens }: InferenceEvents['tokens']): void {
    const document = this.target!.document;
    this.tokens = tokens;
    this.windowStart = this.target!.range || this.target!.question ? undefined : keptStart(window, this.state.isPinned);
    const isPart = window.start > 0 || window.end < window.documentLength;
    const { model } = this.state;
    this.update({
      window,
      rangeReason: isPart && model && !this.target!.range ? this.rangeReason(tokens.ids.length, model) : null,
      windowLines: lineSpan(window, offset => document.positionAt(offset).line, lengthOf(document)),
      tokens: { labels: readableLabels(tokens), offsets: tokens.offsets, surprisalBits: null },
    });
  }

  private onLayer(layer: LayerResult): void {
    this.layers = [...this.layers, layer];
    this.update(withLayer(this.state, layer, this.hasPickedLayer));
    this.layerReady.fire({ analysisId: this.state.analysisId, layerIdx: layer.layerIdx });
  }

  private onEdit({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const { target } = this;
    if (!target || document !== target.document || contentChanges.length === 0) return;
    this.running?.abort(); // what it would bring describes a text that is gone
    if (!this.state.isStale) this.update({ isStale: true });
    if (this.windowStart !== undefined) this.windowStart = shiftedBy(this.windowStart, contentChanges);
    const { rangeOffset, text } = contentChanges[0]!;
    this.inspectAfterEdit(rangeOffset + text.length);
  }

  /** The whole document is analyzed again by itself, a selection not: it has no meaning once the text moved. */
  private inspectAfterEdit(place: number): void {
    clearTimeout(this.editTimer);
    if (!this.target || this.target.range || !this.readSettings().analyzeOnEdit) return;
    this.editTimer = setTimeout(() => {
      const { target, windowStart } = this;
      if (!target) return;
      const { document, question } = target;
      // A question stands behind the document's end, wherever the edit was.
      const anchor = question === undefined ? place : lengthOf(document) + question.length + 1;
      const { isPinned } = this.state;
      this.inspect({ ...target, anchor, windowStart, isPinned: isPinned && windowStart !== undefined }).catch(error => {
        if (!(error instanceof Cancelled)) this.log.warn(toFailureData(error).message);
      });
    }, editDelayMs);
  }

  private update(change: Partial<PanelState>): void {
    this.state = { ...this.state, ...change };
    this.changed.fire(this.state);
  }
}

/** What is on screen of a document. */
function sightOf(document: vscode.TextDocument): Sight {
  const editors = vscode.window.visibleTextEditors.filter(editor => editor.document === document);
  const offset = (position: vscode.Position) => document.offsetAt(position);
  return {
    cursor: editors[0] ? offset(editors[0].selection.active) : null,
    visible: editors.flatMap(({ visibleRanges }) =>
      visibleRanges.map(range => ({ start: offset(range.start), end: offset(range.end) })),
    ),
  };
}
