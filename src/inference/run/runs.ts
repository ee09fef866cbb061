/** The runs that an engine keeps: the newest of each slot, the newest with changed kernels, the newest of an experiment. */

import { Failure } from '../../shared/tools/failure';
import type { Slot } from '../protocol';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { type Run, restoreRun } from './run';

export class Runs {
  private readonly runs = new Map<Slot | 'ablated' | 'changed', Run>();

  /** Keeps a run in place of the slot's last one. An ablated run goes with the main one it departs from. */
  keep(slot: Slot, run: Run): void {
    this.forget(slot);
    this.runs.set(slot, run);
  }

  keepAblated(run: Run): void {
    this.runs.set('ablated', run);
  }

  /** Keeps a run of an experiment, until the next one. It goes with the main one. */
  keepChanged(run: Run): void {
    this.runs.set('changed', run);
  }

  /** The newest run of a slot. */
  of(slot: Slot): Run | undefined {
    return this.runs.get(slot);
  }

  forget(slot: Slot): void {
    this.runs.delete(slot);
    if (slot === 'main') this.forgetChanged();
  }

  holds(analysisId: number): boolean {
    return this.find(analysisId) !== undefined;
  }

  /** A run that has come as far as a layer's result. @throws Failure `no-analysis` */
  withLayer(analysisId: number, layerIdx: number): Run {
    const run = this.find(analysisId);
    if (run && layerIdx < run.layers.length) return run;
    throw new Failure(
      'no-analysis',
      'Cannot show these maps: they belong to an older run. Inspect the document again.',
      ['retry'],
    );
  }

  /** A run whose last layer is done. @throws Failure `no-analysis` */
  finished(analysisId: number): Run {
    const run = this.find(analysisId);
    if (!run) return this.withLayer(analysisId, 0);
    if (run.output) return run;
    throw new Failure('no-analysis', 'The analysis is not done yet. Try again when its last layer is there.', [
      'retry',
    ]);
  }

  /**
   * See `restoreRun`. Runs with something changed go, since they do not come from their tokens alone, and so does one that
   * fails: those that request it get `no-analysis`.
   */
  async restore(runtime: LayerRuntime): Promise<void> {
    this.forgetChanged();
    for (const [slot, run] of this.runs) await restoreRun(runtime, run).catch(() => this.runs.delete(slot));
  }

  private forgetChanged(): void {
    this.runs.delete('ablated');
    this.runs.delete('changed');
  }

  private find(analysisId: number): Run | undefined {
    return [...this.runs.values()].find(run => run.analysisId === analysisId);
  }
}
