// What goes into a package: an allow-list, so that nothing slips in and nothing is forgotten.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names of VS Code's targets, which are also the folders of ONNX Runtime's binaries; and one for all other machines, with
 * ONNX Runtime in WebAssembly.
 */
export const targets = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64', 'universal'];

/** Size of a VSIX at most. Windows has two GPU providers, with a library each. @param {string} target */
export const maxBytes = target => (target.startsWith('win32') ? 90e6 : 75e6);

/** Files that must be there: names, or a folder's files whose names match. @type {(string | [folder: string, names: RegExp])[]} */
const common = [
  ...['package.json', 'package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'SECURITY.md'],
  ...['api/mtaInspector.d.ts', 'dist/sbom.cdx.json', 'dist/THIRD-PARTY-NOTICES.txt'],
  ['.', /^package\.nls\.[\w-]+\.json$/],
  ['l10n', /^bundle\.l10n\.[\w-]+\.json$/],
  ...['extension', 'inference', 'renderChat', 'cli'].map(name => `dist/${name}.cjs`),
  ...['webview', 'report'].flatMap(name => [`dist/${name}.js`, `dist/${name}.css`]),
  ...['dist/codicon.css', 'dist/codicon.ttf'],
  ['media', /\.(svg|png)$/],
  ['media/walkthrough', /\.png$/],
  ['samples', /^[\w-]+\.\w+$/],
];

/** Files of a model that is a package of its own. */
export const modelFile =
  /^(config\.json|tokenizer\.json|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|kernel-history\.safetensors|README\.md|LICENSE|.+\.svg)$/;

/** Size of such a package at most. */
export const maxModelBytes = 160e6;

const model = /^(config\.json|tokenizer\.json|model\.safetensors|README\.md|.+\.svg)$/;

/** Native libraries that ONNX Runtime loads. @type {Record<string, string[]>} */
const libraries = {
  linux: ['libonnxruntime.so.1'],
  darwin: ['libonnxruntime.1.dylib'],
  // Both GPU providers: DirectML, and the shader compiler that WebGPU uses there.
  win32: ['onnxruntime.dll', 'DirectML.dll', 'dxcompiler.dll', 'dxil.dll'],
};

/** @type {typeof common} */
const bothRuntimes = [
  'node_modules/onnxruntime-common/package.json',
  ['node_modules/onnxruntime-common/dist/cjs', /\.js$|^package\.json$/],
];

/** @type {typeof common} */
const wasmRuntime = [
  // Bundles import it as a module of the newer kind.
  ['node_modules/onnxruntime-common/dist/esm', /\.js$|^package\.json$/],
  'node_modules/onnxruntime-web/package.json',
  ['node_modules/onnxruntime-web/dist', /^ort\.node\.min\.mjs$|^ort-wasm-simd-threaded\.(mjs|wasm)$/],
];

/** @type {typeof common} */
const nativeRuntime = ['node_modules/onnxruntime-node/package.json', ['node_modules/onnxruntime-node/dist', /\.js$/]];

/**
 * The files of a target's package, relative to the root.
 * @param {string} root
 * @param {string} target
 * @throws {Error} naming a folder that has none of the files it should have
 */
export function packagedFiles(root, target) {
  const models = readdirSync(join(root, 'models', 'bundled'));
  const rules = [...common, ...models.map(name => /** @type {const} */ ([`models/bundled/${name}`, model]))];
  const runtime = target === 'universal' ? wasmRuntime : [...nativeRuntime, ...nativeFiles(root, target)];
  return [...rules, ...bothRuntimes, ...runtime].flatMap(rule => {
    if (typeof rule === 'string') return [rule];
    const [folder, names] = rule;
    const found = readdirSync(join(root, folder)).filter(name => names.test(name));
    if (found.length === 0) throw new Error(`${folder} has no file that matches ${names}.`);
    return found.sort().map(name => (folder === '.' ? name : `${folder}/${name}`));
  });
}

/** @param {string} root @param {string} target */
function nativeFiles(root, target) {
  const [os = '', arch = ''] = target.split('-');
  const bin = 'node_modules/onnxruntime-node/bin';
  const napi = readdirSync(join(root, bin)).find(name => name.startsWith('napi-v'));
  return ['onnxruntime_binding.node', ...(libraries[os] ?? [])].map(name => `${bin}/${napi}/${os}/${arch}/${name}`);
}

/**
 * Names of the files in a zip archive, from its central directory.
 * @param {Buffer} zip
 */
export function namesInZip(zip) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('This is no zip archive.');
  const names = [];
  let at = zip.readUInt32LE(end + 16);
  for (let i = zip.readUInt16LE(end + 10); i > 0; i--) {
    const nameLength = zip.readUInt16LE(at + 28);
    names.push(zip.toString('utf8', at + 46, at + 46 + nameLength));
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return names;
}
