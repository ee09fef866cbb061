// The tiny models of every family as a folder that a machine with a GPU runs with Node alone, under 64 MB:
// `npm run package:gpu`, then there `node dist/gpu-families/run.cjs` (docs/developing.md, GPU).
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { ensureNodeModules, root } from './setup.mjs';

ensureNodeModules();
const folder = join(root, 'dist', 'gpu-families');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
buildSync({
  entryPoints: [join(root, 'test', 'fixtures', 'gpuFamilies.ts')],
  outfile: join(folder, 'run.cjs'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  external: ['onnxruntime-node'],
});
cpSync(join(root, 'test', 'fixtures', 'hugging-face'), join(folder, 'hugging-face'), { recursive: true });
for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
  const from = join(root, 'node_modules', name);
  cpSync(from, join(folder, 'node_modules', name), {
    recursive: true,
    dereference: true,
    filter: path => !/[/\\]bin[/\\]napi-v\d+[/\\](?!linux$|linux[/\\]x64)/.test(path) && !/\.(map|ts)$/.test(path),
  });
}
console.log(folder);
