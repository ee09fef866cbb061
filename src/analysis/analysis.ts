/**
 * The one owner of what is known: the inspected document and version, its tokens and maps, the view, the selection.
 * Editor features and the panel read it and listen; nobody else talks to the inference process.
 *
 * Newest wins: every run has an id, events of older runs are dropped unseen, and a new run aborts the last one.
 */

import * as vscode from 'vscode';
import type { CellChange } from '../attention/largestChanges';
import { linesOfTokens } from '../attention/lines';
import { poolOverview } from '../attention/thumbnails';
import { keysOfQuery, keysOfRow, type WeightedKey } from '../attention/topKeys';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { AnalyzeArgs, InferenceEvents, OccludeArgs, OccludedEvent } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import type { LayerOverview, LayerResult, Predictions, WindowTokens } from '../shared/analysis';
import { effectiveStage, type HeadOverview, type Patch, type Tile } from '../shared/attentionMap';
import { Cancelled, Failure, toFailureData } from '../shared/failure';
import type { HeadMeasures } from '../shared/headMeasures';
import type { KernelWeights } from '../shared/kernels';
import { asTrained, type PanelAblation } from '../shared/panelAblation';
import type {
  LayerAddress,
  MapAddress,
  PanelState,
  PartAddress,
  PatchAddress,
  ThumbnailAddress,
  Thumbnails,
  TileAddress,
  View,
} from '../shared/panelMessages';
import { withQuestion } from '../shared/question';
import {
  chosenHeads,
  type OcclusionBaseline,
  type RelevanceOptions,
  rangeBetween,
  type TokenRange,
} from '../shared/relevance';
import { tokenAt } from '../tokenization/offsets';
import { defaultLayer } from './defaultView';
import { sliceAround } from './documentText';

/** What a run works on. */
export interface Target {
  readonly document: vscode.TextDocument;
  /** Range of the document that is analysed, UTF-16; null for all of it. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** Where the window must be when not everything fits. */
  readonly anchor: number;
  /** Text that goes to the model behind the document's end; the document itself stays as it is. */
  readonly question?: string;
}

/** A run whose last layer is there. */
export interface FinishedRun {
  readonly analysisId: number;
  readonly layers: readonly LayerResult[];
  readonly predictions: Predictions;
}

const editDelayMs = 400;
/** Cells named per kernel. */
const nChanges = 12;
const noView: View = { layerIdx: 0, headIdx: 0, stage: 'mixed_pattern', difference: false };

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

  private state: PanelState = {
    status: 'idle',
    analysisId: 0,
    documentLabel: null,
    model: null,
    provider: null,
    window: null,
    windowLines: null,
    tokens: null,
    layersDone: 0,
    isStale: false,
    failure: null,
    view: noView,
    ablation: asTrained,
    selectedToken: null,
    selectionAnchor: null,
    question: null,
    durationMs: null,
  };
  private lastId = 0;
  /** The finished run of the model as trained, on the shown tokens; others may be on show. */
  private trained: FinishedRun | undefined;
  private hasPickedLayer = false;
  private target: Target | undefined;
  private version = -1;
  /** Of the document, without a question. */
  private textLength = 0;
  private running: AbortController | undefined;
  private editTimer: NodeJS.Timeout | undefined;
  private layers: readonly LayerResult[] = [];
  private tokens: WindowTokens | undefined;
  private predicted: Predictions | undefined;
  private asked: Omit<AnalyzeArgs, 'analysisId' | 'slot'> | undefined;
  private occluding: { readonly id: number; readonly onEffect: (event: OccludedEvent) => void } | undefined;
  private nextOcclusionId = 1;
  private note = '';

  constructor(
    private readonly client: InferenceClient,
    private readonly readSettings: () => Settings,
    private readonly modelDirectory: () => Promise<string>,
    private readonly log: vscode.LogOutputChannel,
  ) {
    client.listen({
      log: ({ level, message }) => log[level](message),
      provider: ({ provider, note }) => {
        this.note = note;
        log.warn(note);
        this.update({ provider });
      },
      tokens: event => this.isCurrent(event) && this.onTokens(event),
      layer: event => this.isCurrent(event) && this.onLayer(event.layer),
      occluded: event => event.occlusionId === this.occluding?.id && this.occluding.onEffect(event),
    });
    this.store.add(vscode.workspace.onDidChangeTextDocument(event => this.onEdit(event)));
    this.store.add(
      vscode.workspace.onDidCloseTextDocument(document => {
        if (document === this.target?.document) this.update({ isStale: true });
      }),
    );
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
   * @throws Failure for what a person should be told; Cancelled when newer work or the reader stopped it.
   */
  async inspect(target: Target): Promise<void> {
    this.running?.abort();
    clearTimeout(this.editTimer);
    const controller = new AbortController();
    this.running = controller;
    const analysisId = this.nextId();
    const { document } = target;
    const label = labelOf(document);
    this.target = target;
    this.version = document.version;
    this.layers = [];
    this.tokens = undefined;
    this.predicted = undefined;
    this.trained = undefined;
    const { ablation } = this.state;
    this.update({
      ablation: { ...asTrained, wanted: ablation.wanted, canUndo: ablation.canUndo, canRedo: ablation.canRedo },
      ...{ status: 'loading', analysisId, documentLabel: label, isStale: false, failure: null, durationMs: null },
      ...{ window: null, windowLines: null, tokens: null, layersDone: 0, selectedToken: null },
      ...{ selectionAnchor: null, question: target.question ?? null },
    });
    try {
      await this.run(target, label, analysisId, controller.signal);
    } catch (error) {
      if (this.state.analysisId === analysisId) {
        const isCancelled = error instanceof Cancelled;
        this.update({
          status: isCancelled ? 'cancelled' : 'failed',
          failure: isCancelled ? null : toFailureData(error),
        });
      }
      throw error;
    } finally {
      if (this.running === controller) this.running = undefined;
    }
  }

  /** Ids of runs, whoever starts them, are unique. */
  nextId(): number {
    return ++this.lastId;
  }

  /** What the run on show was asked with. */
  get request(): Omit<AnalyzeArgs, 'analysisId' | 'slot'> | undefined {
    return this.asked;
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

  setAblation(ablation: PanelAblation): void {
    this.update({ ablation });
  }

  cancel(): void {
    clearTimeout(this.editTimer);
    this.running?.abort();
  }

  /** Overview of one head's stage; streamed ones at once, others recomputed. @throws Failure `no-analysis` */
  async overview(address: MapAddress, signal?: AbortSignal): Promise<HeadOverview> {
    return headOverview(await this.layerOverview(address, signal), address, this.tokens!.ids.length);
  }

  /** The same of all heads of the layer. */
  async layerOverview(address: MapAddress, signal?: AbortSignal): Promise<LayerOverview> {
    const layer = this.readyLayer(address);
    const stage = this.shownStage(address);
    const streamed = layer.overviews.find(candidate => candidate.stage === stage);
    const { analysisId, layerIdx } = address;
    return streamed ?? this.client.overview({ analysisId, layerIdx, stage }, signal);
  }

  /** Exact values. @throws Failure `no-analysis` */
  async tile(address: TileAddress, signal?: AbortSignal): Promise<Tile> {
    this.readyLayer(address);
    return this.client.tile(address, signal);
  }

  /** Exact values in all heads. @throws Failure `no-analysis` */
  async patch(address: PatchAddress, signal?: AbortSignal): Promise<Patch> {
    this.readyLayer({ ...address, headIdx: 0 });
    return this.client.patch(address, signal);
  }

  /** The learned parts that a layer was computed with. @throws Failure `no-analysis` */
  async kernels({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<readonly KernelWeights[]> {
    this.readyLayer({ analysisId, layerIdx, headIdx: 0 });
    return this.client.kernels({ analysisId, layerIdx }, signal);
  }

  /** Where a part changed a head's attention most. @throws Failure `no-analysis` */
  async largestChanges(address: PartAddress, signal?: AbortSignal): Promise<readonly CellChange[]> {
    this.readyLayer(address);
    return this.client.largestChanges({ ...address, k: nChanges }, signal);
  }

  /** What the model predicts everywhere. @throws Failure `no-analysis` until the run is done. */
  predictions(analysisId: number): Predictions {
    if (analysisId === this.state.analysisId && this.predicted) return this.predicted;
    if (this.trained && analysisId === this.trained.analysisId) return this.trained.predictions;
    throw noAnalysis();
  }

  /** One entry per head. @throws Failure `no-analysis` */
  async headMeasures({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<readonly HeadMeasures[]> {
    this.readyLayer({ analysisId, layerIdx, headIdx: 0 });
    return this.client.headMeasures({ analysisId, layerIdx }, signal);
  }

  /** Pictures of some heads' last stage. @throws Failure `no-analysis` */
  thumbnails({ analysisId, layerIdx, headStart, nHeads }: ThumbnailAddress): Thumbnails {
    const layer = this.readyLayer({ analysisId, layerIdx, headIdx: headStart + nHeads - 1 });
    return poolOverview(layer.overviews.at(-1)!, headStart, nHeads);
  }

  /**
   * One weight per token: how much a range attends to it, or it to the range.
   * @param view the head and stage that the method `head` asks; its layer is what the choice `layer` means.
   * @throws Failure `no-analysis` while a layer asked is not ready.
   */
  async relevance(
    options: RelevanceOptions,
    range: TokenRange,
    view: Omit<View, 'difference'>,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { analysisId, model } = this.state;
    const { method, direction } = options;
    const { layerIdx, headIdx, stage } = view;
    const heads =
      method === 'head'
        ? [{ layerIdx, headIdx }]
        : chosenHeads(options.heads, layerIdx, model?.nLayers ?? 0, model?.nHeads ?? 0);
    for (const head of heads) this.readyLayer({ analysisId, ...head });
    return this.client.relevance({ analysisId, range, direction, method, heads, stage }, signal);
  }

  /** Occludes spans of tokens one after the other; only one such run at a time. @throws Cancelled when `signal` fires. */
  async occlude(
    args: Pick<OccludeArgs, 'target' | 'spans' | 'mode'>,
    onEffect: (event: OccludedEvent) => void,
    signal: AbortSignal,
  ): Promise<OcclusionBaseline> {
    const occluding = { id: this.nextOcclusionId++, onEffect };
    this.occluding = occluding;
    const { analysisId } = this.state;
    try {
      return await this.client.occlude({ analysisId, occlusionId: occluding.id, ...args }, signal);
    } finally {
      if (this.occluding === occluding) this.occluding = undefined;
    }
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

  /** The document of the last run. */
  get document(): vscode.TextDocument | undefined {
    return this.target?.document;
  }

  /** The line of the document that each token starts in, -1 for the begin token and those of a question. */
  linesOfTokens(): Int32Array {
    const { document } = this;
    const { tokens } = this.state;
    if (!document || !tokens) return new Int32Array(0);
    return linesOfTokens(tokens.offsets, offset => document.positionAt(offset).line, this.textEnd);
  }

  /** Where the document's own part of the window ends. */
  get textEnd(): number {
    const { window, question } = this.state;
    const end = window?.end ?? 0;
    return question === null ? end : Math.min(end, this.textLength);
  }

  isOf(document: vscode.TextDocument): boolean {
    return document === this.target?.document;
  }

  /** The token that covers an offset of the document, null outside the window. */
  tokenAtOffset(offset: number): number | null {
    const token = this.tokens ? tokenAt(this.tokens.offsets, offset) : -1;
    return token < 0 ? null : token;
  }

  /**
   * What a token attends to most in the view's layer and head, at the view's stage.
   * Empty until that layer is ready.
   */
  async attendedBy(tokenIdx: number, k: number): Promise<WeightedKey[]> {
    const { layerIdx, headIdx, stage } = this.state.view;
    const layer = this.layers[layerIdx];
    const nTokens = this.tokens?.ids.length ?? 0;
    const model = this.state.model;
    if (!layer || !model || tokenIdx >= nTokens) return [];
    if (effectiveStage(model.layers[layerIdx]!.stages, stage) === model.layers[layerIdx]!.stages.at(-1)) {
      return keysOfQuery(layer.topKeys, nTokens, headIdx, tokenIdx).slice(0, k);
    }
    const { analysisId } = this.state;
    const row = { queryStart: tokenIdx, keyStart: 0, nQueries: 1, nKeys: nTokens };
    const { values } = await this.client.tile({ analysisId, layerIdx, headIdx, stage, ...row });
    return keysOfRow(values, tokenIdx, k);
  }

  dispose(): void {
    this.cancel();
    this.store.dispose();
  }

  private async run(target: Target, label: string, analysisId: number, signal: AbortSignal): Promise<void> {
    const { document, range } = target;
    const written = document.getText();
    this.textLength = written.length;
    const whole = target.question === undefined ? written : withQuestion(written, target.question);
    const inspected = range ? whole.slice(range.start, range.end) : whole;
    if (!/\S/.test(inspected)) throw range ? failures.emptySelection() : failures.empty(label);
    if (inspected.includes('\0')) throw failures.binary(label);
    const settings = this.readSettings();
    const modelDirectory = await this.modelDirectory();
    const loading = { modelDirectory, provider: settings.provider, nThreads: settings.threads };
    const { model, provider, providerNote } = await this.client.load(loading, signal);
    if (signal.aborted) throw new Cancelled();
    this.note = providerNote;
    const view = { ...this.state.view };
    const isInside = view.layerIdx < model.nLayers && view.headIdx < model.nHeads;
    this.update({ status: 'running', model, provider, view: isInside ? view : noView });
    const from = range?.start ?? 0;
    const slice = sliceAround(inspected, Math.max(0, target.anchor - from));
    this.asked = {
      documentVersion: this.version,
      text: slice.text,
      textStart: from + slice.start,
      documentLength: whole.length,
      anchor: target.anchor,
      maxTokens: Math.min(settings.maxTokens, model.maxSeqlen),
      topK: Math.max(settings.topK, settings.highlightCount),
    };
    const answer = await this.client.analyze({ analysisId, ...this.asked }, signal);
    if (signal.aborted || this.state.analysisId !== analysisId) throw new Cancelled();
    const { predictions } = answer;
    this.predicted = predictions;
    const tokens = this.state.tokens && { ...this.state.tokens, surprisalBits: predictions.surprisalBits };
    this.trained = { analysisId, layers: this.layers, predictions };
    const ablation = { ...this.state.ablation, trainedId: analysisId };
    this.update({ status: 'done', tokens, ablation, durationMs: answer.durationMs });
    this.finished.fire(this.trained);
    const { durationMs, firstLayerMs } = answer;
    this.log.info(
      `run ${analysisId}: ${tokens?.labels.length} tokens, ${durationMs.toFixed(0)} ms, first layer ${firstLayerMs.toFixed(0)} ms, ${provider}`,
    );
  }

  private isCurrent({ analysisId }: { readonly analysisId: number }): boolean {
    return this.running !== undefined && !this.running.signal.aborted && analysisId === this.state.analysisId;
  }

  private onTokens({ window, tokens }: InferenceEvents['tokens']): void {
    const document = this.target!.document;
    this.tokens = tokens;
    this.update({
      window,
      windowLines: {
        first: document.positionAt(window.start).line + 1,
        last: document.positionAt(window.end).line + 1,
        of: document.lineCount,
      },
      tokens: { labels: tokens.labels, offsets: tokens.offsets, surprisalBits: null },
    });
  }

  private onLayer(layer: LayerResult): void {
    this.layers = [...this.layers, layer];
    const layersDone = layer.layerIdx + 1;
    const { view, model } = this.state;
    const layerIdx = this.hasPickedLayer ? view.layerIdx : defaultLayer(model?.layers ?? [], layersDone);
    this.update({ layersDone, view: { ...view, layerIdx } });
    this.layerReady.fire({ analysisId: this.state.analysisId, layerIdx: layer.layerIdx });
  }

  private onEdit({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const { target } = this;
    if (!target || document !== target.document || contentChanges.length === 0) return;
    this.running?.abort(); // what it would bring describes a text that is gone
    this.update({ isStale: true });
    clearTimeout(this.editTimer);
    // A selection has no meaning once the text moved; the whole document is analysed again by itself.
    if (target.range || !this.readSettings().analyzeOnEdit) return;
    const anchor = contentChanges[0]!.rangeOffset + contentChanges[0]!.text.length;
    this.editTimer = setTimeout(() => {
      this.inspect({ ...target, anchor }).catch(error => {
        if (!(error instanceof Cancelled)) this.log.warn(toFailureData(error).message);
      });
    }, editDelayMs);
  }

  private readyLayer({ analysisId, layerIdx, headIdx }: Omit<MapAddress, 'stage'>): LayerResult {
    const isTrained = analysisId === this.trained?.analysisId;
    const layers = analysisId === this.state.analysisId ? this.layers : isTrained ? this.trained?.layers : undefined;
    const layer = layers?.[layerIdx];
    if (!layer || !(headIdx < this.state.model!.nHeads)) {
      throw noAnalysis();
    }
    return layer;
  }

  private shownStage({ layerIdx, stage }: MapAddress) {
    return effectiveStage(this.state.model!.layers[layerIdx]!.stages, stage);
  }

  private update(change: Partial<PanelState>): void {
    this.state = { ...this.state, ...change };
    this.changed.fire(this.state);
  }
}

/** One head's part of a layer's overview. */
export function headOverview(layer: LayerOverview, address: MapAddress, nTokens: number): HeadOverview {
  const { layerIdx, headIdx, stage } = address;
  const { size, blockSize, scales, cells } = layer;
  const start = headIdx * size * size;
  return {
    ...{ layerIdx, headIdx, stage, nTokens, blockSize, size, scale: scales[headIdx]! },
    cells: cells.slice(start, start + size * size),
  };
}

export function noAnalysis(): Failure {
  return new Failure('no-analysis', vscode.l10n.t('This map is not there yet, or belongs to an older run.'));
}

/** What a person calls the document: its path in the workspace, and of a notebook the cell's number. */
function labelOf(document: vscode.TextDocument): string {
  for (const notebook of vscode.workspace.notebookDocuments) {
    const cell = notebook.getCells().find(candidate => candidate.document === document);
    const name = vscode.workspace.asRelativePath(notebook.uri, false);
    if (cell) return vscode.l10n.t('{0}, cell {1}', name, cell.index + 1);
  }
  return vscode.workspace.asRelativePath(document.uri, false);
}
