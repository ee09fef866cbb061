/**
 * `auto` tries what the platform offers, trusts none before its result equals the CPU's, and keeps the fastest: GPUs are
 * not always faster at small sizes, one known kernel is wrong, and some drivers compute in software.
 */

import { relativeDifference } from './relativeDifference';

export interface Probed {
  readonly output: Float32Array;
  /** Of one layer, warm. */
  readonly durationMs: number;
}

/** A model on one provider. */
export interface Candidate {
  /** Runs a layer on so many tokens, or as many as the model takes. @throws Error where the provider cannot be used. */
  probe(nTokens: number): Promise<Probed>;
  release(): Promise<void>;
}

/** Largest accepted difference from the CPU, relative to the largest magnitude; ten times what fp16 weights cost. */
export const maxDifference = 1e-3;
/** Tokens that a provider is judged by. */
export const fullProbe = 256;
/** Tokens that distinguish a GPU from a driver in software, which may take a minute and more for the full probe. */
export const quickProbe = 16;
/** What a GPU may take for the quick probe whatever the CPU takes: most of it is starting the work and waiting for it. */
const gpuMs = 100;
/** Times slower at few tokens than the CPU: more than a GPU can make up for at many. */
const hopelessRatio = 10;

/**
 * @param providers other than the CPU, in the order in which they are tried.
 * @param reasons added to the note if the CPU is chosen.
 * @returns the only candidate that is not released, and one sentence why.
 */
export async function fastestProvider<Provider extends string, Chosen extends Candidate>(
  cpu: Chosen,
  providers: readonly Provider[],
  open: (provider: Provider) => Chosen,
  reasons: readonly string[] = [],
): Promise<{ readonly chosen: Chosen; readonly note: string }> {
  const all = [...reasons];
  let best = { chosen: cpu, note: '', durationMs: Number.POSITIVE_INFINITY };
  // On demand: where no other provider can be used, there is nothing to compare.
  const probes = new Map<number, Promise<Probed>>();
  const probeCpu = (nTokens: number) => {
    const probe = probes.get(nTokens) ?? cpu.probe(nTokens);
    probes.set(nTokens, probe);
    return probe;
  };
  for (const provider of providers) {
    const candidate = open(provider);
    const { durationMs, reason } = await judge(candidate, probeCpu);
    if (durationMs < best.durationMs) {
      if (best.chosen !== cpu) await best.chosen.release();
      best = { chosen: candidate, note: `${provider}: ${reason}.`, durationMs };
    } else {
      all.push(`${provider} ${reason}`);
      await candidate.release();
    }
  }
  if (best.chosen !== cpu) await cpu.release();
  return { chosen: best.chosen, note: best.note || `CPU: ${all.join('; ')}.` };
}

/** @returns Infinity where the CPU is the better choice. */
async function judge(
  candidate: Candidate,
  probeCpu: (nTokens: number) => Promise<Probed>,
): Promise<{ readonly durationMs: number; readonly reason: string }> {
  const never = (reason: string) => ({ durationMs: Number.POSITIVE_INFINITY, reason });
  const cannot = (error: Error) => never(`cannot be used (${error.cause ?? error.message})`);
  const quick = await candidate.probe(quickProbe).catch(cannot);
  if ('reason' in quick) return quick;
  if (quick.durationMs > gpuMs) {
    const cpu = await probeCpu(quickProbe);
    if (quick.durationMs > hopelessRatio * cpu.durationMs) {
      return never(`is far slower (${timing(quick, cpu)}, at ${quickProbe} tokens)`);
    }
  }
  const full = await candidate.probe(fullProbe).catch(cannot);
  if ('reason' in full) return full;
  const cpu = await probeCpu(fullProbe);
  const difference = relativeDifference(full.output, cpu.output);
  // Not ">": NaN is not a result either.
  if (!(difference <= maxDifference)) {
    return never(`gives other results than the CPU (difference ${difference.toExponential(1)})`);
  }
  const reason = timing(full, cpu);
  return full.durationMs < cpu.durationMs
    ? { durationMs: full.durationMs, reason }
    : never(`is not faster (${reason})`);
}

const timing = (probed: Probed, cpu: Probed) =>
  `${probed.durationMs.toFixed(0)} ms a layer, CPU ${cpu.durationMs.toFixed(0)} ms`;
