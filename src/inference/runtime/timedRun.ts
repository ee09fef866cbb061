/** How long a graph takes once it is warm: the shortest of some runs, which other work on the machine disturbs least. */

import { Session, type SessionOptions, type Values } from './session';

/** @returns the shortest of `nRepeats` times, in milliseconds. */
export async function shortestMs(nRepeats: number, work: () => Promise<unknown>): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < nRepeats; i++) {
    const start = performance.now();
    await work();
    shortest = Math.min(shortest, performance.now() - start);
  }
  return shortest;
}

/**
 * Runs a graph once and then `nRepeats` times against the clock.
 * @param graph with one output, fp32.
 */
export async function timedRun(
  graph: Uint8Array,
  feeds: Values,
  options: SessionOptions,
  nRepeats: number,
): Promise<{ readonly durationMs: number; readonly output: Float32Array }> {
  const session = await Session.create(graph, options);
  try {
    const run = async () => Object.values(await session.run(feeds))[0]!.data as Float32Array;
    const output = await run();
    return { output, durationMs: await shortestMs(nRepeats, run) };
  } finally {
    await session.release();
  }
}
