/** How fast a kept map goes from the inference process to the host, beside the same bytes sent by a bare process. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { shortestMs } from '../inference/runtime/timedRun';
import type { LayerOverview } from '../shared/analysis';
import type { AddLine } from './benchLines';

const nRepeats = 20;

/** Answers every message with as many bytes as it asks for, and does nothing else. */
const bareSender = `process.on('message', n => process.send(new Int8Array(n)));`;

/** @param fetch asks the inference process for a map that it has kept. */
export async function benchBytes(fetch: () => Promise<LayerOverview>, add: AddLine): Promise<void> {
  const { cells } = await fetch();
  const fetchMs = await shortestMs(nRepeats, fetch);
  const child = spawn(process.execPath, ['-e', bareSender], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
  });
  try {
    const bareMs = await shortestMs(nRepeats, async () => {
      child.send(cells.length);
      await once(child, 'message');
    });
    const what = `${Math.round(cells.length / 1000)} kB of a kept map from process to host`;
    add(what, fetchMs, 'ms', bareMs, 'the same bytes from a process that only sends');
  } finally {
    child.kill();
  }
}
