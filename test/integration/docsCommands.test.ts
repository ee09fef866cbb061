/** Commands that pages of the documentation show run as they are written and print what the page says; the cheap ones of them. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand } from '../fixtures/commandLine';
import { root } from '../fixtures/paths';

/** Where commands run: what they name is there, and what they write is not in the repository. */
const folder = mkdtempSync(join(tmpdir(), 'mta-docs-'));
before(() => {
  for (const name of ['samples', 'models']) symlinkSync(join(root, name), join(folder, name));
  process.chdir(folder);
});
after(() => {
  process.chdir(root);
  rmSync(folder, { recursive: true, force: true });
});

const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.md') && !name.includes('node_modules'))
  .map(name => `docs/${name.replaceAll('\\', '/')}`)
  .sort();
const blocksOf = (page: string) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(\w*)\n(.*?)^```/gms)].map(
    ([, language, text]) => [language!, text!] as const,
  );
/** Half a minute and more of processor time each: occlusions and ablations of a language model. */
const isLong = (command: string) => /--occlude|ablate (?!.*toy)/.test(command);

function run(command: string) {
  const [program, ...args] = command.match(/"[^"]*"|\S+/g)!.map(word => word.replaceAll('"', ''));
  assert.equal(program, 'mta-inspect');
  return runCommand(...args);
}

test('commands with their output print it, but for rounding and for what the page leaves out', () => {
  let nRun = 0;
  for (const page of pages) {
    for (const [, text] of blocksOf(page)) {
      for (const [, command, shown] of text.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
        if (isLong(command!)) continue;
        const { status, stdout, stderr } = run(command!);
        assert.equal(status, 0, `${page}: ${command}\n${stderr}`);
        let printed = stdout.split('\n');
        for (const line of shown!.split('\n')) {
          const at = printed.findIndex(other => isPartOf(line, other));
          assert.ok(at >= 0, `${page}: ${command}\n${line}\nis not in\n${stdout}`);
          printed = printed.slice(at + 1);
        }
        nRun++;
      }
    }
  }
  assert.ok(nRun >= 9, String(nRun));
});

/** Whether a line's words are words of the other, in order; the last may be cut off, and numbers differ by 2 %. */
function isPartOf(line: string, other: string): boolean {
  const words = other.split(/\s+/);
  const shown = line.split(/\s+/).filter(word => word !== '' && word !== '…');
  return shown.every((word, i) => {
    const at = words.findIndex(
      printed => isAlike(word, printed) || (i === shown.length - 1 && printed.startsWith(word)),
    );
    words.splice(0, at + 1);
    return at >= 0;
  });
}

function isAlike(one: string, other: string): boolean {
  const [a, b] = [one, other].map(word => Number(word.replace('−', '-')));
  return one === other || Math.abs(a! - b!) <= 0.02 * Math.max(0.01, Math.abs(a!));
}

test('commands without output are read as they are written: what they name exists, and every option does', () => {
  let nRun = 0;
  const seen = new Set<string>();
  for (const page of pages) {
    for (const [language, text] of blocksOf(page)) {
      if (language !== '' && language !== 'yaml') continue;
      for (const [, line] of text.matchAll(/^(?:- run: )?(mta-inspect .*)$/gm)) {
        const command = line!
          .replace(/\s{2,}\(.*\)$/, '')
          .replace(/ > .*| >> .*/, '')
          .replace(/ --model \S+/, '');
        if (/^mta-inspect (models|download|completion)/.test(command) || seen.has(command)) continue;
        seen.add(command);
        // Without the model nothing is computed, and it is looked for after everything else was understood.
        const { status, stderr } = run(`${placed(command)} --model none`);
        assert.match(stderr, /There is no model "none"/, `${page}: ${command}`);
        assert.equal(status, 1, command);
        nRun++;
      }
    }
  }
  assert.ok(nRun >= 15, String(nRun));
});

/** A command with files and numbers in place of its capitals. */
function placed(command: string): string {
  const text = readFileSync(join(root, 'samples', 'lighthouse.md'), 'utf8').repeat(2);
  for (const name of ['FILE', 'CLEAN', 'CORRUPTED']) writeFileSync(join(folder, name), text);
  return command
    .replace('FILE...', 'FILE')
    .replaceAll(/\bID\b/g, '7')
    .replace('heads.json; ', '');
}

test('maps are read in numpy as the page says', t => {
  const python = ['python3', '/usr/bin/python3'].find(name => spawnSync(name, ['-c', 'import numpy']).status === 0);
  if (!python) return t.skip('needs Python with numpy');
  const blocks = blocksOf('docs/for-researchers.md');
  const [command] = blocks.flatMap(([, text]) => text.match(/^mta-inspect export.*npz.*/m) ?? []);
  assert.equal(run(command!).status, 0);
  const [, script] = blocks.find(([language]) => language === 'python')!;
  const { status, stdout, stderr } = spawnSync(python, ['-c', script], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\(7, 448, 448\) \d+ 0\.7\d+\n$/);
});
