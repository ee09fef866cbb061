/** A model's runtime that outlives its execution provider: when a GPU fails in the middle of some work, the CPU goes on. */

import { Failure } from '../../shared/tools/failure';
import type { ModelFolder } from '../model/folder';
import type { Emit } from '../protocol';
import type { LayerRuntime } from './layerRuntime';
import { ModelRuntime } from './modelRuntime';

/** Does some work with whichever runtime works. */
export type WithRuntime = <T>(work: (runtime: LayerRuntime) => Promise<T>) => Promise<T>;

export class LastingRuntime {
  private restored: Promise<void> = Promise.resolve();

  /** @param restore computes on the new runtime what is kept of runs: what lay in a GPU's memory is lost with it. */
  constructor(
    private runtime: LayerRuntime,
    private readonly nThreads: number,
    private readonly emit: Emit,
    private readonly restore: (runtime: LayerRuntime) => Promise<void>,
  ) {}

  /** The runtime as it is now. */
  get current(): LayerRuntime {
    return this.runtime;
  }

  get folder(): ModelFolder {
    return this.runtime.folder;
  }

  /** Does the work, and does it again on the CPU, used from then on, when the provider fails (a GPU that vanished). */
  readonly use: WithRuntime = async work => {
    await this.restored;
    const { runtime } = this;
    try {
      return await work(runtime);
    } catch (error) {
      if (runtime.provider === 'cpu' || runtime.provider === 'remote' || !(error instanceof Failure)) throw error;
      if (this.runtime === runtime) this.goOnWithCpu(runtime, error.message);
      await this.restored;
      return work(this.runtime);
    }
  };

  release(): Promise<void> {
    return this.runtime.release();
  }

  private goOnWithCpu(failed: LayerRuntime, reason: string): void {
    const note = `The execution provider "${failed.provider}" failed (${reason}); the CPU goes on.`;
    this.runtime = new ModelRuntime(failed.folder, 'cpu', this.nThreads);
    this.emit('provider', { provider: 'cpu', note });
    this.restored = this.restore(this.runtime).finally(() => void failed.release().catch(() => {}));
  }
}
