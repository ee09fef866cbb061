/** Starts the inference process in plain Node, as the extension, its tests and its benchmark have it. */

import { fork } from 'node:child_process';
import type { InferenceProcess } from './client';

/**
 * glibc raises the size from which it gives freed memory back at once with every large block freed, up to 32 MB, and
 * then keeps what maps of earlier analyses took. A fixed one costs no time that could be measured from 16 MB.
 */
const memoryReturned = { MALLOC_MMAP_THRESHOLD_: String(16 << 20) };

/**
 * @param path of the built process.
 * @param log hears when it starts and ends, and what it writes, since native libraries complain there.
 */
export function startProcess(path: string, log: Pick<Console, 'debug' | 'info'>): InferenceProcess {
  const child = fork(path, {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
    env: { ...memoryReturned, ...process.env },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => log.debug(`inference process: ${chunk.toString().trimEnd()}`));
  }
  log.info(`inference process ${child.pid} started`);
  let isStopped = false;
  return {
    pid: child.pid,
    send: message => child.connected && child.send(message as object),
    onMessage: listener => child.on('message', listener),
    onExit: listener => {
      child.on('exit', (code, signal) => {
        log.info(`inference process ${child.pid} ended: ${isStopped ? 'it was stopped' : (signal ?? code)}`);
        listener(signal ? `signal ${signal}` : `exit code ${code}`);
      });
      child.on('error', error => listener(error.message));
    },
    kill: () => {
      isStopped = true;
      child.kill('SIGKILL');
    },
  };
}
