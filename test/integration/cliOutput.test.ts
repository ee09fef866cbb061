/** Outputs of the command line are whole or not there, and nothing of the outside reaches a terminal raw. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand as cli } from '../fixtures/commandLine';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-output-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const file = join(scratch, 'a.txt');
before(() => writeFileSync(file, 'const a = 1;\n'));

const model = ['--model', tinyModelDirectory];
/** A command line of a shell, with the program as $0. */
const shell = (line: string) =>
  spawnSync('bash', ['-c', `mi() { "${process.execPath}" "${cliProgram}" "$@"; }; ${line}`], {
    cwd: root,
    encoding: 'utf8',
  });

test('as a program: results on standard output, what went wrong beside it, and the exit code says which', () => {
  const runs = [
    [['analyze', file, ...model], 0, /^"a\.txt"|a\.txt/, /^$/],
    [['analyze', `${file}.none`, ...model], 1, /^$/, /^mta-inspect: Cannot read .*a\.txt\.none: there is no such file/],
    [['analyze', file, ...model, '--top', '0'], 2, /^$/, /^mta-inspect: --top is "0", expected a whole number from 1/],
  ] as const;
  for (const [args, code, out, beside] of runs) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cliProgram, ...args], { encoding: 'utf8' });
    assert.equal(status, code, stderr);
    assert.match(stdout, out);
    assert.match(stderr, beside);
    assert.deepEqual(cli(...args), { status, stdout, stderr });
  }
});

const noPlace: [what: string, out: () => string, message: RegExp][] = [
  ['a missing folder', () => join(scratch, 'none', 'o.json'), /the folder .*none does not exist/],
  ['a folder', () => scratch, /it is a folder/],
  ['a name that is too long', () => join(scratch, 'x'.repeat(300)), /longer than 255 bytes/],
  ...(existsSync('/dev/full') ? [['a full device', () => '/dev/full', /always full/] as const] : []).map(
    row => [...row] as [string, () => string, RegExp],
  ),
];
for (const [what, out, message] of noPlace) {
  test(`${what} is said before the work`, () => {
    // A model that is not there would be said first if the work had begun.
    for (const args of [
      ['analyze', file, '--json', out()],
      ['export', file, '--format', 'svg', '--out', out()],
    ]) {
      const run = cli(...args, '--model', 'none');
      assert.deepEqual([run.status, run.stdout], [1, '']);
      assert.match(run.stderr, message);
      assert.doesNotMatch(run.stderr, /There is no model|^ {4}at /m);
    }
  });
}

test('what the command reads is not written over, however it is named', () => {
  const link = join(scratch, 'link.txt');
  symlinkSync(file, link);
  const folder = join(scratch, 'model');
  cpSync(tinyModelDirectory, folder, { recursive: true });
  const heads = join(scratch, 'heads.json');
  writeFileSync(heads, '{}');
  const cases = [
    ['analyze', file, '--json', file],
    ['analyze', file, '--json', join(scratch, '.', 'none', '..', 'a.txt')],
    ['analyze', file, '--json', link],
    ['export', file, '--format', 'json', '--out', file],
    ['export', file, '--format', 'json', '--out', join(folder, 'config.json')],
    ['export', file, '--format', 'npz', '--out', join(folder, 'model.safetensors')],
    ['context', file, '--at', '3', '--heads-file', heads, '--json', heads],
    ['patch', file, link, '--at', '3', '--target', '1', '--minus', '2', '--what', 'head', '--json', file],
  ];
  for (const args of cases) {
    const run = cli(...args, '--model', folder);
    assert.deepEqual([run.status, run.stdout], [1, ''], args.join(' '));
    assert.match(run.stderr, /the command reads this file\. Name another one/);
  }
  assert.equal(readFileSync(file, 'utf8'), 'const a = 1;\n');
  // Another name in a model's folder is free.
  assert.equal(cli('analyze', file, '--json', join(folder, 'out.json'), '--model', folder).status, 0);
});

test('a file is replaced when the new one is whole, and nothing else stays', () => {
  const folder = join(scratch, 'out');
  mkdirSync(folder);
  const out = join(folder, 'o.csv');
  writeFileSync(out, 'older', { mode: 0o640 });
  const missing = cli('export', file, ...model, '--format', 'csv', '--out', out, '--layer', '9');
  assert.deepEqual([missing.status, readFileSync(out, 'utf8')], [2, 'older']);
  const run = cli('export', file, ...model, '--format', 'csv', '--out', out);
  assert.equal(run.status, 0, run.stderr);
  assert.match(readFileSync(out, 'utf8'), /^query,key,/);
  assert.deepEqual(readdirSync(folder).toSorted(), ['o.csv', 'o.csv.json']);
  writeFileSync(`${out}.json`, '{"mine": true}');
  const other = cli('export', file, ...model, '--format', 'csv', '--out', out);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /another file is there/);
});

test('a pipe beside a CSV file is not waited for, an endless list of examples or heads is not read to its end', {
  skip: process.platform === 'win32',
}, () => {
  const out = join(scratch, 'piped.csv');
  spawnSync('mkfifo', [`${out}.json`]);
  const runs = [
    [['export', file, '--format', 'csv', '--out', out], /another file is there/],
    [['choose-heads', file, '--labels', '/dev/zero'], /Cannot read \/dev\/zero: it has 64 MB or more, at most 64 MB/],
    [['context', file, '--at', '3', '--heads-file', '/dev/zero'], /it has 64 MB or more/],
  ] as const;
  for (const [args, message] of runs) {
    const options = { cwd: root, encoding: 'utf8', timeout: 60_000 } as const;
    const run = spawnSync(process.execPath, [cliProgram, ...args, ...model], options);
    assert.equal(run.status, 1, `${args.join(' ')}: ${run.stderr}`);
    assert.match(run.stderr, message);
  }
});

test('a closed pipe ends the table, not the file; without a file the exit code says so', {
  skip: process.platform === 'win32',
}, () => {
  const json = join(scratch, 'eval.json');
  const run = shell(
    `mi eval "${file}" "${file}" --model "${tinyModelDirectory}" --json "${json}" | true; echo "\${PIPESTATUS[0]}"`,
  );
  assert.equal(run.stdout, '0\n', run.stderr);
  assert.equal(JSON.parse(readFileSync(json, 'utf8')).files.length, 2);
  const table = shell(`mi analyze "${file}" --model "${tinyModelDirectory}" | true; echo "\${PIPESTATUS[0]}"`);
  assert.equal(table.stdout, '141\n', table.stderr);
});

test('a full standard output is a failure', { skip: !existsSync('/dev/full') }, () => {
  const run = shell(`mi export "${file}" --model "${tinyModelDirectory}" --format csv --out - > /dev/full`);
  assert.equal(run.status, 1);
  assert.match(run.stderr, /Cannot write to standard output: ENOSPC/);
});

test('text, names of files and of models are written out on a terminal', () => {
  const folder = join(scratch, 'm');
  cpSync(tinyModelDirectory, folder, { recursive: true });
  chmodSync(join(folder, 'config.json'), 0o644);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, name: 'm\u001b]0;x\u0007\u202e' }));
  const hostile = join(scratch, 'a\u001b[2J\u009b\nb.txt');
  writeFileSync(hostile, 'x = 1 \u001b[31m\u009b\u202e\r\ny = x\n');
  for (const args of [
    ['analyze', hostile],
    ['context', hostile, '--at', '16'],
    ['search', hostile, '--at', '16'],
    ['eval', hostile],
    ['heads', hostile],
    ['analyze', hostile, '--json', '-', '--top', '1'],
    ['analyze', `${hostile}.none`],
  ]) {
    const { stdout, stderr } = cli(...args, '--model', folder);
    assert.doesNotMatch(stdout + stderr, /(?![\n\t])\p{Cc}|[\u202a-\u202e]/u, args[0]);
    assert.match(stdout + stderr, /\\u001b/, args[0]);
    assert.doesNotMatch(stdout + stderr, /^b\.txt/m, 'a line end in a name ends no line');
  }
});

test('a repository of a model called ".." stays inside its folder', () => {
  const folder = join(scratch, 'dots');
  cpSync(tinyModelDirectory, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, name: '..' }));
  const out = join(scratch, 'new', 'repository');
  const run = cli('export-repository', '--model', folder, '--out', out);
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(readdirSync(join(scratch, 'new')), ['repository']);
  assert.equal(readdirSync(out).length, 9);
  assert.equal(cli('export-repository', '--model', folder, '--out', out).status, 0, 'again, into the same folder');
  assert.deepEqual([readdirSync(join(scratch, 'new')), readdirSync(out).length], [['repository'], 9]);
});

test('a part of a map is exported by lines, tokens or offsets; what is not there is refused', () => {
  const part = (...options: string[]) => {
    const out = join(scratch, 'part.csv');
    const { status, stderr } = cli('export', file, ...model, '--format', 'csv', '--out', out, ...options);
    return status === 0 ? JSON.parse(readFileSync(`${out}.json`, 'utf8')).part : stderr;
  };
  const tokens = part('--queries', '1:3', '--keys', '0:2', '--unit', 'tokens');
  assert.deepEqual([tokens.first_query, tokens.last_query, tokens.first_key, tokens.last_key], [1, 2, 0, 1]);
  assert.deepEqual(part('--queries', '1:2', '--unit', 'lines').first_line, 1);
  assert.match(
    part('--queries', '9:99', '--unit', 'lines'),
    /--queries has 9:99, expected lines in the inspected window/,
  );
  assert.match(part('--queries', '1:2', '--keys', '2:3', '--unit', 'tokens'), /all of these cells are masked/);
});
