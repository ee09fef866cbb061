// The command line as an npm package: `dist/mta-inspect-VERSION.tgz`, with the bundled models and ONNX Runtime as its only
// dependency. `npm run package:cli`, then `npm install -g dist/mta-inspect-VERSION.tgz` or `npx`.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeBillOfMaterials } from './package.mjs';
import { ensureBuild, ensureNodeModules, root } from './setup.mjs';
import { splitWeights } from './splitWeights.mjs';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Files of the package, relative to the root. */
function contents() {
  const inFolder = (/** @type {string} */ folder, /** @type {RegExp} */ names) =>
    readdirSync(join(root, folder))
      .filter(name => names.test(name))
      .map(name => join(folder, name));
  const models = readdirSync(join(root, 'models', 'bundled')).map(name => join('models', 'bundled', name));
  return [
    ...['LICENSE', 'CHANGELOG.md', 'dist/cli.cjs', 'dist/renderChat.cjs', 'dist/report.js', 'dist/report.css'],
    ...['dist/THIRD-PARTY-NOTICES.txt', 'dist/sbom.cdx.json'],
    ...inFolder('src/cli/schemas', /\.json$/),
    ...models.flatMap(folder =>
      inFolder(folder, /^(config\.json|tokenizer\.json|model\.safetensors|README\.md|.+\.svg)$/),
    ),
  ];
}

/** What npm needs to know of the package; the extension's own manifest says the rest. */
function packageManifest() {
  const runtime = manifest.dependencies['onnxruntime-node'];
  return {
    name: 'mta-inspect',
    version: manifest.version,
    description: manifest.description,
    license: manifest.license,
    keywords: manifest.keywords,
    bin: { 'mta-inspect': 'dist/cli.cjs' },
    engines: { node: manifest.engines.node },
    dependencies: { 'onnxruntime-node': runtime },
  };
}

/** @returns {string} the package's path */
export function packageCli() {
  ensureNodeModules();
  ensureBuild('--production');
  writeBillOfMaterials();
  const folder = join(root, 'dist', 'package-cli');
  rmSync(folder, { recursive: true, force: true });
  try {
    for (const file of contents()) {
      const destination = join(folder, file.replace('src/cli/', ''));
      mkdirSync(dirname(destination), { recursive: true });
      if (file.endsWith('.safetensors')) splitWeights(join(root, file), destination);
      else copyFileSync(join(root, file), destination);
    }
    copyFileSync(join(root, 'docs', 'command-line.md'), join(folder, 'README.md'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify(packageManifest(), null, 2));
    const shell = process.platform === 'win32';
    const options = ['--json', '--pack-destination', join(root, 'dist')];
    const [packed] = JSON.parse(execFileSync('npm', ['pack', ...options], { cwd: folder, encoding: 'utf8', shell }));
    const path = join(root, 'dist', packed.filename);
    console.log(`Packaged ${path}: ${(statSync(path).size / 1e6).toFixed(1)} MB`);
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) packageCli();
