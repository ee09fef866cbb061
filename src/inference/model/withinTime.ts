/** Stops work that takes too long, even inside a regular expression that a model's files brought along. */

import { type Context, createContext, Script } from 'node:vm';
import { Failure } from '../../shared/tools/failure';

const script = new Script('run()');
let context: Context | undefined;

/**
 * Runs synchronous work. V8 ends a script after a time wherever it is; a plain call cannot be ended.
 * @param what could not be done then, as a sentence begins.
 * @throws Failure `too-slow` after `maxMs`; whatever `work` throws.
 */
export function withinTime<T>(maxMs: number, what: string, work: () => T): T {
  context ??= createContext();
  let answer: { readonly value: T } | undefined;
  const outer = context['run'];
  context['run'] = () => {
    answer = { value: work() };
  };
  try {
    script.runInContext(context, { timeout: Math.ceil(maxMs) });
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new Failure('too-slow', `${what}: it takes longer than ${Math.ceil(maxMs)} ms. Pick another model.`, [
      'selectModel',
      'retry',
    ]);
  } finally {
    context['run'] = outer;
  }
  return answer!.value;
}
