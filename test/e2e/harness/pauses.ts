// Measures how long the extension host is held up, without a line of it in the extension itself.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVSIX } from '@vscode/vsce';
import { buildSync } from 'esbuild';
import { root } from '../../../scripts/setup.mjs';

export interface ReportedPause {
  readonly durationMs: number;
  /** Processor time of the whole extension host meanwhile. */
  readonly workMs: number;
  /** That part in which a function of this extension was on the stack. */
  readonly ownMs: number;
  /** It began before the extension was active: its code was being loaded. */
  readonly isStarting: boolean;
}

/**
 * Packages the watching extension.
 * @param name of its folder in `test-results/`.
 * @returns what the workbench is to be started with, and a reader of the pauses so far, which throws where nothing watched.
 */
export async function watchPauses(name: string): Promise<{
  readonly options: { more: string[]; environment: Readonly<Record<string, string>> };
  read(): ReportedPause[];
}> {
  const folder = join(root, 'test-results', `${name}-pauses`);
  const report = join(folder, 'pauses.jsonl');
  const packagePath = join(folder, 'watch.vsix');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = {
    ...{ name: 'pause-watch', publisher: 'mta-inspector-tests', version: '0.0.1', license: 'SEE LICENSE IN none' },
    ...{ engines: { vscode: '^1.90.0' }, main: './watch.cjs', activationEvents: ['*'] },
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  buildSync({
    entryPoints: [join(root, 'test', 'fixtures', 'pauses', 'watch.ts')],
    ...{
      outfile: join(folder, 'watch.cjs'),
      bundle: true,
      platform: 'node',
      external: ['vscode'],
      format: 'cjs',
      target: 'node20',
    },
  });
  await createVSIX({
    cwd: folder,
    packagePath,
    dependencies: false,
    allowMissingRepository: true,
    skipLicense: true,
    allowStarActivation: true,
  });
  return {
    options: { more: [packagePath], environment: { MTA_PAUSES: report } },
    read: () =>
      readFileSync(report, 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line) as ReportedPause),
  };
}
