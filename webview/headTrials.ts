/** Switches heads off one after the other and keeps what that did, for one run and one baseline. */

import type { HeadRef } from '../src/shared/address';
import type { HeadAblationEffect, HeadBaseline } from '../src/shared/headAblation';
import { Cancelled, toFailureData } from '../src/shared/tools/failure';
import type { PanelHost } from './host';
import { Pace } from './pace';

/** Heads off together: one head, or all of a layer. */
export interface Trial {
  readonly layerIdx: number;
  /** Null: every head of the layer. */
  readonly headIdx: number | null;
}

export class HeadTrials {
  failure = '';
  isRunning = false;
  done = 0;
  total = 0;
  private key = '';
  private effects = new Map<string, HeadAblationEffect>();
  private requests = new AbortController();
  private readonly pace: Pace;

  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
    now?: () => number,
  ) {
    this.pace = new Pace(now);
  }

  /** Trials of another run, or with another baseline, begin anew. */
  show(analysisId: number, baseline: HeadBaseline): void {
    const key = `${analysisId}/${baseline}`;
    if (key === this.key) return;
    this.stop();
    this.key = key;
    this.effects = new Map();
    this.failure = '';
    this.done = 0;
    this.total = 0;
  }

  /** Keeps what was found elsewhere of a single head. */
  add(heads: readonly HeadRef[], effect: HeadAblationEffect, analysisId: number, baseline: HeadBaseline): void {
    this.show(analysisId, baseline);
    if (heads.length === 1) this.effects.set(nameOf(heads[0]!), effect);
  }

  effectOf(trial: Trial): HeadAblationEffect | null {
    return this.effects.get(nameOf(trial)) ?? null;
  }

  /** Single heads that were tried, the largest divergence first. */
  ranked(): { readonly trial: Trial; readonly effect: HeadAblationEffect }[] {
    return [...this.effects]
      .map(([name, effect]) => ({ trial: trialOf(name), effect }))
      .filter(({ trial }) => trial.headIdx !== null)
      .sort((a, b) => b.effect.meanKlBits - a.effect.meanKlBits);
  }

  /** Milliseconds that the trials to come will take at the pace so far; null before the first one is done. */
  get leftMs(): number | null {
    return this.pace.leftMs(this.requests, this.done, this.total);
  }

  stop(): void {
    this.requests.abort();
    this.isRunning = false;
  }

  /** Tries what was not tried yet. What was under way is left. */
  async run(trials: readonly Trial[], analysisId: number, nHeads: number, baseline: HeadBaseline): Promise<void> {
    this.stop();
    this.show(analysisId, baseline);
    this.requests = new AbortController();
    const { signal } = this.requests;
    const open = trials.filter(trial => !this.effects.has(nameOf(trial)));
    Object.assign(this, { isRunning: open.length > 0, failure: '', done: 0, total: open.length });
    this.pace.leftMs(this.requests, 0, open.length); // begins now
    this.onChange();
    try {
      for (const trial of open) {
        const effect = await this.host.request(
          'ablateHeads',
          { analysisId, heads: headsOf(trial, nHeads), baseline },
          signal,
        );
        if (signal.aborted) return;
        this.effects.set(nameOf(trial), effect);
        this.done++;
        this.pace.leftMs(this.requests, this.done, this.total);
        this.onChange();
      }
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') this.failure = message;
    } finally {
      if (!signal.aborted) {
        this.isRunning = false;
        this.onChange();
      }
    }
  }
}

function headsOf({ layerIdx, headIdx }: Trial, nHeads: number): HeadRef[] {
  if (headIdx !== null) return [{ layerIdx, headIdx }];
  return Array.from({ length: nHeads }, (_, each) => ({ layerIdx, headIdx: each }));
}

function nameOf({ layerIdx, headIdx }: Trial): string {
  return `${layerIdx}.${headIdx ?? '*'}`;
}

function trialOf(name: string): Trial {
  const [layer, head] = name.split('.');
  return { layerIdx: Number(layer), headIdx: head === '*' ? null : Number(head) };
}
