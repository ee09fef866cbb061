/** Stops work that takes too much, even inside a regular expression of a model's files. */

import { readFileSync } from 'node:fs';
import { type Context, createContext, Script } from 'node:vm';
import { Failure } from '../../shared/tools/failure';

const script = new Script('run()');
let context: Context | undefined;

/** A busy machine may give the work a small share of its time only; beyond, its clock is not to be trusted. */
const longestWait = 64;

/**
 * Runs synchronous work that has no effect but its result: where a busy machine gave it too little time, it is run again.
 * The limit is of the processor time of this thread, so it says the same on every machine. V8 can only end a script by the
 * clock, so a longer time by the clock is tried until the limit was used up.
 * @param what could not be done then, as a sentence begins.
 * @throws Failure `too-slow` after `maxMs` of processor time, `busy` without them; whatever `work` throws.
 */
export function withinTime<T>(
  maxMs: number,
  what: string,
  work: () => T,
  processorMs: () => number = threadProcessorMs,
): T {
  for (let factor = 2; factor <= longestWait; factor *= 2) {
    const start = processorMs();
    const answer = runFor(factor * maxMs, work);
    if (answer) return answer.value;
    if (processorMs() - start >= maxMs) {
      throw new Failure(
        'too-slow',
        `${what}: it takes longer than ${Math.ceil(maxMs)} ms of processor time. Pick another model.`,
        ['selectModel', 'retry'],
      );
    }
  }
  throw new Failure('busy', `${what}: the machine is too busy. Try again in a moment.`, ['retry']);
}

/** @returns undefined where the work did not end in time. */
function runFor<T>(clockMs: number, work: () => T): { readonly value: T } | undefined {
  context ??= createContext();
  let answer: { readonly value: T } | undefined;
  const outer = context['run'];
  context['run'] = () => {
    answer = { value: work() };
  };
  try {
    script.runInContext(context, { timeout: Math.ceil(clockMs) });
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return undefined;
  } finally {
    context['run'] = outer;
  }
  return answer;
}

/** Processor time of this thread. Where the system has no way to ask for it, that of the process, which is never less. */
function threadProcessorMs(): number {
  try {
    // Nanoseconds on a processor, as Linux counts them; read by the thread itself.
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
}
