// What others made that is in a package, with its licences: `THIRD-PARTY-NOTICES.txt`, and what npm's bill of materials lacks.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {string} version
 * @property {string} license
 * @property {string} text licence and notices, as they have to be passed on
 */

/** Packages whose files are copied into a package beside the bundles. */
const copied = ['@vscode/codicons', 'onnxruntime-common', 'onnxruntime-node', 'onnxruntime-web'];

/** Who holds the copyright of packages that bring no licence file; their metadata names the licence. @type {Record<string, string>} */
const holders = {
  '@bufbuild/protobuf': 'Copyright 2021-2026 Buf Technologies, Inc.\nCopyright 2008 Google Inc. All rights reserved.',
  '@connectrpc/connect': 'Copyright 2021-2026 The Connect Authors',
  '@connectrpc/connect-node': 'Copyright 2021-2026 The Connect Authors',
  '@microsoft/fast-element': 'Copyright (c) Microsoft Corporation.',
  '@microsoft/fast-foundation': 'Copyright (c) Microsoft Corporation.',
  '@microsoft/fast-web-utilities': 'Copyright (c) Microsoft Corporation.',
  '@vscode/l10n': 'Copyright (c) Microsoft Corporation.',
};

/** In a package, but of no npm package of their own. */
const others = [
  {
    ...{ name: 'DejaVu Sans Mono (letters of PNG pictures, src/export/glyphs.json)', license: 'Bitstream-Vera' },
    text:
      'Fonts are (c) Bitstream. DejaVu changes are in public domain. Copyright (c) 2003 by Bitstream, Inc. All Rights Reserved. ' +
      'Bitstream Vera is a trademark of Bitstream, Inc. The copyright and trademark notices and this permission notice shall be ' +
      'included in all copies of one or more of the Font Software typefaces. THE FONT SOFTWARE IS PROVIDED "AS IS", WITHOUT ' +
      'WARRANTY OF ANY KIND. https://dejavu-fonts.github.io/License.html',
  },
  {
    ...{ name: 'ONNX protocol buffer schema (onnx.proto)', license: 'Apache-2.0' },
    text: 'Copyright (c) ONNX Project Contributors. Code generated from it is in the bundles. Apache License 2.0, as above.',
  },
  {
    ...{ name: 'Open Inference Protocol schema (open_inference_grpc.proto)', license: 'Apache-2.0' },
    text: 'Copyright The KServe Authors. Code generated from it is in the bundles. Apache License 2.0, as above.',
  },
  {
    ...{ name: 'DirectML (DirectML.dll)', license: 'LicenseRef-Microsoft-DirectML' },
    text:
      'In packages for Windows, as onnxruntime-node brings it. Copyright (c) Microsoft Corporation. Microsoft Software License ' +
      'Terms: https://www.nuget.org/packages/Microsoft.AI.DirectML',
  },
  {
    ...{
      type: 'library',
      name: 'DirectX Shader Compiler (dxcompiler.dll, dxil.dll)',
      license: 'LicenseRef-Microsoft-DXC',
    },
    text:
      'In packages for Windows, as onnxruntime-node brings it. University of Illinois/NCSA Open Source License (dxcompiler.dll) ' +
      'and Microsoft Software License Terms (dxil.dll): https://www.nuget.org/packages/Microsoft.Direct3D.DXC',
  },
];

/** @param {string} path */
const readText = path =>
  readFileSync(path, 'utf8')
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
    .trim();

/** What a package with this licence has to bring where it has no file of it. @param {string} license @param {string} holder */
function standardText(license, holder) {
  const texts = join(root, 'third-party', 'licenses');
  return [
    holder,
    ...license
      .split(/[()]| AND /)
      .filter(Boolean)
      .map(id => readText(join(texts, `${id}.txt`))),
  ].join('\n\n');
}

/** @param {string} folder such as `node_modules/fflate` */
function partOf(folder) {
  const path = join(root, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const files = readdirSync(path).filter(file => /^(licen[cs]e|notices?|copying)/i.test(file));
  const texts = files.sort().map(file => readText(join(path, file)));
  // Of npm's packages none has the notices of what is compiled into ONNX Runtime: they are kept with the project.
  const kept = join(root, 'third-party', 'onnxruntime');
  if (name === 'onnxruntime-common')
    texts.push(...['LICENSE', 'ThirdPartyNotices.txt'].map(file => readText(join(kept, file))));
  else if (name.startsWith('onnxruntime-')) texts.push('MIT License and notices as of onnxruntime-common.');
  else if (texts.length === 0) {
    const holder = holders[name];
    if (!holder) throw new Error(`${folder} has no licence file. Name its copyright holder in scripts/notices.mjs.`);
    texts.push(standardText(license, holder));
  }
  return { name, version, license, text: texts.join('\n\n') };
}

/**
 * All parts of a package that npm knows.
 * @param {readonly string[]} bundled folders of packages of which something is in a bundle
 * @returns {Part[]} in the order of their names
 */
export function partsOf(bundled) {
  const folders = new Set([...bundled, ...copied.map(name => `node_modules/${name}`)]);
  const missing = [...folders].find(folder => !existsSync(join(root, folder)));
  if (missing) throw new Error(`${missing} is not installed.`);
  return [...folders].map(partOf).sort((a, b) => (a.name + a.version < b.name + b.version ? -1 : 1));
}

/** @param {readonly Part[]} parts */
export function noticesOf(parts) {
  const line = '='.repeat(80);
  const entries = [
    ...parts.map(({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}`),
    ...others.map(({ name, license, text }) => `${name} (${license})\n\n${text}`),
  ];
  const head = 'MTA Inspector contains the following software and files of others, under the licences given with them.';
  return `${[head, ...entries].join(`\n\n${line}\n\n`)}\n`;
}

/**
 * The components of a bill of materials: those that npm lists, and all that is in a package besides (npm lists what is
 * installed with a package, which is neither all that is bundled nor all that is copied).
 * @param {readonly {name: string, version?: string}[]} listed
 * @param {readonly Part[]} parts
 */
export function completeComponents(listed, parts) {
  const known = new Set(listed.map(({ name, version }) => `${name}@${version}`));
  const missing = parts.filter(({ name, version }) => !known.has(`${name}@${version}`));
  const licensesOf = (/** @type {string} */ license) =>
    license.startsWith('LicenseRef') ? [{ license: { name: license } }] : [{ license: { id: license } }];
  return [
    ...listed,
    ...missing.map(({ name, version, license }) => {
      const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
      return { 'bom-ref': `${name}@${version}`, type: 'library', name, version, purl, licenses: licensesOf(license) };
    }),
    ...others.map(({ name, license }) => ({ 'bom-ref': name, type: 'library', name, licenses: licensesOf(license) })),
  ];
}
