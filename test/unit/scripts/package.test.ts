import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { listFiles, PackageManager } from '@vscode/vsce';
import { completeComponents, noticesOf, partsOf } from '../../../scripts/notices.mjs';
import { packagedFiles, targets } from '../../../scripts/packageContents.mjs';
import { modelPackage } from '../../../scripts/packageModel.mjs';
import { splitWeights } from '../../../scripts/splitWeights.mjs';
import { contributedModels } from '../../../src/analysis/contributedModels';
import { joinedTensors } from '../../../src/inference/model/splitWeights';
import { parseSafetensorsHeader } from '../../../src/shared/tools/safetensors';
import { int8ModelDirectory, root } from '../../fixtures/paths';
import { writeSafetensors } from '../../fixtures/safetensors';

const scratch = mkdtempSync(join(tmpdir(), 'mta-package-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Everything that may be in a package, written independently of the rules that choose it. */
const allowed = [
  /^(package|package\.nls(\.\w+)?)\.json$/,
  /^(README|CHANGELOG|SECURITY)\.md$|^LICENSE$|^dist\/(sbom\.cdx\.json|THIRD-PARTY-NOTICES\.txt)$/,
  /^api\/mtaInspector\.d\.ts$/,
  /^dist\/(extension|inference|renderChat|cli)\.cjs$|^dist\/(webview|report)\.(js|css)$|^dist\/codicon\.(css|ttf)$/,
  /^media\/[\w/-]+\.(svg|png)$/,
  /^l10n\/bundle\.l10n(\.\w+)?\.json$/,
  /^models\/bundled\/[\w-]+\/(config\.json|tokenizer\.json|model\.safetensors|README\.md|[\w-]+\.svg)$/,
  /^samples\/[\w.-]+$/,
  /^node_modules\/onnxruntime-web\/(package\.json|dist\/ort\.node\.min\.mjs|dist\/ort-wasm-simd-threaded\.(mjs|wasm))$/,
  /^node_modules\/onnxruntime-(common|node)\/(package\.json|dist\/[\w/-]+\.js|dist\/(cjs|esm)\/package\.json)$/,
];

for (const target of targets) {
  test(`a package for ${target} holds what it needs, its own binaries and nothing else`, () => {
    const files = packagedFiles(root, target);
    const native = new RegExp(`^node_modules/onnxruntime-node/bin/napi-v\\d+/${target.replace('-', '/')}/[\\w.]+$`);
    const strange = files.filter(file => !native.test(file) && !allowed.some(pattern => pattern.test(file)));
    assert.deepEqual(strange, []);
    const nBindings = files.filter(file => file.endsWith('/onnxruntime_binding.node')).length;
    assert.equal(nBindings, target === 'universal' ? 0 : 1);
    assert.ok(files.includes('models/bundled/mta-base/model.safetensors'));
    for (const name of ['sbom.cdx.json', 'THIRD-PARTY-NOTICES.txt']) assert.ok(files.includes(`dist/${name}`), name);
    assert.equal(new Set(files).size, files.length);
  });
}

test('.vscodeignore lets through what is packaged from the checkout, and nothing else', async () => {
  const folder = join(scratch, 'checkout');
  const packaged = packagedFiles(root, 'universal').filter(file => !file.startsWith('node_modules/'));
  const others = [
    ...['src/extension.ts', 'webview/main.ts', 'test/unit/a.test.ts', 'models/training/train.py', '.npmrc', '.ci/run'],
    ...['dist/extension.cjs.map', 'dist/reference.md', 'models/bundled/mta-base/notes.txt', 'media/source.psd'],
    ...['README.md.mta.html', 'tsconfig.json', 'package-lock.json', 'mta-inspector-linux-x64.vsix'],
  ];
  for (const file of [...packaged, ...others]) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  for (const file of ['.vscodeignore', 'package.json']) copyFileSync(join(root, file), join(folder, file));
  const listed = await listFiles({ cwd: folder, packageManager: PackageManager.None });
  assert.deepEqual(listed.sort(), packaged.sort());
});

test('weights stored in halves are the weights again once read; what has no two bytes stays', async () => {
  const source = join(scratch, 'whole.safetensors');
  const values = Float32Array.from({ length: 6 }, (_, i) => (i - 2.5) * 1.001 ** i);
  writeSafetensors(source, new Map([['a.weight', { shape: [2, 3], values }]]), 'fp16');
  const split = join(scratch, 'split.safetensors');
  splitWeights(source, split);
  const entriesOf = (path: string) => {
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    return parseSafetensorsHeader(bytes.subarray(8, 8 + length), bytes.length, path);
  };
  assert.deepEqual([...entriesOf(split).keys()], ['a.weight:F16:high', 'a.weight:F16:low']);
  const joined = joinedTensors(entriesOf(split))!;
  const { start, end, ...entry } = joined.tensors.get('a.weight')!;
  assert.deepEqual(entry, { dtype: 'F16', shape: [2, 3] });
  const original = entriesOf(source).get('a.weight')!;
  assert.deepEqual(
    Buffer.from((await joined.read(split)).subarray(start, end)),
    readFileSync(source).subarray(original.start, original.end),
  );

  writeSafetensors(source, new Map([['b', { shape: [6], values }]]), 'fp32');
  splitWeights(source, split);
  assert.deepEqual([...entriesOf(split).keys()], ['b']);
  assert.equal(joinedTensors(entriesOf(split)), null);
});

/** Parts of a package, whoever made them, with words of the licence that has to go with them. */
const notices: [part: string, words: RegExp][] = [
  [
    'onnxruntime-common',
    /Copyright \(c\) Microsoft Corporation[\s\S]*Permission is hereby granted[\s\S]*protobuf[\s\S]*Eigen/,
  ],
  ['onnxruntime-node', /notices as of onnxruntime-common/],
  ['onnxruntime-web', /notices as of onnxruntime-common/],
  ['@bufbuild/protobuf', /Copyright 2008 Google Inc[\s\S]*Apache License[\s\S]*Neither the name/],
  ['@connectrpc/connect', /The Connect Authors[\s\S]*Apache License/],
  ['@connectrpc/connect-node', /The Connect Authors[\s\S]*Apache License/],
  ['@vscode/codicons', /Attribution 4\.0 International[\s\S]*MIT License/],
  ['@microsoft/fast-element', /Permission is hereby granted/],
  ['valibot', /Permission is hereby granted/],
  ['fflate', /Permission is hereby granted/],
];

test('every bundled part has its licence in the notices, and its place in the bill of materials', () => {
  const metafiles = ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-node'];
  const bundled = [...metafiles, '@microsoft/fast-element', 'valibot', 'fflate'].map(name => `node_modules/${name}`);
  const parts = partsOf(bundled);
  for (const [name, words] of notices) assert.match(parts.find(part => part.name === name)?.text ?? '', words, name);
  const text = noticesOf(parts);
  for (const word of ['ONNX Project', 'KServe', 'DirectML', 'dxcompiler.dll', ...notices.map(([name]) => name)]) {
    assert.ok(text.includes(word), word);
  }
  assert.ok(text.includes('CC-BY-4.0') || text.includes('Attribution 4.0'));
  // npm's own list holds few of them; the order stays, and nothing is there twice.
  const components = completeComponents([{ name: 'valibot', version: parts.at(-1)!.version }, { name: 'x' }], parts);
  const names = components.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 2), ['valibot', 'x']);
  assert.equal(new Set(names).size, names.length);
  const prefixes = [...notices.map(([name]) => name), 'ONNX protocol', 'Open Inference', 'DirectML', 'DirectX Shader'];
  for (const prefix of prefixes)
    assert.ok(
      names.some(name => name.startsWith(prefix)),
      prefix,
    );
});

test('a bundled package without a licence is a failure that names it', () => {
  assert.throws(() => partsOf(['node_modules/no-such-package']), /no-such-package is not installed/);
});

/** A model folder that can be packed, and what changes it. */
function modelFolder(name: string, change: (folder: string) => void = () => {}): string {
  const folder = join(scratch, name);
  cpSync(int8ModelDirectory, folder, { recursive: true });
  const path = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, license: 'Apache-2.0' }));
  for (const file of ['README.md', 'LICENSE', 'curve.svg', 'notes.txt', 'pytorch_model.bin']) {
    writeFileSync(join(folder, file), file);
  }
  change(folder);
  return folder;
}

test('a model’s package holds its files alone, and its manifest is one that the extension reads', () => {
  const { files, manifest } = modelPackage(modelFolder('model'));
  assert.deepEqual(files, [
    ...['LICENSE', 'README.md', 'config.json', 'curve.svg'],
    ...[1, 2, 3].map(i => `model-0000${i}-of-00003.safetensors`),
    ...['model.safetensors.index.json', 'tokenizer.json'],
  ]);
  const { publisher, name } = manifest;
  const [model] = contributedModels([{ id: `${publisher}.${name}`, extensionPath: '/e', packageJSON: manifest }]);
  assert.deepEqual(
    [model?.setting, model?.directory],
    [`${publisher}.int8-model/int8-model`, join('/e', 'int8-model')],
  );
  assert.equal(manifest.license, 'Apache-2.0');
  assert.ok(!('main' in manifest) && !('browser' in manifest) && !('activationEvents' in manifest), 'no code');
});

const config = (change: (config: Record<string, unknown>) => void) => (folder: string) => {
  const path = join(folder, 'config.json');
  const content = JSON.parse(readFileSync(path, 'utf8'));
  change(content);
  writeFileSync(path, JSON.stringify(content));
};
for (const [what, change, message] of [
  ['no card', folder => rmSync(join(folder, 'README.md')), /has no README\.md/],
  ['no license', folder => rmSync(join(folder, 'LICENSE')), /has no LICENSE/],
  ['no named license', config(content => delete content['license']), /has no license/],
  ['another name', config(content => Object.assign(content, { name: '../x' })), /has the name "\.\.\/x"/],
  [
    'no weights',
    folder => {
      for (const i of [1, 2, 3]) rmSync(join(folder, `model-0000${i}-of-00003.safetensors`));
    },
    /has no weights/,
  ],
  [
    'a link',
    folder => {
      rmSync(join(folder, 'tokenizer.json'));
      symlinkSync(join(int8ModelDirectory, 'tokenizer.json'), join(folder, 'tokenizer.json'));
    },
    /tokenizer\.json is not a file/,
  ],
] as readonly (readonly [string, (folder: string) => void, RegExp])[]) {
  test(`a model with ${what} is not packed`, { skip: what === 'a link' && process.platform === 'win32' }, () => {
    assert.throws(() => modelPackage(modelFolder(what.replaceAll(' ', '-'), change)), { message });
  });
}

test('models that are packages of their own are not in the extension', () => {
  for (const target of targets) {
    const models = packagedFiles(root, target).filter(file => file.startsWith('models/'));
    assert.deepEqual([...new Set(models.map(file => file.split('/')[1]))], ['bundled']);
  }
});
