/** Starts the inference process in plain Node, as the extension, its tests and its benchmark have it. */

import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import type { InferenceProcess } from './client';

/**
 * glibc raises the size from which it gives freed memory back at once with every large block freed, up to 32 MB, and
 * then keeps what maps of earlier analyses took. A fixed one costs no time that could be measured from 16 MB; one of 1 MB
 * costs 4 %, one of 128 KB 6 % or more. With one heap for all threads, those of sessions do not keep what they freed.
 */
const memoryReturned = { MALLOC_MMAP_THRESHOLD_: String(16 << 20), MALLOC_ARENA_MAX: '1' };
/**
 * Beside packed weights, which are few megabytes a layer, a tenth of the memory would be holes between them. With
 * SmolLM2-135M Q4_1 this costs 1 to 5 % of the processor time of a run of 16 tokens, and of 512 nothing that could be
 * measured, where the process peaks at 485 in place of 520 MB.
 */
const packedMemoryReturned = { ...memoryReturned, MALLOC_MMAP_THRESHOLD_: String(2 << 20) };

/** MB of each half of V8's youngest generation, which grows to three times 16 while a file's tokenizer is read. */
const youngGeneration = '--max-semi-space-size=4';

/** Lets the engine collect what a run leaves: buffers of megabytes, of which V8 counts small objects. */
const collectsByCall = '--expose-gc';

/** The process in plain Node, as `startProcess` and the benchmark start it. @param isPacked its weights stay packed. */
export function forkInference(path: string, stdio: StdioOptions, isPacked = false): ChildProcess {
  return fork(path, {
    serialization: 'advanced',
    stdio,
    execArgv: [youngGeneration, collectsByCall],
    env: { ...(isPacked ? packedMemoryReturned : memoryReturned), ...process.env },
  });
}

/**
 * @param path of the built process.
 * @param log hears when it starts and ends, and what it writes, since native libraries complain there.
 * @param isPacked see `forkInference`.
 */
export function startProcess(path: string, log: Pick<Console, 'debug' | 'info'>, isPacked = false): InferenceProcess {
  const child = forkInference(path, ['ignore', 'pipe', 'pipe', 'ipc'], isPacked);
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
