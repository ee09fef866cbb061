// A model folder as an extension of its own, without code: `npm run package -- --model models/NAME`. The main extension lists
// its model while it is installed (src/analysis/contributedModels.ts).
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { maxModelBytes, modelFile } from './packageContents.mjs';
import { root, SetupError } from './setup.mjs';

/** What a package of a model takes over from that of the extension. */
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * What a folder's package holds, and its manifest.
 * @param {string} folder
 * @throws {SetupError} naming what is missing or does not fit
 */
export function modelPackage(folder) {
  const where = resolve(folder);
  const files = existsSync(where)
    ? readdirSync(where)
        .filter(name => modelFile.test(name))
        .sort()
    : [];
  const missing = ['config.json', 'tokenizer.json', 'README.md', 'LICENSE'].find(name => !files.includes(name));
  if (missing) throw new SetupError(`${folder} has no ${missing}: a model's package needs its card and its license.`);
  if (!files.some(name => name.endsWith('.safetensors'))) throw new SetupError(`${folder} has no weights.`);
  const odd = files.find(name => !lstatSync(join(where, name)).isFile());
  if (odd) throw new SetupError(`${folder}/${odd} is not a file: links are not packed.`);
  const { name, license } = JSON.parse(readFileSync(join(where, 'config.json'), 'utf8'));
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]{0,60}$/.test(name)) {
    throw new SetupError(
      `${folder}/config.json has the name ${JSON.stringify(name)}; expected lower-case letters, digits and -.`,
    );
  }
  if (typeof license !== 'string') throw new SetupError(`${folder}/config.json has no license, such as "Apache-2.0".`);
  const { publisher, version, engines, icon } = manifest;
  return {
    files,
    manifest: {
      ...{ name, publisher, version, license, engines: { vscode: engines.vscode } },
      displayName: `MTA Inspector: model ${name}`,
      description: `The model ${name} for MTA Inspector, which lists it while this extension is installed.`,
      categories: ['Machine Learning'],
      icon: basename(icon),
      // Where models run: on the remote machine, if there is one.
      extensionKind: manifest.extensionKind,
      extensionDependencies: [`${publisher}.${manifest.name}`],
      contributes: { 'mtaInspector.models': [{ path: `./${name}`, name }] },
    },
  };
}

/** Where the package of a model is written. @param {string} name */
export const modelVsixPath = name => join(root, 'dist', `${name}-${manifest.version}.vsix`);

/**
 * @param {string} folder
 * @param {(staged: string, vsix: string) => void} pack
 * @returns {string} the VSIX file
 */
export function packageModel(folder, pack) {
  const { files, manifest: own } = modelPackage(folder);
  const staged = join(root, 'dist', `package-model-${own.name}`);
  const vsix = modelVsixPath(own.name);
  rmSync(staged, { recursive: true, force: true });
  try {
    mkdirSync(join(staged, own.name), { recursive: true });
    for (const name of files) copyFileSync(join(folder, name), join(staged, own.name, name));
    copyFileSync(join(folder, 'LICENSE'), join(staged, 'LICENSE'));
    // The page of an extension shows no pictures from beside it.
    const card = readFileSync(join(folder, 'README.md'), 'utf8');
    writeFileSync(join(staged, 'README.md'), card.replaceAll(/^!\[.*\n/gm, ''));
    copyFileSync(join(root, manifest.icon), join(staged, own.icon));
    writeFileSync(join(staged, 'package.json'), JSON.stringify(own));
    pack(staged, vsix);
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
  const { size } = lstatSync(vsix);
  console.log(`Packaged ${vsix}: ${(size / 1e6).toFixed(1)} MB`);
  if (size > maxModelBytes)
    throw new SetupError(`${vsix} has ${size} bytes, more than the ${maxModelBytes} that it may have.`);
  return vsix;
}
