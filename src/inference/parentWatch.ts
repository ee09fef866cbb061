/**
 * Ends a process with its parent, whatever its threads are doing. A thread of its own asks every second whether the parent is
 * still there: the main thread may be inside ONNX Runtime for hours, and `process.exit` waits for a blocked read.
 */

import { Worker } from 'node:worker_threads';

const intervalMs = 1000;

/** Runs in the thread. Another parent: ours ended (Linux, macOS). Windows keeps the number, which then names no process. */
const watch = (parent: number) => `
setInterval(() => {
  try {
    process.kill(${parent}, 0);
    if (process.ppid === ${parent}) return;
  } catch (error) {
    if (error.code === 'EPERM') return;
  }
  process.kill(process.pid, 'SIGKILL');
}, ${intervalMs});
`;

export function endWithParent(): void {
  const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 };
  const thread = new Worker(watch(process.ppid), { eval: true, execArgv: [], resourceLimits: limits });
  thread.unref();
  // Where no thread can be started, the end of the channel still ends the process unless its main thread is blocked.
  thread.on('error', error => console.error(`cannot watch the parent process: ${error.message}`));
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
}
