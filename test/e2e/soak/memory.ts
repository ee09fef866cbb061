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
}

const inference = (workbench: Workbench) =>
  workbench.processes().filter(({ command }) => command.includes('inference.cjs'));

export const inferencePids = (workbench: Workbench): number[] => inference(workbench).map(({ pid }) => pid);

/**
 * Inference processes and the extension hosts that started them. The server keeps a host for hours when its window went
 * before it was connected: such a host runs nothing of ours.
 * @throws Error when a process cannot be asked, or there is none.
 */
export function measure(workbench: Workbench): Memory {
  const pids = new Set(inference(workbench).flatMap(({ pid, parent }) => [parent, pid]));
  if (pids.size === 0) throw new Error('Cannot measure memory: no inference process runs');
  const all = [...pids].map(usageOf);
  const sum = (of: (usage: NodeJS.MemoryUsage) => number) => all.reduce((total, usage) => total + of(usage), 0) / 1e6;
  return { heapMb: sum(({ heapUsed, external }) => heapUsed + external), residentMb: sum(({ rss }) => rss) };
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
