/** A model's runtime that outlives its execution provider: when a GPU fails in the middle of some work, the CPU goes on. */

import { Failure } from '../shared/failure';
import type { LayerRuntime } from './layerRuntime';
import type { ModelFolder } from './modelFolder';
import { ModelRuntime } from './modelRuntime';
import type { Emit } from './protocol';

/** Does some work with whichever runtime works. */
export type WithRuntime = <T>(work: (runtime: LayerRuntime) => Promise<T>) => Promise<T>;

export class LastingRuntime {
  constructor(
    private runtime: LayerRuntime,
    private readonly nThreads: number,
    private readonly emit: Emit,
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
    const { runtime } = this;
    try {
      return await work(runtime);
    } catch (error) {
      if (runtime.provider === 'cpu' || runtime.provider === 'remote' || !(error instanceof Failure)) throw error;
      const note = `The execution provider "${runtime.provider}" failed (${error.message}); the CPU goes on.`;
      this.runtime = new ModelRuntime(runtime.folder, 'cpu', this.nThreads);
      this.emit('provider', { provider: 'cpu', note });
      void runtime.release().catch(() => {});
      return work(this.runtime);
    }
  };

  release(): Promise<void> {
    return this.runtime.release();
  }
}
