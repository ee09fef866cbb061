/** What a parser may do with any input at all: fail in its own words, within a second, without taking much memory. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { createContext, runInNewContext, Script } from 'node:vm';
import { Failure } from '../../src/shared/failure';

export const maxMs = 1000;
/** Memory per byte of input, over what the smallest input may take: a model of 1024 layers is described in 100 bytes. */
export const maxBytesPerByte = 10;
export const floorBytes = 12 << 20;

export interface Measured {
  readonly ms: number;
  /** Allocated while it ran and not collected: an upper bound of what it needed at once. */
  readonly bytes: number;
  readonly isRefused: boolean;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const used = () => {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
};

// A script can be stopped by time, even inside a regular expression; a plain call cannot.
const context = createContext({ run: () => {} });
const script = new Script('run()');

/**
 * Runs a parser on an input.
 * @param run throws Failure for what it refuses, or RangeError where `refusesByRange`.
 * @throws Error for any other error, a hang, or too much memory.
 */
export async function withinLimits(
  run: () => void | Promise<void>,
  inputBytes: number,
  refusesByRange = false,
): Promise<Measured> {
  const before = used();
  const start = process.cpuUsage();
  let isRefused = false;
  let later: unknown;
  context['run'] = () => {
    later = run();
  };
  try {
    script.runInContext(context, { timeout: 10 * maxMs });
    if (later instanceof Promise) await later;
  } catch (error) {
    const isOwn = error instanceof Failure || (refusesByRange && error instanceof RangeError);
    if (!isOwn) throw new Error(`it fails with ${String(error)}`, { cause: error });
    if (/\bundefined\b|\[object/.test(error.message.replace(/"(\\.|[^"])*"|\(.*\)/gs, ''))) {
      throw new Error(`it does not say what is wrong: ${error.message.slice(0, 300)}`);
    }
    isRefused = true;
  }
  // Of the processor: other work on the machine must not count.
  const { user, system } = process.cpuUsage(start);
  const ms = (user + system) / 1000;
  if (ms > maxMs) throw new Error(`it takes ${ms.toFixed(0)} ms`);
  let bytes = used() - before;
  const allowed = floorBytes + maxBytesPerByte * inputBytes;
  // Garbage that nobody has collected yet is no need; what stays after a collection is.
  if (bytes > allowed) {
    collectGarbage();
    bytes = used() - before;
  }
  if (bytes > allowed) throw new Error(`it takes ${bytes} bytes for ${inputBytes}, allowed are ${allowed}`);
  return { ms, bytes, isRefused };
}
