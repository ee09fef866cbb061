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

const isInference = (command: string) => command.includes('inference.cjs');
const isHost = (command: string) => command.includes('--type=extensionHost');

export const inferencePids = (workbench: Workbench): number[] =>
  workbench
    .processes()
    .filter(({ command }) => isInference(command))
    .map(({ pid }) => pid);

export function measure(workbench: Workbench): Memory {
  const pids = workbench.processes().filter(({ command }) => isHost(command) || isInference(command));
  const all = pids.map(({ pid }) => usageOf(pid));
  const sum = (of: (usage: NodeJS.MemoryUsage) => number) => all.reduce((total, usage) => total + of(usage), 0) / 1e6;
  return { heapMb: sum(({ heapUsed, external }) => heapUsed + external), residentMb: sum(({ rss }) => rss) };
}

function usageOf(pid: number): NodeJS.MemoryUsage {
  const script = join(root, 'test', 'e2e', 'soak', 'heap.mjs');
  const { stdout, stderr, status } = spawnSync(program.node, [script, String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot measure process ${pid}: ${stderr}`);
  return JSON.parse(stdout) as NodeJS.MemoryUsage;
}
