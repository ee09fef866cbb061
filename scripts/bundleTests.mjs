// Compiles tests once into test-results/, so that each test file starts without compiling what it imports.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root } from './setup.mjs';

/** Sources find their files from where they stand, not from where the bundle stands. @type {import('esbuild').Plugin} */
const sourcePaths = {
  name: 'source-paths',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8')
        .replaceAll(/\b__dirname\b/g, JSON.stringify(dirname(path)))
        .replaceAll(/\b__filename\b/g, JSON.stringify(path))
        .replaceAll(/\bimport\.meta\.url\b/g, JSON.stringify(pathToFileURL(path).href)),
    }));
    onResolve({ filter: /\.mjs$/ }, ({ path, resolveDir }) => ({ path: resolve(resolveDir, path), external: true }));
  },
};

/**
 * Bundles test files, which start in a tenth of the processor time of compiling what they import on the fly.
 * @param {string} folder such as `test/unit`
 * @param {string[]} files within that folder, by their path within the project
 * @returns {Promise<string[]>} the bundles' paths, in the order of the files
 */
export async function bundleTests(folder, files) {
  const outdir = join(root, 'test-results', 'bundles', folder);
  rmSync(outdir, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: files,
    outdir,
    outbase: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
    plugins: [sourcePaths],
  });
  return files.map(name => join(outdir, relative(folder, name).replace(/\.ts$/, '.cjs')));
}

/**
 * Joins bundles into some programs, which take half the processor time of a process for each. Each file is a suite of its own,
 * so its hooks are its own; timers that it faked are real again after it.
 * @param {string[]} files the names of the suites
 * @param {string[]} bundles of `bundleTests`
 * @param {number} nPrograms at most
 * @returns {string[]} the programs' paths
 */
export function joinBundles(files, bundles, nPrograms) {
  const suites = files.map((name, i) => {
    const bundle = JSON.stringify(bundles[i]);
    return `suite(${JSON.stringify(name)}, () => {\n  after(() => mock.timers.reset());\n  require(${bundle});\n});\n`;
  });
  return Array.from({ length: Math.min(nPrograms, files.length) }, (_, i) => {
    const path = join(root, 'test-results', 'bundles', `program-${i}.cjs`);
    const own = suites.filter((_, k) => k % nPrograms === i);
    writeFileSync(path, `const { after, mock, suite } = require('node:test');\n${own.join('')}`);
    return path;
  });
}
