import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../fixtures/paths';

/** Script and style of page.ts, bundled as the webview's are. */
export async function bundlePage(): Promise<{ script: string; style: string }> {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(root, 'test', 'bench', 'page.ts')], bundle: true, write: false, outdir: 'out' },
    ...{ format: 'iife', platform: 'browser', target: 'es2022' },
  });
  const text = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))!.text;
  return { script: text('.js'), style: text('.css') };
}
