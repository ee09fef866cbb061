/** Runs of the shown text with something changed, one result for each kind of experiment. Only the newest run has maps. */

import type { HeadBaseline } from '../src/shared/headAblation';
import type { Change } from '../src/shared/interventions';
import type { ChangeEffect } from '../src/shared/panel/experiment';
import { Cancelled, toFailureData } from '../src/shared/tools/failure';
import { isSame } from '../src/shared/tools/isSame';
import { HeadTrials } from './headTrials';
import type { PanelHost } from './host';

/** Experiments whose run is asked for here; the others are the host's own state. */
export type ChangeKind = 'headsoff' | 'hidden' | 'edges' | 'patch';

/** What the change is compared with. */
export interface Yardstick {
  readonly label: string;
  readonly change: Change;
}

export interface Experiment {
  /** What is changed, as a title: "L1H2 off". */
  readonly label: string;
  readonly change: Change;
  readonly yardstick: Yardstick | null;
}

export interface ChangeResult {
  readonly experiment: Experiment;
  readonly effect: ChangeEffect;
}

export class Experiments {
  /** Heads tried one after the other. */
  readonly heads: HeadTrials;
  failure = '';
  /** The kind that is being computed. */
  running: ChangeKind | null = null;
  private trainedId: number | null = null;
  private results = new Map<ChangeKind, ChangeResult>();
  private yardsticks: { readonly change: Change; readonly effect: ChangeEffect | null }[] = [];
  private requests = new AbortController();

  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
  ) {
    this.heads = new HeadTrials(host, onChange);
  }

  /** Results of another run are forgotten. */
  follow(trainedId: number | null): void {
    if (trainedId === this.trainedId) return;
    this.stop();
    this.trainedId = trainedId;
    this.results = new Map();
    this.yardsticks = [];
    this.failure = '';
  }

  resultOf(kind: ChangeKind): ChangeResult | null {
    return this.results.get(kind) ?? null;
  }

  /** Computes an experiment, then what it is compared with. What was under way is left. */
  async run(kind: ChangeKind, experiment: Experiment): Promise<void> {
    const { trainedId } = this;
    if (trainedId === null) return;
    this.stop();
    const { signal } = this.requests;
    this.running = kind;
    this.failure = '';
    this.onChange();
    try {
      const args = { analysisId: trainedId, change: experiment.change, keeps: true };
      const effect = await this.host.request('change', args, signal);
      if (signal.aborted) return;
      // The run before it has no maps any more.
      this.results = new Map([[kind, { experiment, effect }]]);
      const { change } = experiment;
      if (change.kind === 'heads') this.heads.add(change.heads, effect, trainedId, change.baseline);
      this.running = null;
      this.onChange();
      if (experiment.yardstick) await this.measure(experiment.yardstick.change, signal);
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') this.failure = message;
    } finally {
      if (!signal.aborted) {
        this.running = null;
        this.onChange();
      }
    }
  }

  /** What a change does, for comparison; null until it is known. */
  yardstick(change: Change): ChangeEffect | null {
    return this.yardsticks.find(known => isSame(known.change, change))?.effect ?? null;
  }

  /** Works out what a change does, once. */
  async measure(change: Change, signal = this.requests.signal): Promise<void> {
    const { trainedId } = this;
    if (trainedId === null || this.yardsticks.some(known => isSame(known.change, change))) return;
    const waiting = { change, effect: null };
    this.yardsticks.push(waiting);
    try {
      const effect = await this.host.request('change', { analysisId: trainedId, change, keeps: false }, signal);
      this.yardsticks = this.yardsticks.map(known => (known === waiting ? { change, effect } : known));
    } catch {
      // The result stands without it; asked for again the next time.
      this.yardsticks = this.yardsticks.filter(known => known !== waiting);
      return;
    }
    this.onChange();
  }

  stop(): void {
    this.requests.abort();
    this.requests = new AbortController();
    this.running = null;
  }
}

export function headsChange(layerIdx: number, headIdxs: readonly number[], baseline: HeadBaseline): Change {
  return { kind: 'heads', heads: headIdxs.map(headIdx => ({ layerIdx, headIdx })), baseline };
}
