// Pictures of the guide's measures: each page's own command, run by the command line, as a picture of 256 colors.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { indexedPng } from '../fixtures/indexedPng';
import { root } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const pages = join(root, 'docs', 'guide', 'measures');
const pictures = join(root, 'docs', 'pictures', 'measures');

export function makeMeasurePictures(): void {
  const folder = mkdtempSync(join(tmpdir(), 'mta-measures-'));
  mkdirSync(pictures, { recursive: true });
  const commands = new Map<string, string[]>();
  for (const page of readdirSync(pages)) {
    const [, line, name] =
      /^mta-inspect (export .* --out (\S+\.png))$/m.exec(readFileSync(join(pages, page), 'utf8')) ?? [];
    if (line && name) commands.set(name, line.split(' '));
  }
  try {
    for (const [name, args] of commands) {
      const out = join(folder, name);
      execFileSync(process.execPath, [cliProgram, ...args.slice(0, -1), out], { cwd: root, stdio: 'inherit' });
      writeFileSync(join(pictures, name), indexedPng(readFileSync(out)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
