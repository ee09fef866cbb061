/**
 * `npm run soak -- [--actions 2000] [--minutes 30] [--seed N]`: random actions and faults in a real workbench. After each
 * of them the next inspection has to work; at the end memory, processes and logs are looked at.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from '../../../scripts/package.mjs';
import { ensureChromium, ensureWorkbench } from '../../../scripts/setup.mjs';
import { root } from '../../fixtures/paths';
import { Random } from '../../random';
import { startWorkbench } from '../harness/workbench';
import { actions, inspectAgain, sample, secret } from './actions';

const { values } = parseArgs({
  options: {
    actions: { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
  },
});
const random = new Random(Number(values.seed));
const end = Date.now() + Number(values.minutes) * 60_000;
/** The first actions fill caches; memory counts from here. */
const nWarmUp = 10;
/** Crashes that the restart policy forgives within its three minutes, less one. */
const maxCrashes = 4;
const crashWindowMs = 180_000;

ensureChromium();
ensureWorkbench();
packageExtension();
const folder = mkdtempSync(join(tmpdir(), 'mta-soak-'));
cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
cpSync(join(root, 'README.md'), join(folder, 'other.md'));
const before = readFileSync(join(folder, sample));
const workbench = await startWorkbench({ folder });
const problems: string[] = [];
const counts = new Map<string, number>();
const crashes: number[] = [];
let memoryAtStart = 0;
let slowestMs = 0;

/** Resident memory of the extension host and the inference process, in MB. */
function memory(): number {
  const pids = workbench
    .processes()
    .filter(({ command }) => command.includes('--type=extensionHost') || command.includes('inference.cjs'))
    .map(({ pid }) => pid);
  const sizes = pids.map(pid => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0));
  return sizes.reduce((sum, kib) => sum + kib / 1024, 0);
}

await inspectAgain(workbench);
for (let i = 0; i < Number(values.actions) && Date.now() < end; i++) {
  while (crashes.length > 0 && crashes[0]! < Date.now() - crashWindowMs) crashes.shift();
  const possible = actions.filter(({ crashes: ends }) => !ends || crashes.length < maxCrashes);
  const action = random.pick(possible);
  if (action.crashes) crashes.push(Date.now());
  const start = performance.now();
  try {
    await action.run(workbench, random);
    await inspectAgain(workbench);
  } catch (error) {
    problems.push(`action ${i}, ${action.name}: ${String(error).slice(0, 300)}`);
    await workbench.screenshot(`soak-${i}`);
    if (problems.length >= 5) break;
  }
  slowestMs = Math.max(slowestMs, performance.now() - start);
  counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
  if (i === nWarmUp) memoryAtStart = memory();
}

const memoryAtEnd = memory();
const log = workbench.logFiles('MTA Inspector');
const hostLog = workbench.logFiles('remoteexthost');
const pids = workbench.processes().map(({ pid }) => pid);
if (log.includes(secret)) problems.push('the log holds text of a document');
for (const line of hostLog.split('\n')) {
  if (/mta-inspector/.test(line) && /unhandled|rejected promise not handled/i.test(line))
    problems.push(line.slice(0, 300));
}
if (!readFileSync(join(folder, sample)).equals(before)) problems.push('the document on disk has changed');
await workbench.close();
await new Promise(wake => setTimeout(wake, 2000));
const orphans = pids.filter(pid => isAlive(pid));
if (orphans.length > 0) problems.push(`processes left: ${orphans}`);
const growth = memoryAtStart > 0 ? memoryAtEnd / memoryAtStart - 1 : 0;
if (growth > 0.1) problems.push(`memory grew from ${memoryAtStart.toFixed(0)} to ${memoryAtEnd.toFixed(0)} MB`);
rmSync(folder, { recursive: true, force: true });

const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
console.log([...counts].map(([name, n]) => `${name}: ${n}`).join('\n'));
console.log(
  `${total} actions survived, slowest with its inspection ${(slowestMs / 1000).toFixed(1)} s, ` +
    `memory ${memoryAtStart.toFixed(0)} → ${memoryAtEnd.toFixed(0)} MB (${(100 * growth).toFixed(1)} %)`,
);
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
