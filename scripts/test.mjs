// `npm test`: sets up the machine, runs every tier of tests and ends with one line of totals.
//   npm test                              everything
//   npm test -- --tier unit --tier e2e    some tiers
//   npm test -- --tier unit hover         only test files whose path contains "hover"
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from './package.mjs';
import {
  ensureChromium,
  ensureMlserver,
  ensureNodeModules,
  ensurePrograms,
  ensurePython,
  ensureServing,
  ensureSystemPackages,
  ensureWorkbench,
  root,
} from './setup.mjs';

/** @typedef {{passed: number, failed: number, skipped: number, todo: number}} Counts */

const results = join(root, 'test-results');

/**
 * Runs a command with its output on screen.
 * @param {string} command
 * @param {string[]} args
 * @param {string} [cwd]
 * @returns {boolean} whether it succeeded
 */
function runVisibly(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (error) throw error;
  return status === 0;
}

/**
 * A path for a runner's report, with no older report there that could be counted by mistake.
 * @param {string} name
 */
function freshReport(name) {
  mkdirSync(results, { recursive: true });
  const path = join(results, name);
  rmSync(path, { force: true });
  return path;
}

/**
 * Runs all `*.test.ts` files of a folder in plain Node.
 * @param {string} folder
 * @param {object} settings
 * @param {string[]} settings.fileFilter
 * @param {boolean} [settings.recursive]
 * @param {number} [settings.nProcesses] so many files at a time; by default Node leaves one core idle: half of a small machine
 * @param {boolean} [settings.areJoined] runs the files of a core in one process
 * @returns {Promise<Counts>}
 */
async function runNodeTests(
  folder,
  { fileFilter, recursive = true, nProcesses = availableParallelism(), areJoined = false },
) {
  // Node 20's test runner takes files, not patterns.
  const files = readdirSync(join(root, folder), { encoding: 'utf8', recursive })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => join(folder, name))
    .filter(name => fileFilter.length === 0 || fileFilter.some(part => name.includes(part)))
    .sort();
  if (files.length === 0) throw new Error(`No test files in ${folder}${fileFilter.length ? ' match the filter' : ''}.`);

  const report = freshReport(`${folder.replaceAll(/[\\/]/g, '-')}.tap`);
  const reporters = [
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...['--test-reporter=tap', `--test-reporter-destination=${report}`],
  ];
  const runner = ['--test', `--test-concurrency=${nProcesses}`, ...reporters];
  // esbuild comes with the dependencies, which may have been installed only now.
  const { bundleTests, joinBundles } = await import('./bundleTests.mjs');
  const bundles = await bundleTests(folder, files);
  const programs = areJoined ? joinBundles(files, bundles, nProcesses) : bundles;
  const succeeded = runVisibly(process.execPath, [...runner, ...programs]);
  const tap = readFileSync(report, 'utf8');
  // The totals come last; what a test prints can look the same, earlier.
  const total = (/** @type {string} */ name) => {
    const lines = [...tap.matchAll(new RegExp(`^# ${name} (\\d+)$`, 'gm'))];
    if (lines.length === 0) throw new Error(`The test runner of ${folder} ended without a summary.`);
    return Number(lines.at(-1)?.[1]);
  };
  const failed = total('fail') + total('cancelled');
  return {
    passed: total('pass'),
    failed: failed === 0 && !succeeded ? 1 : failed,
    skipped: total('skipped'),
    todo: total('todo'),
  };
}

/**
 * Starts the Python tests, which take what processor time others leave.
 * @returns {() => Promise<Counts>} waits for their end and shows their output
 */
function startPythonTests() {
  ensureNodeModules();
  ensurePrograms(); // which they and the next tier would else build at once
  const report = freshReport('python.xml');
  const output = freshReport('python.log');
  const file = openSync(output, 'w');
  const args = ['-m', 'pytest', '-q', `--junitxml=${report}`];
  const tests = spawn(ensurePython(), args, { cwd: join(root, 'models'), stdio: ['ignore', file, file] });
  closeSync(file);
  if (tests.pid !== undefined) setPriority(tests.pid, 10);
  const ended = once(tests, 'close');
  ended.catch(() => {}); // it is reported where it is waited for
  return async () => {
    const [code] = await ended;
    process.stdout.write(readFileSync(output));
    return pythonCounts(report, code === 0);
  };
}

/**
 * @param {string} report
 * @param {boolean} succeeded
 * @returns {Counts}
 */
function pythonCounts(report, succeeded) {
  const suite = readFileSync(report, 'utf8').match(/<testsuite [^>]*>/)?.[0] ?? '';
  const total = (/** @type {string} */ name) => Number(suite.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = total('failures') + total('errors');
  const skipped = total('skipped');
  return {
    passed: total('tests') - failed - skipped,
    failed: failed === 0 && !succeeded ? 1 : failed,
    skipped,
    todo: 0,
  };
}

/** @typedef {Counts | (() => Promise<Counts>)} Outcome what a tier gave, or how to wait for one that goes on beside the next */

/** In the order of their cost. @type {Record<string, (fileFilter: string[]) => Outcome | Promise<Outcome>>} */
const tiers = {
  check() {
    ensureNodeModules();
    const succeeded = runVisibly('npm', ['run', '--silent', 'check']);
    return { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1, skipped: 0, todo: 0 };
  },
  docs() {
    const succeeded = runVisibly('npm', ['run', '--silent', 'docs']);
    return { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1, skipped: 0, todo: 0 };
  },
  unit(fileFilter) {
    ensureNodeModules();
    return runNodeTests('test/unit', { fileFilter, areJoined: true });
  },
  // Beside what follows: much of the next tier waits for servers.
  python: startPythonTests,
  integration(fileFilter) {
    ensureNodeModules();
    ensurePrograms();
    // With Chromium comes a software Vulkan driver; with both, the GPU path can be tested without a GPU.
    const { missing, advice } = ensureSystemPackages(['libvulkan1', 'chromium']);
    if (fileFilter.length === 0 || fileFilter.some(part => 'serving.test.ts'.includes(part))) {
      ensureServing();
      ensureMlserver();
    }
    if (missing.length > 0) console.log(`The GPU path cannot be tested here. ${advice}`);
    return runNodeTests('test/integration', { fileFilter });
  },
  e2e(fileFilter) {
    ensureChromium();
    ensureWorkbench();
    packageExtension();
    // Server, browser and inference process of a file keep a core busy, and wait for each other.
    const nProcesses = Math.max(2, Math.floor(availableParallelism() / 2));
    return runNodeTests('test/e2e', { fileFilter, recursive: false, nProcesses });
  },
};

/** @param {number} start from `performance.now()` */
const secondsSince = start => `${((performance.now() - start) / 1000).toFixed(1)} s`;

async function main() {
  const { values, positionals } = parseArgs({
    options: { tier: { type: 'string', multiple: true } },
    allowPositionals: true,
  });
  const chosen = values.tier ?? Object.keys(tiers);
  const totals = { passed: 0, failed: 0, skipped: 0, todo: 0 };
  /** @type {string[]} */
  const summary = [];
  /** @type {[name: string, start: number, wait: () => Promise<Counts>][]} */
  const goingOn = [];
  /** @type {(name: string, start: number, run: () => Outcome | Promise<Outcome>) => Promise<void>} */
  const count = async (name, start, run) => {
    console.log(`\n── ${name} ${'─'.repeat(60 - name.length)}`);
    /** @type {Outcome} */
    let counts;
    try {
      counts = await run();
    } catch (error) {
      // A tier that cannot start is a failure: a green run must mean that everything ran.
      console.error(error instanceof Error ? error.message : error);
      counts = { passed: 0, failed: 1, skipped: 0, todo: 0 };
    }
    if (typeof counts === 'function') {
      goingOn.push([name, start, counts]);
      return;
    }
    totals.passed += counts.passed;
    totals.failed += counts.failed;
    totals.skipped += counts.skipped;
    totals.todo += counts.todo;
    const { passed, failed, skipped, todo } = counts;
    const rest = `${skipped ? `, ${skipped} skipped` : ''}${todo ? `, ${todo} to do` : ''}`;
    summary.push(`${name.padEnd(12)} ${passed} passed, ${failed} failed${rest} in ${secondsSince(start)}`);
  };
  for (const name of chosen) {
    await count(name, performance.now(), () => {
      const tier = tiers[name];
      if (!tier) throw new Error(`There is no tier "${name}". Use one of: ${Object.keys(tiers).join(', ')}.`);
      return tier(positionals);
    });
  }
  for (const [name, start, wait] of goingOn) await count(name, start, wait);
  console.log(`\n${summary.map(line => `  ${line}`).join('\n')}`);
  if (totals.skipped + totals.todo > 0) console.log(`  (${totals.skipped} skipped, ${totals.todo} to do)`);
  if (totals.failed > 0 || totals.passed === 0) process.exitCode = 1;
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
}

await main();
