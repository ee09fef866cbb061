/**
 * `npm run soak -- [--actions 2000] [--minutes 30] [--seed N] [--only WORD] [--verbose]`: random actions and faults in a real workbench.
 * After each of them the next inspection has to work; at the end memory, processes, logs and documents are looked at.
 */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from '../../../scripts/package.mjs';
import { ensureChromium, ensureWorkbench } from '../../../scripts/setup.mjs';
import { statOf } from '../../../scripts/workbench.mjs';
import { root, tinyModelDirectory } from '../../fixtures/paths';
import { Random } from '../../random';
import { untilDone } from '../harness/panel';
import { watchPauses } from '../harness/pauses';
import { startWorkbench, type Workbench } from '../harness/workbench';
import {
  type Action,
  actions,
  changeSettings,
  inspectAgain,
  keybindings,
  other,
  plainSettings,
  type Scene,
  sample,
  secret,
} from './actions';
import { LosableGpu, SmallDisk } from './faults';
import { inferencePids, type Memory, measure } from './memory';

/** The first actions fill caches; memory counts from here. */
const nWarmUp = 30;
/** The last actions start no process anew, so that what they leak adds up: first they fill its caches, then it counts. */
const quietShare = 0.25;
const lastShare = 0.15;
/** Crashes that the restart policy forgives within its three minutes, less one. */
const maxCrashes = 4;
const crashWindowMs = 180_000;
const maxGrowth = 0.1;
const maxProblems = 5;

/** Filled while the soak runs, so that what was seen is printed even when it cannot go on. */
interface Outcome {
  readonly counts: Map<string, number>;
  readonly memories: Partial<Record<'start' | 'end' | 'quiet start' | 'quiet end', Memory>>;
  slowestMs: number;
  readonly problems: string[];
}

async function soak(
  scene: Scene,
  outcome: Outcome,
  nActions: number,
  endMs: number,
  { only, verbose: isVerbose }: { readonly only: string; readonly verbose: boolean },
): Promise<void> {
  const { workbench, random } = scene;
  const { counts, memories, problems } = outcome;
  const startMs = Date.now();
  const crashes: number[] = [];
  const isLast = (i: number, share: number) =>
    i >= nActions * (1 - share) || Date.now() > startMs + (endMs - startMs) * (1 - share);
  let isQuiet = false;
  /** The bundled model in a process of its own that has just been started, as another main model has one. */
  const startAnew = async () => {
    for (const model of [tinyModelDirectory, '']) {
      changeSettings(scene, { ...plainSettings, 'mtaInspector.model': model });
      await new Promise(wake => setTimeout(wake, 2000)); // settings are read when their file is
      await inspectAgain(scene);
    }
  };
  const measureAtRest = async (when: keyof typeof memories) => {
    await workbench.runCommand('Notifications: Clear All Notifications');
    for (let i = 0; i < 4; i++) await inspectAgain(scene);
    await new Promise(wake => setTimeout(wake, 1000));
    memories[when] = measure(workbench);
  };
  await inspectAgain(scene);
  for (let i = 0; i < nActions && Date.now() < endMs; i++) {
    if (i === Math.min(nWarmUp, nActions >> 1)) {
      await startAnew();
      await measureAtRest('start');
    }
    if (!isQuiet && isLast(i, quietShare)) {
      isQuiet = true;
      await startAnew();
    }
    if (isQuiet && !memories['quiet start'] && isLast(i, lastShare)) await measureAtRest('quiet start');
    while (crashes.length > 0 && crashes[0]! < Date.now() - crashWindowMs) crashes.shift();
    const possible = actions.filter(
      ({ name, crashes: ends, restarts, needs }) =>
        name.includes(only) &&
        (!ends || crashes.length < maxCrashes) &&
        (!restarts || !isQuiet) &&
        (!needs || scene[needs]),
    );
    const action = pick(possible, random);
    if (!action) continue;
    if (action.crashes) crashes.push(Date.now());
    const actionStart = performance.now();
    try {
      await action.run(scene);
      await inspectAgain(scene);
      const nProcesses = inferencePids(workbench).length;
      if (nProcesses > 2) throw new Error(`${nProcesses} inference processes`);
    } catch (error) {
      problems.push(`action ${i}, ${action.name}: ${String(error).slice(0, 400)}`);
      console.error(problems.at(-1));
      await workbench.screenshot(`soak-${i}`);
      if (problems.length >= maxProblems) break;
      await workbench.page.reload();
    }
    const durationMs = performance.now() - actionStart;
    outcome.slowestMs = Math.max(outcome.slowestMs, durationMs);
    if (isVerbose) console.log(`${i} ${action.name}: ${(durationMs / 1000).toFixed(1)} s`);
    counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
    if (i % 50 === 49) {
      await workbench.runCommand('Notifications: Clear All Notifications');
      const { parts } = measure(workbench);
      console.log(`${i + 1} actions in ${((Date.now() - startMs) / 60_000).toFixed(1)} min; ${parts}`);
    }
  }
  await measureAtRest('quiet end');
  await startAnew();
  await measureAtRest('end');
}

/** By weight. */
function pick(possible: readonly Action[], random: Random): Action | undefined {
  let at = random.below(possible.reduce((sum, { weight }) => sum + weight, 0));
  return possible.find(({ weight }) => {
    at -= weight;
    return at < 0;
  });
}

/** What the logs say: pauses of the extension host, processes that ended by themselves, promises nobody looked after. */
function readLogs(
  workbench: Workbench,
  pauses: Awaited<ReturnType<typeof watchPauses>>,
): { readonly facts: string; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const log = workbench.logFiles('MTA Inspector');
  if (log.includes(secret)) problems.push('the log holds text of a document');
  for (const [line] of log.matchAll(/.*inference process \d+ ended: [1-9]\d*$/gm)) problems.push(line);
  const hostLines = workbench.logFiles('remoteexthost').split('\n');
  for (const [i, line] of hostLines.entries()) {
    const block = hostLines.slice(i, i + 12).join('\n');
    if (/unhandled|rejected promise/i.test(line) && /mta-inspector/.test(block)) problems.push(block.slice(0, 600));
  }
  for (const error of workbench.consoleErrors()) {
    if (/uncaught/i.test(error) && /mta-inspector|webview/i.test(error)) problems.push(error.slice(0, 300));
  }
  const worst = pauses.read().reduce((a, b) => (b.workMs > a.workMs ? b : a), { durationMs: 0, workMs: 0, ownMs: 0 });
  const ownMs = Math.max(0, ...pauses.read().map(pause => Math.min(pause.ownMs, pause.workMs)));
  const count = (pattern: RegExp) => log.match(pattern)?.length ?? 0;
  const facts = [
    `worst pause of the extension host ${Math.round(worst.durationMs)} ms, ${Math.round(worst.workMs)} ms of it at work; this extension's at most ${Math.round(ownMs)} ms`,
    `${count(/inference process \d+ started/g)} inference processes started, ${count(/ended: SIG/g)} killed`,
    `${count(/the CPU goes on/g)} GPUs lost`,
    `${count(/Cannot write/g)} writes refused`,
    `${count(/\[error\]/g)} failures shown`,
  ];
  return { facts: facts.join('; '), problems };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      actions: { type: 'string', default: '2000' },
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      verbose: { type: 'boolean', default: false },
    },
  });
  ensureChromium();
  ensureWorkbench();
  packageExtension();
  const disk = SmallDisk.mount(600);
  const gpu = LosableGpu.build();
  if (!disk) console.log('The disk is not filled: that needs to mount one, as root.');
  if (!gpu) console.log('The GPU is not lost: that needs a C compiler and the software driver of Chromium.');
  const pauses = await watchPauses('soak');
  const environment = { ...gpu?.environment, ...pauses.options.environment };
  const base = mkdtempSync(join(disk?.folder ?? tmpdir(), 'mta-soak-'));
  const folder = join(base, 'documents');
  mkdirSync(folder);
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  cpSync(join(root, 'README.md'), join(folder, other));
  const documents = [sample, other].map(name => join(folder, name));
  const before = documents.map(path => readFileSync(path));
  // Also when a signal ends this process, after the workbench's own listener.
  const cleanUpAtExit = () =>
    process.on('exit', () => {
      disk?.unmount();
      gpu?.remove();
      rmSync(base, { recursive: true, force: true });
    });
  const options = {
    folder,
    dataFolder: base,
    settings: plainSettings,
    keybindings,
    more: pauses.options.more,
    builtIn: 'all' as const,
    environment,
  };
  const workbench = await startWorkbench(options).finally(cleanUpAtExit);
  workbench.page.setDefaultTimeout(180_000);
  const scene: Scene = { workbench, random: new Random(Number(values.seed)), folder, disk, gpu };
  const startMs = Date.now();
  const outcome: Outcome = { counts: new Map(), memories: {}, slowestMs: 0, problems: [] };
  let isDone = false;
  try {
    // An extension host whose window goes before it is connected would stay for hours.
    await untilDone(workbench, async () => {
      await workbench.openFile(sample);
      await workbench.runCommand('MTA Inspector: Inspect Document');
    });
    await soak(scene, outcome, Number(values.actions), startMs + Number(values.minutes) * 60_000, values).catch(
      (error: unknown) => outcome.problems.push(`the soak ended early: ${String(error).slice(0, 400)}`),
    );
    const { facts, problems: logged } = readLogs(workbench, pauses);
    const problems = [...outcome.problems, ...logged];
    const after = documents.map(path => readFileSync(path));
    const nLost = after.filter((bytes, i) => !bytes.equals(before[i]!)).length;
    if (nLost > 0) problems.push(`${nLost} documents on disk have changed`);
    const pids = workbench.processes().map(({ pid }) => pid);
    await workbench.close();
    for (let i = 0; i < 30 && pids.some(statOf); i++) await new Promise(wake => setTimeout(wake, 1000));
    const orphans = pids.filter(statOf);
    if (orphans.length > 0) problems.push(`processes left: ${orphans}`);
    report(outcome, Number(values.actions), (Date.now() - startMs) / 60_000, facts, nLost, problems);
    isDone = problems.length === 0;
  } finally {
    await workbench.close();
  }
  process.exit(isDone ? 0 : 1);
}

function report(
  { counts, memories, slowestMs }: Outcome,
  nWanted: number,
  minutes: number,
  facts: string,
  nLost: number,
  problems: string[],
): void {
  const growth = (from: number, to: number) => `${(100 * (to / from - 1)).toFixed(1)} %`;
  for (const [where, before, after] of [
    ['over the soak, the inference process started anew', memories.start, memories.end],
    ['over the last stretch, with no process started anew', memories['quiet start'], memories['quiet end']],
  ] as const) {
    if (!before || !after) {
      problems.push(`memory ${where} is not known`);
      continue;
    }
    console.log(`${where}: ${before.parts}; then ${after.parts}`);
    for (const part of ['heapMb', 'residentMb'] as const) {
      const line = `${part} ${before[part].toFixed(1)} → ${after[part].toFixed(1)}, ${growth(before[part], after[part])} ${where}`;
      console.log(line);
      if (after[part] > before[part] * (1 + maxGrowth)) problems.push(`memory grew: ${line}`);
    }
  }
  for (const [name, n] of counts) console.log(`${String(n).padStart(5)}  ${name}`);
  const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
  console.log(
    `${total} of ${nWanted} actions in ${minutes.toFixed(1)} min, ${problems.length} problems; slowest action with its ` +
      `inspection ${(slowestMs / 1000).toFixed(1)} s; ${facts}; ` +
      `documents changed: ${nLost}`,
  );
  for (const problem of problems) console.error(problem);
}

void main();
