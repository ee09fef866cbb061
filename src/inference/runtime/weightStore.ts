/**
 * The weights of a model folder in memory, once for all sessions that use them: a session holds what it is fed with, and
 * what no session holds any more is forgotten.
 */

import { join } from 'node:path';
import type { FedWeight } from '../../graph/graphFile';
import { widenFloats } from '../../shared/tools/float16';
import type { ModelFolder } from '../model/folder';
import { readRange } from '../model/folderFiles';
import type { SharedWeight } from './session';

/** A stretch of a file that is in memory. */
interface Stretch {
  readonly stored: FedWeight['stored'];
  readonly offset: number;
  readonly end: number;
  /** Its values, as they are fed. */
  readonly buffer: WeakRef<ArrayBuffer>;
}

/**
 * The type that a stored weight is fed as. Without widening, a graph converts fp16 in every run, which costs little beside
 * its products; bf16 then stays in the file, which the runtime maps: it cannot be fed.
 */
export function fedType(stored: FedWeight['stored'], widens: boolean): SharedWeight['type'] | null {
  if (stored === 'bfloat16') return widens ? 'float32' : null;
  return stored === 'float16' && widens ? 'float32' : stored;
}

const bytesOf = { float32: 4, float16: 2, bfloat16: 2, uint8: 1, int8: 1 };

export class WeightStore {
  private readonly stretches = new Map<string, Stretch[]>();
  /** Loads come one after the other, so that none is done twice. */
  private last: Promise<unknown> = Promise.resolve();

  /** @param widens whether fp16 and bf16 become fp32. */
  constructor(
    private readonly folder: Pick<ModelFolder, 'weightFolder' | 'inMemory'>,
    readonly widens: boolean,
  ) {}

  /** @throws Failure if a file cannot be read or was cut since it was opened. */
  load(weights: readonly FedWeight[]): Promise<ReadonlyMap<string, SharedWeight>> {
    const loading = this.last.then(async () => {
      const loaded = new Map<string, SharedWeight>();
      for (const weight of weights) loaded.set(weight.name, await this.weight(weight));
      return loaded;
    });
    this.last = loading.catch(() => {});
    return loading;
  }

  private async weight({ stored, shape, file, offset, length }: FedWeight): Promise<SharedWeight> {
    const type = fedType(stored, this.widens) ?? 'float32';
    const { buffer, offset: first } =
      this.find(file, stored, offset, offset + length) ?? (await this.read(file, stored, offset, length));
    const grown = bytesOf[type] / bytesOf[stored];
    const [at, n] = [(offset - first) * grown, length / bytesOf[stored]];
    const views = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array, int8: Int8Array };
    return { type, data: new views[type](buffer, at, n), dims: shape };
  }

  /** What holds all of a range, as the embedding's table holds parts of the output head's. */
  private find(file: string, stored: FedWeight['stored'], start: number, end: number) {
    for (const stretch of this.stretches.get(file) ?? []) {
      const buffer = stretch.buffer.deref();
      const holds = stretch.stored === stored && stretch.offset <= start && stretch.end >= end;
      if (buffer && holds) return { buffer, offset: stretch.offset };
    }
    return undefined;
  }

  /** What exists in memory only and is fed as it is stays whole: parts of it come next. */
  private async read(file: string, stored: FedWeight['stored'], offset: number, length: number) {
    const inMemory = (await this.folder.inMemory(false, new Set([file]))).get(file);
    const isWidened = (this.widens && stored === 'float16') || stored === 'bfloat16';
    if (inMemory && !isWidened && inMemory.length === inMemory.buffer.byteLength) {
      return this.keep(file, { stored, offset: 0, end: inMemory.length }, inMemory.buffer);
    }
    const bytes = await ownBytes(this.folder, inMemory, { file, offset, length });
    const buffer = isWidened ? widenFloats(stored, bytes).buffer : bytes.buffer;
    return this.keep(file, { stored, offset, end: offset + length }, buffer);
  }

  private keep(file: string, place: Omit<Stretch, 'buffer'>, buffer: ArrayBuffer) {
    const kept = (this.stretches.get(file) ?? []).filter(stretch => stretch.buffer.deref());
    this.stretches.set(file, [...kept, { ...place, buffer: new WeakRef(buffer) }]);
    return { buffer, offset: place.offset };
  }
}

type Place = Pick<FedWeight, 'file' | 'offset' | 'length'>;

/** A range of a weight file, in a buffer of its own. */
export async function readStored(
  folder: Pick<ModelFolder, 'weightFolder' | 'inMemory'>,
  place: Place,
): Promise<Uint8Array<ArrayBuffer>> {
  return ownBytes(folder, (await folder.inMemory(false, new Set([place.file]))).get(place.file), place);
}

async function ownBytes(
  { weightFolder }: Pick<ModelFolder, 'weightFolder'>,
  inMemory: Uint8Array<ArrayBuffer> | undefined,
  { file, offset, length }: Place,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes =
    inMemory?.subarray(offset, offset + length) ?? (await readRange(join(weightFolder, file), offset, length));
  return bytes.byteOffset === 0 && bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}
