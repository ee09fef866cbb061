/** What a parser may do with any input at all: fail in its own words, within a second, without taking much memory. */

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { createContext, runInNewContext, Script } from 'node:vm';
import { Failure } from '../../src/shared/tools/failure';
import type { Target } from './target';

export const maxMs = 1000;
/** By the clock, for many inputs: only hangs take as long, also where other work has the processor. */
const hangMs = 120_000;
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
 * Runs a target on inputs, one after another. The clock that ends a hang runs for all of them at once, and for each anew
 * where they are waited for: starting it takes longer than most inputs do.
 * @throws Error for any other error than those the target refuses by, a hang, or too much memory.
 */
export async function withinLimits<Input>(
  target: Target<Input>,
  inputs: readonly Input[],
  onMeasured: (measured: Measured) => void,
): Promise<void> {
  let next = 0;
  let waiting: { readonly run: Promise<void>; readonly end: (error?: unknown) => Measured } | undefined;
  context['run'] = () => {
    while (next < inputs.length && !waiting) {
      const input = inputs[next++]!;
      const end = startMeasuring(target.sizeOf(input), target.refusesByRange);
      let refusal: unknown;
      try {
        const run = target.run(input);
        if (run instanceof Promise) waiting = { run, end };
      } catch (error) {
        refusal = error;
      }
      if (!waiting) onMeasured(end(refusal));
    }
  };
  while (next < inputs.length) {
    script.runInContext(context, { timeout: hangMs });
    if (!waiting) continue;
    const { run, end } = waiting;
    waiting = undefined;
    onMeasured(end(await run.catch((error: unknown) => error)));
  }
}

function startMeasuring(inputBytes: number, refusesByRange = false): (error?: unknown) => Measured {
  const before = used();
  const start = process.cpuUsage();
  return error => {
    if (error !== undefined) checkRefusal(error, refusesByRange);
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
    return { ms, bytes, isRefused: error !== undefined };
  };
}

/** @throws Error unless the error is one of the target's own words. */
function checkRefusal(error: unknown, refusesByRange: boolean): void {
  const isOwn = error instanceof Failure || (refusesByRange && error instanceof RangeError);
  if (!isOwn) throw new Error(`it fails with ${String(error)}`, { cause: error });
  if (/\bundefined\b|\[object/.test(error.message.replace(/"(\\.|[^"])*"|\(.*\)/gs, ''))) {
    throw new Error(`it does not say what is wrong: ${error.message.slice(0, 300)}`);
  }
}
