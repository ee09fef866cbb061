/** Which engine serves which slot of the inference process: slots that ask for the same model share one. */

import { Cancelled, Failure } from '../shared/tools/failure';
import { Engine } from './engine';
import type { Emit, LoadArgs, Slot } from './protocol';

/** Ignored when a server runs the layers. */
const unusedLocalSettings = { modelDirectory: '', provider: 'auto', nThreads: 0 } as const;

interface Loaded {
  readonly key: string;
  readonly engine: Engine;
}

export class EngineSlots {
  private readonly slots = new Map<Slot, Loaded>();
  /** The last model requested for each slot. */
  private readonly requested = new Map<Slot, object>();

  constructor(private readonly emit: Emit) {}

  /**
   * Loads a model into a slot and lets go of the one that was there. Other slots keep their own.
   * @throws Cancelled if another model was requested for the slot meanwhile.
   */
  async load({
    modelDirectory,
    provider,
    nThreads,
    quantizedWeights,
    remote,
    slot = 'main',
  }: Omit<LoadArgs, 'protocolVersion'>): Promise<Engine> {
    const args = remote ? { ...unusedLocalSettings, remote } : { modelDirectory, provider, nThreads, quantizedWeights };
    const key = JSON.stringify(args);
    this.requested.set(slot, args);
    const shared = [...this.slots.values()].find(loaded => loaded.key === key);
    await this.clear(slot, shared?.engine);
    const loaded = shared ?? { key, engine: await Engine.load(args, this.emit) };
    if (this.requested.get(slot) !== args) {
      if (!this.isUsed(loaded.engine)) await loaded.engine.release();
      throw new Cancelled('Another model was chosen.');
    }
    this.slots.set(slot, loaded);
    return loaded.engine;
  }

  /** Lets go of a slot's model and runs; the model stays where another slot, or `keep`, still uses it. */
  async clear(slot: Slot, keep?: Engine): Promise<void> {
    const old = this.slots.get(slot)?.engine;
    this.slots.delete(slot);
    old?.forget(slot);
    if (old && old !== keep && !this.isUsed(old)) await old.release();
  }

  private isUsed(engine: Engine): boolean {
    return [...this.slots.values()].some(loaded => loaded.engine === engine);
  }

  /** @throws Failure when no model is loaded there. */
  of(slot: Slot = 'main'): Engine {
    const loaded = this.slots.get(slot);
    if (!loaded) throw new Failure('no-model', 'No model is loaded. Pick a model first.', ['selectModel']);
    return loaded.engine;
  }

  /** The engine that keeps a run; falls back to the main engine, which throws `no-analysis`. */
  holding(analysisId: number): Engine {
    return [...this.slots.values()].find(({ engine }) => engine.holds(analysisId))?.engine ?? this.of();
  }
}
