// Builds the bundles into dist/, or the folder after --outdir: extension host, inference process, chat templates, command
// line, webview.
import { cpSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, context } from 'esbuild';

const { values } = parseArgs({
  options: {
    watch: { type: 'boolean' },
    production: { type: 'boolean', default: false },
    outdir: { type: 'string', default: 'dist' },
  },
});
const { production: isProduction, outdir } = values;
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
  { ...node, entryPoints: { extension: 'src/extension.ts' }, outdir, outExtension: { '.js': '.cjs' } },
  {
    ...node,
    entryPoints: { inference: 'src/inference/process.ts', renderChat: 'src/inference/renderChat.ts' },
    outdir,
    outExtension: { '.js': '.cjs' },
  },
  {
    ...node,
    entryPoints: { cli: 'src/cli/main.ts' },
    banner: { js: '#!/usr/bin/env node' },
    outdir,
    outExtension: { '.js': '.cjs' },
  },
  {
    ...common,
    platform: 'browser',
    format: 'iife',
    entryPoints: { webview: 'webview/main.ts', report: 'webview/report.ts' },
    outdir,
  },
];

mkdirSync(outdir, { recursive: true });
if (values.watch) {
  for (const options of bundles) await (await context(options)).watch();
} else {
  const built = await Promise.all(bundles.map(options => build({ ...options, metafile: true, write: false })));
  for (const { path, contents } of built.flatMap(({ outputFiles }) => outputFiles)) replaceFile(path, contents);
  replaceFile(join(outdir, 'packages.json'), JSON.stringify(packagesIn(built.map(({ metafile }) => metafile))));
}
cpSync('node_modules/@vscode/codicons/dist/codicon.ttf', join(outdir, 'codicon.ttf'), { force: true });
cpSync('node_modules/@vscode/codicons/dist/codicon.css', join(outdir, 'codicon.css'), { force: true });
