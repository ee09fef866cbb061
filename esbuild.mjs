// Builds the four bundles into dist/: extension host, inference process, command line, webview.
import { cpSync, mkdirSync } from 'node:fs';
import { build, context } from 'esbuild';

const isWatch = process.argv.includes('--watch');
const isProduction = process.argv.includes('--production');
const common = { bundle: true, minify: isProduction, sourcemap: !isProduction, logLevel: 'warning', target: 'es2022' };
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
  await Promise.all(bundles.map(options => build(options)));
}
cpSync('node_modules/@vscode/codicons/dist/codicon.ttf', 'dist/codicon.ttf', { force: true });
cpSync('node_modules/@vscode/codicons/dist/codicon.css', 'dist/codicon.css', { force: true });
