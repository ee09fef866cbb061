// Builds the four bundles into dist/: extension host, inference process, command line, webview.
import { cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { build, context } from 'esbuild';

const isWatch = process.argv.includes('--watch');
const isProduction = process.argv.includes('--production');
const common = { bundle: true, minify: isProduction, sourcemap: !isProduction, logLevel: 'warning', target: 'es2022' };

/**
 * Folders of the packages of which something is in a bundle: their licences have to be passed on.
 * @param {import('esbuild').Metafile[]} metafiles
 */
function packagesIn(metafiles) {
  const outputs = metafiles.flatMap(({ outputs }) => Object.values(outputs));
  const inputs = outputs.flatMap(output => Object.entries(output.inputs));
  const used = inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path);
  const folders = used.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

/**
 * A program that reads a bundle while it is built again finds the old one or the new one, never half of it: test files
 * that build run beside others that start the command line.
 * @param {string} path
 * @param {string | Uint8Array} contents
 */
function replaceFile(path, contents) {
  const written = `${path}.${process.pid}.new`;
  writeFileSync(written, contents);
  renameSync(written, path);
}

const node = {
  ...common,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['vscode', 'onnxruntime-node', 'onnxruntime-web'],
};

const bundles = [
  { ...node, entryPoints: { extension: 'src/extension.ts' }, outdir: 'dist', outExtension: { '.js': '.cjs' } },
  { ...node, entryPoints: { inference: 'src/inference/process.ts' }, outdir: 'dist', outExtension: { '.js': '.cjs' } },
  {
    ...node,
    entryPoints: { cli: 'src/cli/main.ts' },
    banner: { js: '#!/usr/bin/env node' },
    outdir: 'dist',
    outExtension: { '.js': '.cjs' },
  },
  {
    ...common,
    platform: 'browser',
    format: 'iife',
    entryPoints: { webview: 'webview/main.ts', report: 'webview/report.ts' },
    outdir: 'dist',
  },
];

mkdirSync('dist', { recursive: true });
if (isWatch) {
  for (const options of bundles) await (await context(options)).watch();
} else {
  const built = await Promise.all(bundles.map(options => build({ ...options, metafile: true, write: false })));
  for (const { path, contents } of built.flatMap(({ outputFiles }) => outputFiles)) replaceFile(path, contents);
  replaceFile('dist/packages.json', JSON.stringify(packagesIn(built.map(({ metafile }) => metafile))));
}
cpSync('node_modules/@vscode/codicons/dist/codicon.ttf', 'dist/codicon.ttf', { force: true });
cpSync('node_modules/@vscode/codicons/dist/codicon.css', 'dist/codicon.css', { force: true });
