// Compiles the unit tests once into test-results/, so that each test file starts without compiling what it imports.
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
 * Bundles test files into some programs, which take half the processor time of a process for each file, and a tenth of that of
 * compiling on the fly. Each file is a suite of its own, so its hooks are its own; timers that it faked are real again after it.
 * @param {string} folder such as `test/unit`
 * @param {string[]} files within that folder, by their path within the project
 * @param {number} nPrograms at most
 * @returns {Promise<string[]>} the programs' paths
 */
export async function bundleTests(folder, files, nPrograms) {
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
  const suites = files.map(name => {
    const bundle = JSON.stringify(`./${relative(folder, name).replace(/\.ts$/, '.cjs')}`);
    return `suite(${JSON.stringify(name)}, () => {\n  after(() => mock.timers.reset());\n  require(${bundle});\n});\n`;
  });
  return Array.from({ length: Math.min(nPrograms, files.length) }, (_, i) => {
    const path = join(outdir, `program-${i}.cjs`);
    const own = suites.filter((_, k) => k % nPrograms === i);
    writeFileSync(path, `const { after, mock, suite } = require('node:test');\n${own.join('')}`);
    return path;
  });
}
