// `npm run package -- --target linux-x64`: one VSIX for one platform.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBuild, ensureNodeModules, root, SetupError } from './setup.mjs';

/** Names of VS Code's targets, which are also the folders of ONNX Runtime's binaries. */
const targets = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const staged = join(root, 'dist', 'node_modules');

/** Where the VSIX of a target is written. */
export function vsixPath(target = `${process.platform}-${process.arch}`) {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return join(root, 'dist', `${name}-${target}-${version}.vsix`);
}

/**
 * Copies the part of ONNX Runtime that one target needs next to the bundles. All five platforms together are 290 MB.
 * @param {string} target
 * @returns {string} the native module inside `staged`, relative to the root
 */
function stageRuntime(target) {
  const [os = '', arch = ''] = target.split('-');
  const copy = (/** @type {string} */ path) => {
    mkdirSync(dirname(join(staged, path)), { recursive: true });
    cpSync(join(root, 'node_modules', path), join(staged, path), { recursive: true, filter: isNeeded });
  };
  const isNeeded = (/** @type {string} */ path) => !/\.(map|d\.ts)$|libonnxruntime\.\d+\.\d+\.\d+\.dylib$/.test(path);

  for (const path of ['package.json', 'dist/cjs']) copy(`onnxruntime-common/${path}`);
  for (const path of ['package.json', 'dist']) copy(`onnxruntime-node/${path}`);
  const bin = join(root, 'node_modules', 'onnxruntime-node', 'bin');
  const [napi] = readdirSync(bin).filter(name => name.startsWith('napi-v'));
  copy(`onnxruntime-node/bin/${napi}/${os}/${arch}`);
  return `dist/node_modules/onnxruntime-node/bin/${napi}/${os}/${arch}/onnxruntime_binding.node`;
}

/**
 * Builds the extension and packs it for one target.
 * @param {string} target
 * @returns {string} the VSIX
 */
export function packageExtension(target = `${process.platform}-${process.arch}`) {
  if (!targets.includes(target)) {
    throw new SetupError(`There is no ONNX Runtime for the target "${target}". Use one of: ${targets.join(', ')}.`);
  }
  ensureNodeModules();
  ensureBuild('--production');
  const vsix = vsixPath(target);
  const start = performance.now();
  rmSync(staged, { recursive: true, force: true });
  try {
    const native = stageRuntime(target);
    const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
    const options = ['--no-dependencies', '--allow-missing-repository', '--no-rewrite-relative-links'];
    execFileSync(process.execPath, [vsce, 'package', ...options, '--target', target, '--out', vsix], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    // The allow-list of .vscodeignore decides what goes in, and an extension without this file fails only when used.
    if (!readFileSync(vsix).includes(`extension/${native}`)) {
      throw new SetupError(`${vsix} lacks ${native}. Allow it in .vscodeignore.`);
    }
  } finally {
    // A checkout uses the root's node_modules; what was staged for another platform must not hide it.
    rmSync(staged, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`Packaged ${vsix}: ${(statSync(vsix).size / 1e6).toFixed(1)} MB in ${seconds} s`);
  return vsix;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    packageExtension(parseArgs({ options: { target: { type: 'string' } } }).values.target);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
