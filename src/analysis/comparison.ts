/**
 * A second run beside the shown one, in a slot of its own of the same inference process. It follows the shown run: when
 * that one is done anew, after an edit or with another model, so is this one.
 */

import * as vscode from 'vscode';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { TokensEvent } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import { logFailure } from '../log';
import type { LayerResult, Predictions } from '../shared/analysis';
import type { LinkedComparison } from '../shared/link';
import type { PanelComparison } from '../shared/panel/comparison';
import { readableLabels } from '../shared/places';
import { sliceAround, textReach } from '../shared/tools/documentText';
import { Cancelled, toFailureData } from '../shared/tools/failure';
import type { Analysis } from './analysis';
import { type KnownRun, RunDetails } from './runDetails';

/** What the shown run is compared with. */
export interface Counterpart {
  readonly label: string;
  /** Folder of another model; absent: the shown one. */
  readonly modelDirectory?: string;
  /** How a link names it; absent where none can, as the clipboard changes and another folder is not for links to open. */
  readonly link?: LinkedComparison;
  /** Reads the other text; absent: the shown run's. */
  readonly text?: () => Promise<string>;
}

export class Comparison implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly changed = this.store.add(new vscode.EventEmitter<PanelComparison | null>());
  readonly onDidChange = this.changed.event;
  /** Closer looks at the second run. */
  readonly details: RunDetails;
  private state: PanelComparison | null = null;
  private counterpart: Counterpart | undefined;
  private layers: LayerResult[] = [];
  private opened: TokensEvent | undefined;
  private predictions: Predictions | undefined;
  private running: AbortController | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly client: InferenceClient,
    private readonly readSettings: () => Settings,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.details = new RunDetails(client, analysisId => this.runOf(analysisId));
    client.listen({
      tokens: event => {
        if (event.analysisId === this.state?.analysisId) this.opened = event;
      },
      layer: ({ analysisId, layer }) => {
        if (analysisId !== this.state?.analysisId) return;
        this.layers[layer.layerIdx] = layer;
        this.update({ layersDone: layer.layerIdx + 1 });
      },
    });
    this.store.add(
      analysis.onDidChange(() => {
        const isGone = this.state !== null && this.state.status !== 'waiting' && !analysis.trainedRun;
        if (!isGone) return;
        this.running?.abort();
        this.update({ status: 'waiting', analysisId: 0, tokens: null, layersDone: 0, failure: null });
      }),
    );
    this.store.add(analysis.onDidFinish(() => void this.run()));
  }

  get snapshot(): PanelComparison | null {
    return this.state;
  }

  /** What the shown run is compared with at present. */
  get shown(): Counterpart | undefined {
    return this.counterpart;
  }

  /** Compares with this from now on, until `end`. */
  async start(counterpart: Counterpart): Promise<void> {
    this.counterpart = counterpart;
    this.state = {
      ...{ status: 'waiting', label: counterpart.label, isOtherModel: counterpart.modelDirectory !== undefined },
      ...{ analysisId: 0, model: null, provider: null, tokens: null, layersDone: 0, failure: null },
    };
    this.changed.fire(this.state);
    if (this.analysis.trainedRun) await this.run();
  }

  /** Lets go of the second run and its model. */
  async end(): Promise<void> {
    this.running?.abort();
    this.counterpart = undefined;
    this.state = null;
    this.layers = [];
    this.opened = undefined;
    this.predictions = undefined;
    this.changed.fire(null);
    await this.client.unload('compare').catch(error => this.log.warn(toFailureData(error).message));
  }

  holds(analysisId: number): boolean {
    return this.state !== null && analysisId !== 0 && analysisId === this.state.analysisId;
  }

  dispose(): void {
    this.running?.abort();
    this.store.dispose();
  }

  private async run(): Promise<void> {
    const { counterpart, analysis } = this;
    const shown = analysis.request;
    if (!counterpart || !shown) return;
    this.running?.abort();
    const controller = new AbortController();
    this.running = controller;
    const { signal } = controller;
    const analysisId = analysis.nextId();
    this.layers = [];
    this.opened = undefined;
    this.predictions = undefined;
    this.update({ status: 'loading', analysisId, tokens: null, layersDone: 0, failure: null });
    try {
      const { provider, threads, quantizedWeights, maxTokens } = this.readSettings();
      const { modelDirectory } = counterpart;
      const options = { provider, nThreads: threads, quantizedWeights };
      const model = modelDirectory ? { modelDirectory, ...options } : analysis.chosenModel!;
      const loaded = await this.client.load({ slot: 'compare', ...model }, signal);
      if (signal.aborted) return;
      this.update({ status: 'running', model: loaded.model, provider: loaded.provider });
      const whole = await counterpart.text?.();
      if (whole !== undefined && !/\S/.test(whole)) throw failures.emptyCounterpart(counterpart.label);
      if (whole?.includes('\0')) throw failures.binary(counterpart.label);
      const limit = Math.min(maxTokens, loaded.model.maxSeqlen);
      const text = whole === undefined ? {} : otherText(whole, shown.anchor, limit);
      const args = { ...shown, ...text, slot: 'compare', analysisId, maxTokens: limit } as const;
      const answer = await this.client.analyze(args, signal);
      if (signal.aborted) return;
      const { offsets } = this.opened!.tokens;
      const labels = readableLabels(this.opened!.tokens);
      const { surprisalBits } = answer.predictions;
      this.predictions = answer.predictions;
      this.update({ status: 'done', tokens: { labels, offsets, surprisalBits } });
      this.log.info(`run ${analysisId}: ${labels.length} tokens to compare, ${answer.durationMs.toFixed(0)} ms`);
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      this.update({ status: 'failed', failure: logFailure(this.log, error) });
    }
  }

  private runOf(analysisId: number): KnownRun | undefined {
    const model = this.state?.model;
    if (!this.holds(analysisId) || !model || !this.opened) return undefined;
    return { model, nTokens: this.opened.tokens.ids.length, layers: this.layers, predictions: this.predictions };
  }

  private update(change: Partial<PanelComparison>): void {
    if (!this.state) return;
    this.state = { ...this.state, ...change };
    this.changed.fire(this.state);
  }
}

/** What of a request another text replaces. @param anchor of the shown text. */
function otherText(whole: string, shownAnchor: number, maxTokens: number) {
  const anchor = Math.min(shownAnchor, whole.length);
  const { text, start } = sliceAround(whole, anchor, textReach(maxTokens));
  return { text, textStart: start, documentLength: whole.length, anchor, windowStart: undefined };
}
