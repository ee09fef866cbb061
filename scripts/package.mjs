// VSIX files, one per target, each with only its own binaries.
//   npm run package                           for this machine
//   npm run package -- --target linux-arm64   for another
//   npm run package -- --all                  for every target
//   npm run package -- --twice                two builds that have to be the same
//   npm run package -- --model models/NAME    a model folder, as an extension of its own
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { completeComponents, noticesOf, partsOf } from './notices.mjs';
import { maxBytes, namesInZip, packagedFiles, targets } from './packageContents.mjs';
import { packageModel } from './packageModel.mjs';
import { ensureBuild, ensureNodeModules, root, SetupError } from './setup.mjs';
import { splitWeights } from './splitWeights.mjs';

const thisMachine = `${process.platform}-${process.arch}`;

/** Every file of the archive gets this time, so that the same sources make the same bytes; ZIP knows none earlier. */
const fileTime = String(Date.UTC(1980, 0, 1) / 1000);

/** Where the VSIX of a target is written. */
export function vsixPath(target = thisMachine) {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return join(root, 'dist', `${name}-${target}-${version}.vsix`);
}

/**
 * Lays out in a folder what goes into a package.
 * @param {string} folder
 * @param {readonly string[]} files relative to the root
 */
function stage(folder, files) {
  for (const file of files) {
    const destination = join(folder, stagedName(file));
    mkdirSync(dirname(destination), { recursive: true });
    if (file.endsWith('.safetensors')) splitWeights(join(root, file), destination);
    else if (file.endsWith('.json')) writeFileSync(destination, JSON.stringify(readJson(join(root, file))));
    else copyFileSync(join(root, file), destination);
  }
}

/** Bundles look for the modules that are not in them beside themselves. @param {string} file */
const stagedName = file => file.replace(/^node_modules\//, 'dist/node_modules/');

/** @param {string} path */
const readJson = path => JSON.parse(readFileSync(path, 'utf8'));

/** Writes what is in the package that others made, in CycloneDX, and its licences: the same for the same lockfile. */
export function writeBillOfMaterials() {
  const options = ['--sbom-format', 'cyclonedx', '--omit', 'dev', '--omit', 'optional', '--package-lock-only'];
  const shell = process.platform === 'win32';
  const bill = JSON.parse(execFileSync('npm', ['sbom', ...options], { cwd: root, encoding: 'utf8', shell }));
  const { name } = readJson(join(root, 'package.json'));
  // A random number, the time, and the name of the folder of the checkout.
  bill.serialNumber = undefined;
  bill.metadata.timestamp = undefined;
  bill.metadata.component.name = name;
  const parts = partsOf(readJson(join(root, 'dist', 'packages.json')));
  bill.components = completeComponents(bill.components, parts);
  writeFileSync(join(root, 'dist', 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
  writeFileSync(join(root, 'dist', 'THIRD-PARTY-NOTICES.txt'), noticesOf(parts));
}

/**
 * Builds the extension and packs it for some targets.
 * @param {readonly string[]} chosen
 * @returns {string[]} the VSIX files
 */
export function packageTargets(chosen) {
  const unknown = chosen.find(target => !targets.includes(target));
  if (unknown !== undefined) {
    throw new SetupError(`There is no ONNX Runtime for the target "${unknown}". Use one of: ${targets.join(', ')}.`);
  }
  ensureNodeModules();
  ensureBuild('--production');
  writeBillOfMaterials();
  return chosen.map(packageTarget);
}

/** @param {string} [target] */
export function packageExtension(target = thisMachine) {
  return /** @type {string} */ (packageTargets([target])[0]);
}

/** Packs what has been built. @param {string} target */
export function packageTarget(target) {
  const vsix = vsixPath(target);
  const start = performance.now();
  const folder = join(root, 'dist', `package-${target}`);
  const files = packagedFiles(root, target);
  rmSync(folder, { recursive: true, force: true });
  try {
    stage(folder, files);
    pack(folder, vsix, target === 'universal' ? [] : ['--target', target]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  // vsce has rules of its own about what to leave out.
  const packed = new Set(namesInZip(readFileSync(vsix)).map(name => name.toLowerCase()));
  const missing = files.map(stagedName).filter(name => {
    const inside = `extension/${name}`.toLowerCase();
    return !packed.has(inside) && !packed.has(`${inside}.txt`);
  });
  if (missing.length > 0) throw new SetupError(`${vsix} lacks ${missing.join(', ')}.`);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const { size } = statSync(vsix);
  console.log(`Packaged ${vsix}: ${(size / 1e6).toFixed(1)} MB in ${seconds} s`);
  const limit = maxBytes(target);
  if (size > limit) throw new SetupError(`${vsix} has ${size} bytes, more than the ${limit} that it may have.`);
  return vsix;
}

/**
 * Packs everything in a folder.
 * @param {string} folder
 * @param {string} vsix
 * @param {readonly string[]} more options
 */
function pack(folder, vsix, more = []) {
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  // Pages of the Marketplace show pictures by their full address; without one the README's links stay as they are.
  const contentUrl = process.env['MTA_CONTENT_URL'];
  const links = contentUrl
    ? ['--baseContentUrl', contentUrl, '--baseImagesUrl', contentUrl]
    : ['--no-rewrite-relative-links'];
  const options = ['--no-dependencies', '--allow-missing-repository', ...links, ...more];
  // Without this file vsce asks whether everything is meant.
  writeFileSync(join(folder, '.vscodeignore'), '');
  execFileSync(process.execPath, [vsce, 'package', ...options, '--out', vsix], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: fileTime, TZ: 'UTC' },
  });
}

/** Packs a model folder as an extension of its own. @param {string} folder */
export function packageModelFolder(folder) {
  ensureNodeModules();
  return packageModel(folder, pack);
}

/** @param {string} vsix */
function hash(vsix) {
  return `sha256 ${createHash('sha256').update(readFileSync(vsix)).digest('hex')}  ${basename(vsix)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { values } = parseArgs({
      options: {
        ...{ target: { type: 'string' }, all: { type: 'boolean' }, twice: { type: 'boolean' } },
        model: { type: 'string' },
      },
    });
    const { model } = values;
    const chosen = values.all ? targets : [values.target ?? thisMachine];
    const packages = () => (model === undefined ? packageTargets(chosen) : [packageModelFolder(model)]);
    const hashes = () => packages().map(hash).join('\n');
    const first = hashes();
    if (values.twice && hashes() !== first) throw new SetupError('Two builds of the same sources differ.');
    console.log(first);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
