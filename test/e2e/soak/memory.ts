/** What the extension host and the inference process hold, at rest and after a garbage collection. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { workbench as program, root } from '../../../scripts/setup.mjs';
import type { Workbench } from '../harness/workbench';

export interface Memory {
  /** JavaScript objects and buffers of both processes, in MB. */
  readonly heapMb: number;
  /** Resident memory of both, in MB; holds what native libraries took, and code. */
  readonly residentMb: number;
  /** The resident memory of each, by what it runs. */
  readonly parts: string;
}

export const inferencePids = (workbench: Workbench): number[] => workbench.inferenceProcesses().map(({ pid }) => pid);

/**
 * Inference processes and the extension hosts that started them. The server keeps a host for hours when its window went
 * before it was connected: such a host runs nothing of ours.
 * @throws Error when a process cannot be asked, or there is none.
 */
export function measure(workbench: Workbench): Memory {
  const running = workbench.inferenceProcesses();
  if (running.length === 0) throw new Error('Cannot measure memory: no inference process runs');
  const hosts = [...new Set(running.map(({ parent }) => parent))].map(usageOf);
  const processes = running.map(({ pid }) => usageOf(pid));
  const all = [...hosts, ...processes];
  const sum = (of: (usage: NodeJS.MemoryUsage) => number) => all.reduce((total, usage) => total + of(usage), 0) / 1e6;
  const inMb = (usages: readonly NodeJS.MemoryUsage[]) =>
    usages.map(({ rss }) => `${Math.round(rss / 1e6)} MB`).join(' and ');
  return {
    heapMb: sum(({ heapUsed, external }) => heapUsed + external),
    residentMb: sum(({ rss }) => rss),
    parts: `extension host ${inMb(hosts)}, inference process ${inMb(processes)}`,
  };
}

function usageOf(pid: number): NodeJS.MemoryUsage {
  const script = join(root, 'test', 'e2e', 'soak', 'heap.mjs');
  const { stdout, stderr, status } = spawnSync(program.node, [script, String(pid)], { encoding: 'utf8' });
  if (status !== 0) {
    const reason = stderr.match(/^\w*Error: .*/m)?.[0] ?? stderr;
    throw new Error(`Cannot measure process ${pid}: ${reason}`);
  }
  return JSON.parse(stdout) as NodeJS.MemoryUsage;
}
