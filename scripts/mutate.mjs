// `npm run mutate`: plants mistakes in the pure folders of src, one at a time, and counts how many the tests catch.
//
// Stryker plants them. The tests are bundled once with the instrumented sources, so that trying a mistake costs starting
// Node and not translating the project: about 0.3 s. Only test files that load a changed file run.
//
//   npm run mutate                          all folders
//   npm run mutate -- attention             one folder, or files such as src/attention/lines.ts
//   npm run mutate -- --sample 200 analysis 200 mistakes drawn at random; --seed N draws others
//   npm run mutate -- --survivors analysis  lists what no test caught
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { build } from 'esbuild';
import { bundleTests } from './bundleTests.mjs';
import { sample } from './mutateSample.mjs';
import { ensureNodeModules, root } from './setup.mjs';

const folders = ['attention', 'graph', 'tokenization', 'analysis', 'shared'];
const unitTests = 'test/unit';
/** Tests of the engine that compare with another library: of each family's configuration, weights and graphs. */
const engineTests = { graph: ['test/integration/huggingFace.test.ts'] };
/** Tests that read the project as a whole or start processes. */
const foreign = /^test\/unit\/(scripts\/|supplyChain|contributions|fuzz|pauses|cli\/|docs\/)/;

/** @returns {string[]} paths in the project */
function allTests() {
  const names = readdirSync(join(root, unitTests), { recursive: true, encoding: 'utf8' });
  const unit = names
    .filter(name => name.endsWith('.test.ts'))
    .map(name => `${unitTests}/${name.replaceAll('\\', '/')}`);
  return unit.filter(name => !foreign.test(name));
}

/** Where the bundle of a test is. @param {string} name */
const bundleOf = name => `test-results/bundles/${name.replace(/\.ts$/, '.cjs')}`;

/** @param {string} name of a folder, or a file @returns {string[]} */
function filesOf(name) {
  if (!folders.includes(name)) return [name];
  const names = readdirSync(join(root, 'src', name), { recursive: true, encoding: 'utf8' });
  const files = names.filter(file => file.endsWith('.ts')).map(file => `src/${name}/${file.replaceAll('\\', '/')}`);
  return files.filter(file => !file.startsWith('src/graph/onnx/')); // generated
}

/**
 * The tests that load any of the files.
 * @param {RegExp} isMutated of paths in the project
 */
async function testsOf(isMutated) {
  const { metafile } = await build({
    ...{ absWorkingDir: root, entryPoints: allTests(), outdir: 'none', write: false, metafile: true },
    ...{ bundle: true, platform: 'node', format: 'cjs', packages: 'external', logLevel: 'silent' },
  });
  return Object.values(metafile.outputs).flatMap(({ entryPoint, inputs }) =>
    entryPoint && Object.keys(inputs).some(input => isMutated.test(input)) ? [entryPoint] : [],
  );
}

/** @param {{ status: string }[]} mutants */
function scoreOf(mutants) {
  const count = (/** @type {string[]} */ ...of) => mutants.filter(({ status }) => of.includes(status)).length;
  const killed = count('Killed', 'Timeout');
  const planted = killed + count('Survived', 'NoCoverage');
  return { killed, planted, timedOut: count('Timeout'), percent: planted === 0 ? 100 : (100 * killed) / planted };
}

/** Wilson's 95 % interval of a share, in percent. @param {number} count @param {number} total */
function interval(count, total) {
  const [z2, share] = [1.96 ** 2, count / total];
  const middle = share + z2 / (2 * total);
  const half = 1.96 * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total * total));
  return [middle - half, middle + half].map(bound => (100 * bound) / (1 + z2 / total));
}

/** @param {string} name @param {{ status: string }[]} mutants @param {boolean} isSample */
function show(name, mutants, isSample) {
  const { killed, planted, timedOut, percent } = scoreOf(mutants);
  const bounds = isSample && planted > 0 ? interval(killed, planted).map(bound => bound.toFixed(0)) : [];
  const late = timedOut > 0 ? `, ${timedOut} by timeout` : ''; // which a busy machine also causes
  const note = bounds.length > 0 ? ` (95 % interval ${bounds.join(' to ')} %)` : '';
  console.log(`${percent.toFixed(1).padStart(6)} %  ${`${killed} of ${planted}`.padEnd(14)} ${name}${note}${late}`);
}

async function main() {
  const { values, positionals } = parseArgs({
    options: {
      sample: { type: 'string' },
      seed: { type: 'string', default: '1' },
      concurrency: { type: 'string', default: '2' },
      survivors: { type: 'boolean' },
      /** Bundles the tests of the copy of the project that Stryker works in. */
      bundle: { type: 'string' },
    },
    allowPositionals: true,
  });
  if (values.bundle) {
    const files = values.bundle.split(',');
    for (const folder of new Set(files.map(name => name.split('/').slice(0, 2).join('/')))) {
      await bundleTests(
        folder,
        files.filter(name => name.startsWith(`${folder}/`)),
      );
    }
    return;
  }
  ensureNodeModules();
  const chosen = positionals.length > 0 ? positionals : folders;
  const isMutated = new RegExp(chosen.map(name => (folders.includes(name) ? `^src/${name}/` : `^${name}$`)).join('|'));
  const tests = await testsOf(isMutated);
  for (const [folder, names] of Object.entries(engineTests)) {
    if (chosen.some(name => name === folder || name.startsWith(`src/${folder}/`))) tests.push(...names);
  }
  if (values.sample) Object.assign(sample, { size: Number(values.sample), seed: Number(values.seed) });
  const stryker = new Stryker({
    mutate: chosen.flatMap(filesOf),
    // Texts for people have their own tests, and are no logic.
    mutator: { excludedMutations: ['StringLiteral'] },
    testRunner: 'tap',
    tap: {
      testFiles: tests.map(bundleOf),
      nodeArgs: ['--test-reporter=tap', '-r', '{{hookFile}}', '{{testFile}}'],
    },
    buildCommand: `node scripts/mutate.mjs --bundle ${tests.join(',')}`,
    coverageAnalysis: 'perTest',
    plugins: ['@stryker-mutator/tap-runner', join(root, 'scripts/mutateSample.mjs')],
    ignorePatterns: [
      'dist',
      'docs/site',
      '*.vsix',
      'test-results',
      'models/serving',
      'models/.cache',
      'test/e2e',
      'test/bench',
    ],
    disableTypeChecks: false,
    // Stryker reads it by TypeScript's old API, which TypeScript 7 lacks; the bundles do without.
    tsconfigFile: 'none.json',
    concurrency: Number(values.concurrency),
    timeoutMS: 20_000,
    dryRunTimeoutMinutes: 60, // on a busy machine
    reporters: ['sample', 'progress-append-only'],
    logLevel: /** @type {import('@stryker-mutator/api/core').LogLevel} */ ('error'),
    tempDirName: 'test-results/mutation',
  });
  const mutants = await stryker.runMutationTest();
  const pathOf = (/** @type {{ fileName: string }} */ { fileName }) => relative(root, fileName).replaceAll('\\', '/');
  for (const mutant of mutants) {
    if (!values.survivors || !['Survived', 'NoCoverage'].includes(mutant.status)) continue;
    const { line, column } = mutant.location.start;
    console.log(
      `${pathOf(mutant)}:${line}:${column} ${mutant.mutatorName} ${mutant.replacement.replaceAll(/\s+/g, ' ')}`,
    );
  }
  for (const name of [...new Set(mutants.map(pathOf))].sort()) {
    show(
      name,
      mutants.filter(mutant => pathOf(mutant) === name),
      false,
    );
  }
  const isSample = mutants.length < sample.nPlanned;
  if (isSample)
    console.log(`${mutants.length} of ${sample.nPlanned} mistakes, drawn at random with seed ${sample.seed}`);
  for (const folder of folders) {
    const inside = mutants.filter(mutant => pathOf(mutant).startsWith(`src/${folder}/`));
    if (inside.length > 0) show(`src/${folder}`, inside, isSample);
  }
}

await main();
