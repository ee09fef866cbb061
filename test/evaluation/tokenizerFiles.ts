/**
 * Compares ids and offsets of source files with those of `tokenizers`: `npm run compare:tokenizers -- DIRECTORY...`, with a
 * Python that has the library as `python3` or in MTA_PYTHON. Ends with 1 where a file differs.
 */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../fixtures/paths';
import { hashOf, pipelines } from '../fixtures/tokenizerPipelines';

async function main(args: readonly string[]): Promise<number> {
  const python = spawn(
    process.env['MTA_PYTHON'] ?? 'python3',
    ['-m', 'export.tokenizer_files', join(root, 'test/fixtures/tokenizers/pipelines/pipelines.json.gz'), ...args],
    { cwd: join(root, 'models'), stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise<number>(resolve => python.on('close', code => resolve(code ?? 1)));
  let files: readonly string[] = [];
  let [nPipelines, nDifferent] = [0, 0];
  for await (const line of createInterface({ input: python.stdout })) {
    const record = JSON.parse(line);
    if (record.files) {
      files = record.files;
      const bytes = files.reduce((sum, file) => sum + readFileSync(file).length, 0);
      console.log(`${files.length} files, ${(bytes / 1e6).toFixed(1)} MB, ${record.library}`);
      continue;
    }
    const { name, hashes } = record as { name: string; hashes: readonly string[] };
    if (!Object.hasOwn(pipelines, name)) throw new Error(`unknown pipeline ${name}`);
    const different = files.filter((file, i) => hashOf(name, [readFileSync(file, 'utf8')]) !== hashes[i]);
    nPipelines++;
    nDifferent += different.length;
    console.log(
      `${name}: ${different.length} of ${files.length} files differ${different.map(file => `\n  ${file}`).join('')}`,
    );
  }
  const code = await exited;
  console.log(`${nPipelines} pipelines, ${nDifferent} differences`);
  return code || (nPipelines === 0 || files.length === 0 || nDifferent > 0 ? 1 : 0);
}

main(process.argv.slice(2)).then(code => {
  process.exitCode = code;
});
