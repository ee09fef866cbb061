/** Tensors in the memory of a GPU: put there, fetched, and given back. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GraphBuilder } from '../../graph/graphBuilder';
import type { LocalProvider } from '../../shared/analysis';
import { cached } from './cached';
import { Resident, Session, type Value } from './session';

/** Growth that triggers a garbage collection: V8 sees only the small wrappers and would wait too long. */
const garbageBytes = 256 * 1024 * 1024;

/** Vectors joined by one operator: with its result as many buffers as every GPU binds at once. */
const maxJoined = 7;

export class GpuMemory {
  /** Of sessions whose results are to stay there. */
  readonly options: { readonly keepsOnGpu: boolean };
  private upload: Promise<Session> | undefined;
  private readonly downloads = new Map<string, Promise<Session>>();
  private readonly copies = new WeakMap<object, Promise<Resident>>();
  /**
   * Tensors in that memory, each held until its `Resident` is gone: freed by the garbage collector alone, it could outlive the
   * last session, and with that ends whatever the provider has in that memory.
   */
  private readonly tensors = new Set<Resident['tensor']>();
  private bytes = 0;
  /** Low-water mark since the last garbage collection. */
  private leastBytes = 0;
  private readonly collected = new FinalizationRegistry<Resident['tensor']>(tensor => this.dispose(tensor));

  /** @param provider where it has no memory of its own, everything is in that of the process. */
  constructor(private readonly provider: LocalProvider) {
    this.options = { keepsOnGpu: provider === 'webgpu' };
  }

  /** The tensor in the memory of the GPU; a copy serves as long as the value is there. @param value fp32. */
  resident(value: Value): Promise<Value> {
    if (value instanceof Resident || !this.options.keepsOnGpu) return Promise.resolve(value);
    const known = this.copies.get(value.data);
    const copy = known ?? this.put(value);
    if (!known) {
      this.copies.set(value.data, copy);
      copy.catch(() => this.copies.delete(value.data));
    }
    return copy.then(resident => resident.as(value.dims));
  }

  /** The tensor in the memory of the process. Waits for whatever the GPU has been given to do. */
  async fetch(value: Value): Promise<Value> {
    if (!(value instanceof Resident)) return value;
    const { type, dims } = value;
    const session = await cached(this.downloads, type, () => this.copySession(type, false));
    const { y } = await session.run({ x: value.as([sizeOf(value)]) });
    return { type, data: y!.data, dims };
  }

  /**
   * Fetches vectors at once and gives their memory back: to wait for the GPU takes longer than to join them there.
   * @param values int32 or fp32
   */
  async takeAll(values: readonly Value[]): Promise<readonly (Int32Array | Float32Array)[]> {
    if (values.length === 0 || !values.every(value => value instanceof Resident)) {
      return values.map(({ data }) => data as Int32Array | Float32Array);
    }
    let parts: readonly Resident[] = values;
    while (parts.length > maxJoined) {
      const joined: Resident[] = [];
      for (let i = 0; i < parts.length; i += maxJoined) {
        const group = parts.slice(i, i + maxJoined);
        joined.push(this.hold((await this.join(group, true)) as Resident));
        for (const part of group) this.free(part);
      }
      parts = joined;
    }
    const { buffer, byteOffset } = (await this.join(parts, false)).data;
    for (const part of parts) this.free(part);
    let next = byteOffset;
    return values.map(value => {
      const [start, size] = [next, sizeOf(value)];
      next += 4 * size;
      return value.type === 'int32' ? new Int32Array(buffer, start, size) : new Float32Array(buffer, start, size);
    });
  }

  /** Looks after what a session gave. */
  hold<T extends Value>(value: T): T {
    if (value instanceof Resident) {
      this.tensors.add(value.tensor);
      this.collected.register(value, value.tensor, value);
      this.bytes += bytesOf(value.tensor);
      if (this.bytes > this.leastBytes + garbageBytes) {
        collectGarbage();
        this.leastBytes = this.bytes; // less as soon as what was found is given back
      }
    }
    return value;
  }

  /** Gives memory back now that nothing needs it. */
  free(value: Value): void {
    if (!(value instanceof Resident) || value.owner) return;
    this.collected.unregister(value);
    this.dispose(value.tensor);
  }

  /** Everything there is gone. */
  async release(): Promise<void> {
    for (const tensor of this.tensors) this.dispose(tensor);
    const sessions = await Promise.allSettled([this.upload, ...this.downloads.values()]);
    for (const session of sessions) if (session.status === 'fulfilled') await session.value?.release();
  }

  private async put({ data }: Value): Promise<Resident> {
    this.upload ??= this.copySession('float32', true);
    const { y } = await (await this.upload).run({ x: { type: 'float32', data, dims: [data.length] } });
    return this.hold(y as Resident);
  }

  private copySession(type: Resident['type'], keepsOnGpu: boolean): Promise<Session> {
    const g = new GraphBuilder('copy');
    g.output('y', g.input('x', type, ['N']), type, ['N']);
    return Session.create(g.build(), { provider: this.provider, keepsOnGpu });
  }

  /** One vector, int32, whatever the parts are. */
  private async join(parts: readonly Resident[], keepsOnGpu: boolean): Promise<Value> {
    const session = await cached(this.downloads, `${parts.length} ${keepsOnGpu}`, () => {
      const g = new GraphBuilder('join');
      const inputs = parts.map((_, i) => g.input(`x${i}`, 'int32', [`N${i}`]));
      g.output('y', g.op('Concat', inputs, { axis: 0 }), 'int32', ['L']);
      return Session.create(g.build(), { provider: this.provider, keepsOnGpu });
    });
    const feeds = parts.map((part, i) => [`x${i}`, part.as([sizeOf(part)], 'int32')]);
    return (await session.run(Object.fromEntries(feeds)))['y']!;
  }

  private dispose(tensor: Resident['tensor']): void {
    if (!this.tensors.delete(tensor)) return;
    this.bytes -= bytesOf(tensor);
    this.leastBytes = Math.min(this.leastBytes, this.bytes);
    tensor.dispose();
  }
}

const sizeOf = ({ dims }: { readonly dims: readonly number[] }) => dims.reduce((product, n) => product * n, 1);

const bytesOf = (tensor: Resident['tensor']) => (tensor.type === 'float16' ? 2 : 4) * sizeOf(tensor);

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
