/** The matrices of a model in the memory of a GPU: each once, whatever sessions use it, as small as the files have it. */

import { GraphBuilder } from '../../graph/graphBuilder';
import { addForm, type FedForm, feedForms, inputOf, type WeightForm, weightForms } from '../../graph/weightForms';
import type { LocalProvider } from '../../shared/analysis';
import { narrowFloats, widenFloats } from '../../shared/tools/float16';
import type { ModelFolder } from '../model/folder';
import { maxKeptBytes } from './bands';
import { cached } from './cached';
import type { GpuMemory } from './gpuMemory';
import { Session, type SharedWeight, type Value } from './session';
import { readStored } from './weightStore';

/** A matrix as it is uploaded. */
interface Upload {
  readonly type: FedForm['type'];
  readonly data: SharedWeight['data'];
}

interface Kept extends FedForm {
  readonly value: Value;
}

export class GpuWeights {
  /** By where a matrix is stored and how it is laid out. */
  private readonly kept = new Map<string, Promise<Kept>>();
  /** By type and steps. */
  private readonly layouts = new Map<string, Promise<Session>>();
  private halves: Promise<boolean> | undefined;

  constructor(
    private readonly folder: Pick<ModelFolder, 'weightFolder' | 'inMemory'>,
    private readonly provider: LocalProvider,
    private readonly memory: GpuMemory,
    /** Of a matrix that a run widens at once. */
    private readonly maxWidenedBytes = maxKeptBytes,
  ) {}

  /**
   * Makes inputs of the matrices of a graph.
   * @returns it, and what to feed it with, by input.
   * @throws Failure if a file of the folder cannot be read, or memory runs out.
   */
  async feed(built: Uint8Array): Promise<{ readonly graph: Uint8Array; readonly fed: ReadonlyMap<string, Value> }> {
    const forms = new Map<string, Kept>();
    for (const form of weightForms(built)) {
      const { stored, file, offset, length, shape, steps } = form;
      const key = JSON.stringify([stored, file, offset, length, shape, steps]);
      forms.set(form.name, await cached(this.kept, key, () => this.load(form)));
    }
    const fed = new Map(Array.from(forms, ([name, { type, value }]) => [inputOf(name, type), value]));
    return { graph: feedForms(built, forms, this.maxWidenedBytes), fed };
  }

  async release(): Promise<void> {
    for (const session of await Promise.allSettled(this.layouts.values())) {
      if (session.status === 'fulfilled') await session.value.release();
    }
  }

  private async load(form: WeightForm): Promise<Kept> {
    const { type, data } = await this.uploadOf(form);
    const session = await cached(this.layouts, JSON.stringify([type, form.steps]), () => this.layout(type, form));
    const { form: value } = await session.run({ stored: { type, data, dims: form.shape } });
    return { type, dims: value!.dims, value: this.memory.hold(value!) };
  }

  /** As fp16 where the files have no more digits and the GPU computes with such numbers. */
  private async uploadOf({ stored, ...place }: WeightForm): Promise<Upload> {
    const bytes = await readStored(this.folder, place);
    if (stored === 'bfloat16' || stored === 'float16') {
      this.halves ??= this.computesWithHalves();
      const isNarrow = await this.halves;
      const data = !isNarrow ? null : stored === 'bfloat16' ? narrowFloats(bytes) : new Uint16Array(bytes.buffer);
      return data ? { type: 'float16', data } : { type: 'float32', data: widenFloats(stored, bytes) };
    }
    return { type: 'float32', data: new Float32Array(bytes.buffer) };
  }

  private layout(type: Upload['type'], { shape, steps }: WeightForm): Promise<Session> {
    const g = new GraphBuilder('layout');
    const axes = (prefix: string, rank: number) => Array.from({ length: rank }, (_, axis) => `${prefix}${axis}`);
    const value = addForm(g, g.input('stored', type, axes('s', shape.length)), steps);
    const reshape = steps.findLast(({ opType }) => opType === 'Reshape');
    g.output('form', value, type, axes('f', reshape?.constants[0]?.length ?? shape.length));
    return Session.create(g.build(), { provider: this.provider, ...this.memory.options });
  }

  /** A driver may compute with fp32 only, which shows in the first run. */
  private async computesWithHalves(): Promise<boolean> {
    const g = new GraphBuilder('halves');
    g.output('y', g.cast(g.input('x', 'float16', ['N']), 'float32'), 'float32', ['N']);
    const session = await Session.create(g.build(), { provider: this.provider });
    try {
      const { y } = await session.run({ x: { type: 'float16', data: Uint16Array.of(0x3c00), dims: [1] } });
      return y!.data[0] === 1;
    } catch {
      return false;
    } finally {
      await session.release();
    }
  }
}
