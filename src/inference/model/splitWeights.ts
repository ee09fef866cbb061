/**
 * Weights of two bytes whose high and low bytes are stored apart, as packages have them: the high bytes alone compress
 * well, so that a zip archive becomes 8 % smaller. In a safetensors file they are two tensors of bytes, `NAME:F16:high`
 * and `NAME:F16:low` (or BF16), which no other reader can take for the weights themselves.
 */

import type { TensorEntry } from '../../shared/tools/safetensors';
import { regularFile } from './folderFiles';

/** A tensor to be put together: where its halves are in the file, and where it goes. */
interface SplitTensor {
  readonly high: TensorEntry;
  readonly low: TensorEntry;
  readonly start: number;
}

/** Tensors that exist in memory only, as if they lay in a file of their own. */
export interface JoinedTensors {
  /** Ranges are in what `read` gives. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Reads the halves and puts them together. */
  read(path: string): Promise<Uint8Array<ArrayBuffer>>;
}

const half = /^(.+):(F16|BF16):high$/;

/** What a file with these tensors holds in halves; null where it holds none. */
export function joinedTensors(stored: ReadonlyMap<string, TensorEntry>): JoinedTensors | null {
  const tensors = new Map<string, TensorEntry>();
  const parts: SplitTensor[] = [];
  let end = 0;
  for (const [key, high] of stored) {
    const [, name, dtype] = half.exec(key) ?? [];
    const low = stored.get(`${name}:${dtype}:low`);
    const isPair = high.dtype === 'U8' && low?.dtype === 'U8' && low.shape.join() === high.shape.join();
    if (name === undefined || dtype === undefined || !isPair) continue;
    const start = end;
    end += 2 * (high.end - high.start);
    tensors.set(name, { dtype, shape: high.shape, start, end });
    parts.push({ high, low, start });
  }
  return parts.length === 0 ? null : { tensors, read: path => readJoined(path, parts, end) };
}

async function readJoined(path: string, parts: readonly SplitTensor[], size: number): Promise<Uint8Array<ArrayBuffer>> {
  const joined = new Uint8Array(size);
  const file = await regularFile(path);
  try {
    for (const { high, low, start } of parts) {
      const length = high.end - high.start;
      const halves = [new Uint8Array(length), new Uint8Array(length)] as const;
      await file.read(halves[0], 0, length, low.start);
      await file.read(halves[1], 0, length, high.start);
      interleave(halves[0], halves[1], joined.subarray(start, start + 2 * length));
    }
  } finally {
    await file.close();
  }
  return joined;
}

function interleave(low: Uint8Array, high: Uint8Array, into: Uint8Array): void {
  for (let i = 0; i < low.length; i++) {
    into[2 * i] = low[i]!;
    into[2 * i + 1] = high[i]!;
  }
}
