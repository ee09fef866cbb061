/**
 * The ablation the reader asks for, its history, and the ranking of all single ones. Runs with changed kernels depart
 * from the finished run of the model as trained; each is shown whole, once it is there.
 */

import * as vscode from 'vscode';
import { finiteMean, rankEffects } from '../attention/ablationEffects';
import type { Settings } from '../contributions';
import { inReadersLanguage } from '../failureTexts';
import type { InferenceClient } from '../inference/client';
import type { AblateAnswer } from '../inference/protocol';
import { DisposableStore } from '../lifecycle';
import { logFailure } from '../log';
import { type Ablation, checkAblation, describeAblation, noAblation } from '../shared/ablation';
import { type History, push, redo, startHistory, undo } from '../shared/panel/history';
import type { AblationStep, PanelAblation, PanelAblationEffect, Ranking } from '../shared/panel/panelAblation';
import { Cancelled, Failure } from '../shared/tools/failure';
import { isSame } from '../shared/tools/isSame';
import type { Analysis, FinishedRun } from './analysis';

export class Ablations implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly ranked = this.store.add(new vscode.EventEmitter<Ranking | null>());
  readonly onDidChangeRanking = this.ranked.event;

  private history: History<Ablation> = startHistory(noAblation);
  /** The model that the history is about. */
  private model = '';
  private running: AbortController | undefined;
  private current: Ranking | null = null;
  private rankingRun: AbortController | undefined;

  constructor(
    private readonly analysis: Analysis,
    private readonly client: InferenceClient,
    private readonly readSettings: () => Settings,
    private readonly log: vscode.LogOutputChannel,
  ) {
    client.listen({
      effects: ({ analysisId, effects, done, total }) => {
        const { current } = this;
        if (current?.status !== 'running' || current.trainedId !== analysisId) return;
        this.setRanking({ ...current, done, total, effects: rankEffects([...current.effects, ...effects]) });
      },
    });
    this.store.add(
      analysis.onDidChange(() => {
        // A new run of the document has begun: what is computed departs from an old one.
        if (!analysis.trainedRun) this.stop();
      }),
    );
    this.store.add(analysis.onDidFinish(() => this.onRun()));
  }

  get ranking(): Ranking | null {
    return this.current;
  }

  /** @throws Failure `bad-ablation` */
  set(requested: unknown): void {
    const { model } = this.analysis.snapshot;
    const ablation = checkedAblation(requested, model?.layers ?? [], model?.nHeads ?? 0);
    if (isSame(ablation, this.history.present)) return;
    this.history = push(this.history, ablation);
    void this.apply();
  }

  step(step: AblationStep): void {
    if (step === 'reset') {
      this.set(noAblation);
      return;
    }
    const history = step === 'undo' ? undo(this.history) : redo(this.history);
    if (history === this.history) return;
    this.history = history;
    void this.apply();
  }

  /** Tries all single ablations on the shown document, in the background. */
  async rank(withHeads: boolean): Promise<void> {
    const trained = this.analysis.trainedRun;
    if (!trained) return;
    this.rankingRun?.abort();
    const controller = new AbortController();
    this.rankingRun = controller;
    const trainedId = trained.analysisId;
    const start: Ranking = { trainedId, status: 'running', withHeads, done: 0, total: 0, effects: [], failure: null };
    this.setRanking(start);
    const end = (change: Partial<Ranking>) => {
      if (this.rankingRun === controller) this.setRanking({ ...start, ...this.current, ...change });
    };
    try {
      const effects = await this.client.rankAblations({ analysisId: trainedId, withHeads }, controller.signal);
      end({ status: 'done', done: effects.length, total: effects.length, effects: rankEffects(effects) });
    } catch (error) {
      if (error instanceof Cancelled) end({ status: 'cancelled' });
      else end({ status: 'failed', failure: logFailure(this.log, error) });
    }
  }

  cancelRanking(): void {
    this.rankingRun?.abort();
  }

  dispose(): void {
    this.running?.abort();
    this.rankingRun?.abort();
    this.store.dispose();
  }

  private stop(): void {
    this.running?.abort();
    if (!this.current) return;
    this.rankingRun?.abort();
    this.rankingRun = undefined;
    this.setRanking(null);
  }

  private onRun(): void {
    const { model } = this.analysis.snapshot;
    const isOtherModel = model !== null && model.directory !== this.model;
    const wasAblated = this.history.present.edits.length > 0;
    if (isOtherModel) {
      this.model = model.directory;
      this.history = startHistory(noAblation);
    }
    const note = isOtherModel && wasAblated ? vscode.l10n.t('The ablation was reset: another model runs now.') : null;
    void this.apply(note);
  }

  /** Computes what the history's present asks for and shows it; newest wins. */
  private async apply(note: string | null = null): Promise<void> {
    this.running?.abort();
    const requested = this.history.present;
    const trained = this.analysis.trainedRun;
    const state = (): PanelAblation => ({
      ...this.analysis.snapshot.ablation,
      ...{ requested, isRunning: false, failure: null, note },
      ...{ canUndo: this.history.past.length > 0, canRedo: this.history.future.length > 0 },
    });
    if (!trained) return this.analysis.setAblation(state()); // computed once the run is done
    if (requested.edits.length === 0) {
      return this.analysis.showRun(trained, { ...state(), shown: requested, effect: null });
    }
    const controller = new AbortController();
    this.running = controller;
    this.analysis.setAblation({ ...state(), isRunning: true });
    try {
      const analysisId = this.analysis.nextId();
      const { topK, highlightCount } = this.readSettings();
      const args = {
        analysisId,
        baseId: trained.analysisId,
        ablation: requested,
        topK: Math.max(topK, highlightCount),
      };
      const answer = await this.client.ablate(args, controller.signal);
      if (controller.signal.aborted) return; // by newer work, or since the document runs anew
      const run = { analysisId, layers: merged(trained, answer), predictions: answer.predictions };
      this.analysis.showRun(run, { ...state(), shown: requested, effect: effectOf(trained, answer) });
      this.log.info(`run ${analysisId}: ablated ${describeAblation(requested)}, ${answer.durationMs.toFixed(0)} ms`);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.analysis.setAblation({ ...state(), failure: logFailure(this.log, error) });
    }
  }

  private setRanking(ranking: Ranking | null): void {
    this.current = ranking;
    this.ranked.fire(ranking);
  }
}

/** Here a link or the panel names parts that the model may not have. */
function checkedAblation(...args: Parameters<typeof checkAblation>): Ablation {
  try {
    return checkAblation(...args);
  } catch (error) {
    throw error instanceof Failure ? inReadersLanguage(error) : error;
  }
}

/** All layers of an ablated run: those it did not compute are the trained model's. */
function merged(trained: FinishedRun, { layers }: AblateAnswer): FinishedRun['layers'] {
  const changed = new Map(layers.map(layer => [layer.layerIdx, layer]));
  return trained.layers.map(layer => changed.get(layer.layerIdx) ?? layer);
}

function effectOf(trained: FinishedRun, { klBits, predictions, durationMs }: AblateAnswer): PanelAblationEffect {
  const before = trained.predictions.surprisalBits;
  const change = predictions.surprisalBits.map((bits, i) => bits - before[i]!);
  return {
    klBits,
    meanKlBits: finiteMean(klBits),
    trainedSurprisalBits: before,
    meanSurprisalChangeBits: finiteMean(change),
    durationMs,
  };
}
