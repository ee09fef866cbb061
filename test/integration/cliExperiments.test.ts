/** lens, knockout and generate on the command line: JSON that fits its schema, tables for people, refusals in words. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Ajv from 'ajv';
import { runCommand as cli } from '../fixtures/commandLine';
import { root, tinyModelDirectory } from '../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-cli-experiments-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const cases = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'causal.json'), 'utf8'));
const text = 'def tide(moon):\n  return moon + 1\n';
const file = join(scratch, 'tide.py');
writeFileSync(file, text);
const model = ['--model', tinyModelDirectory];

// biome-ignore lint/suspicious/noExplicitAny: the schema says what it is
function json(name: string, ...args: string[]): any {
  const run = cli(name, file, ...model, ...args, '--json', '-');
  assert.equal(run.status, 0, run.stderr);
  const parsed: object = JSON.parse(run.stdout);
  const schemaName = name === 'ablate' && args.includes('--what') ? 'ablate-parts' : name;
  const schema = JSON.parse(readFileSync(join(root, 'src', 'cli', 'schemas', `${schemaName}.schema.json`), 'utf8'));
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
  assert.ok(validate(parsed), JSON.stringify(validate.errors));
  return parsed;
}

function assertClose(actual: number, expected: number, tolerance = 2e-4): void {
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

test('lens: a range of tokens, on predicting rows, equals float64', () => {
  const { positions, rows } = json('lens', '--at', '3', '--to', '8', '--top', '2');
  assert.equal(rows, 'predicting');
  assert.deepEqual(
    positions.map(({ token, row, text: of }: { token: number; row: number; text: string }) => [token, row, of]),
    [' t', 'i', 'de'].map((of, i) => [2 + i, 1 + i, of]),
  );
  for (const { row, target, layers } of positions) {
    assert.equal(target.id, cases.ids[row + 1]);
    for (const [layerIdx, layer] of layers.entries()) {
      assertClose(layer.surprisal_bits, cases.lens[layerIdx].surprisal_bits[row]);
      assertClose(layer.kl_bits, cases.lens[layerIdx].kl_bits[row]);
      assertClose(layer.entropy_bits, cases.lens[layerIdx].entropy_bits[row]);
      assert.equal(layer.rank, cases.lens[layerIdx].rank[row]);
      assert.equal(layer.top.length, 2);
    }
  }
});

test('lens: the predicted token has rank 1 after the last layer; the reading row is the token’s own', () => {
  const [position] = json('lens', '--at', '4', '--row', 'reading', '--target', 'predicted').positions;
  assert.deepEqual([position.token, position.row], [2, 2]);
  assert.equal(position.layers.at(-1).rank, 1);
  assert.equal(position.layers.at(-1).top[0].id, position.target.id);
  assert.match(cli('lens', file, ...model, '--at', '4').stdout, /token 2, row 1, target " t" \(256\)/);
});

test('knockout: together and each by itself, in offsets, tokens and lines, equals float64', () => {
  const expected = cases.knock_outs[0];
  const end = ['--at', String(text.length - 1)];
  const row = cases.ids.length - 2;
  for (const [unit, keys] of [
    ['offsets', '8:13'],
    ['tokens', '5:9'],
  ] as const) {
    const { knockouts, rows } = json('knockout', ...end, '--keys', keys, '--unit', unit);
    assert.equal(rows, 'predicting');
    assertClose(knockouts[0].change_bits, expected.change_bits[row]);
    assertClose(knockouts[0].kl_bits, expected.kl_bits[row]);
    assert.deepEqual(knockouts[0].keys, [{ first: 5, end: 9, line: 1, text: '(moon' }]);
  }
  const [, , both, , , heads] = cases.knock_outs;
  assertClose(json('knockout', ...end, '--keys', '3:8,15:18').knockouts[0].change_bits, both.change_bits[row]);
  const some = json('knockout', ...end, '--keys', '14:18', '--unit', 'tokens', '--heads', '0.1,0.3,2.1,2.3');
  assertClose(some.knockouts[0].change_bits, heads.change_bits[row]);
  const each = json('knockout', ...end, '--keys', '3:8,15:18', '--each').knockouts;
  assert.deepEqual(
    each.map(({ keys }: { keys: { text: string }[] }) => keys.map(key => key.text)),
    [[' tide'], ['\n  ']],
  );
  const lines = json('knockout', ...end, '--keys', '1:2', '--unit', 'lines', '--each', '--layers', '0').knockouts;
  assert.deepEqual(
    lines.map(({ keys }: { keys: object[] }) => keys),
    [[{ first: 1, end: 12, line: 1, text: 'def tide(moon):\n' }]],
  );
  assert.match(cli('knockout', file, ...model, ...end, '--keys', '3:8').stdout, /bits {2}line 1 " tide"/);
});

test('patch: every kind equals float64; all positions at once are the clean run; lengths and texts must fit', () => {
  const other = (name: string, of: string) => {
    writeFileSync(join(scratch, name), of);
    return join(scratch, name);
  };
  const corrupted = other('corrupted.py', text.replace('moon', 'coon'));
  const { target, minus, scores, clean_difference: clean } = cases.patch;
  const at = text.indexOf('+') + 1; // the token after it: row 20 reads "+", its predicting row is 19 for "+" itself
  const place = ['--at', String(at - 1), '--target', String(target), '--minus', String(minus)];
  for (const what of ['residual', 'head', 'pattern', 'value'] as const) {
    const found = json('patch', corrupted, ...place, '--what', what);
    assert.equal(found.row, cases.patch.row);
    assertClose(found.clean_difference, clean);
    for (const [layerIdx, expected] of scores[what].entries()) {
      assert.equal(found.scores[layerIdx].length, expected.length);
      for (const [i, score] of expected.entries()) assertClose(found.scores[layerIdx][i], score, 2e-3);
    }
    if (what !== 'residual') continue;
    for (const score of found.together) assertClose(score, 1, 1e-4);
    assert.deepEqual(found.changed[0], expectedChanges(found.clean_tokens, found.corrupted_tokens));
  }
  assert.match(cli('patch', file, corrupted, ...model, ...place, '--what', 'head').stdout, /layer 0, head 2/);
  for (const [second, message] of [
    [other('longer.py', `${text}x`), /the clean one has 24 tokens, the corrupted one 25/],
    [file, /clean and corrupted text are the same up to row 19/],
  ] as const) {
    const run = cli('patch', file, second, ...model, ...place, '--what', 'head');
    assert.match(run.stderr, message);
    assert.equal(run.status, second === file ? 1 : 2);
  }
  assert.match(cli('patch', file, ...model).stderr, /patch needs two files, CLEAN and CORRUPTED, found 1/);
});

const expectedChanges = (clean: readonly string[], corrupted: readonly string[]) =>
  clean.map((label, i) => label !== corrupted[i]);

test('patch --align: equal tokens correspond, and texts may be of unequal length', () => {
  const corrupted = join(scratch, 'longer.py');
  writeFileSync(corrupted, text.replace('moon', 'my coon'));
  const at = ['--at', String(text.indexOf('+')), '--target', '109', '--minus', '99', '--align'];
  const found = json('patch', corrupted, ...at, '--what', 'residual');
  assert.equal(found.alignment, 'tokens');
  assert.equal(found.corrupted_row, found.counterparts.indexOf(found.row));
  for (const [i, token] of found.counterparts.entries()) {
    if (token !== null) assert.equal(found.corrupted_tokens[i], found.clean_tokens[token]);
  }
  const unaligned = found.counterparts.findIndex((token: number | null) => token === null);
  assert.ok(unaligned > 0);
  for (const layer of found.changed) assert.equal(layer[unaligned], false, 'keeps its own values');
  for (const layer of found.scores) assert.equal(layer[unaligned], 0);
  // The row itself is patched after the last layer but one: what it reads of others is the corrupted text's.
  const head = json('patch', corrupted, ...at, '--what', 'pattern');
  assert.ok(head.scores.flat().every(Number.isFinite));
  assert.match(
    cli('patch', file, corrupted, ...model, ...at, '--what', 'head').stdout,
    /tokens up to the row correspond, by equal tokens/,
  );
  writeFileSync(corrupted, text.replace('+', '-'));
  const lost = cli(
    'patch',
    file,
    corrupted,
    ...model,
    '--at',
    String(text.indexOf('+') + 1),
    ...at.slice(2),
    '--what',
    'head',
  );
  assert.match(lost.stderr, /whose row is asked about, has no equal one in longer.py/);
  assert.equal(lost.status, 2);
});

test('ablate --what: parts of any model by zero or mean, beside the same prediction as it is', () => {
  const at = ['--at', String(text.indexOf('+'))];
  const found = json('ablate', ...at, '--what', 'head', '--with', 'zero');
  assert.equal(found.measure, 'log2 probability');
  const lens = json('lens', ...at);
  assertClose(found.original, -lens.positions[0].layers.at(-1).surprisal_bits);
  assert.ok(found.changes.flat().some((change: number) => Math.abs(change) > 1e-3));
  const difference = json('ablate', ...at, '--what', 'mlp', '--with', 'mean', '--target', '109', '--minus', '99');
  assert.equal(difference.measure, 'logit difference');
  assert.deepEqual(difference.together, difference.changes.flat());
  assert.match(
    cli('ablate', file, ...model, ...at, '--what', 'mlp', '--with', 'zero').stdout,
    /layer 0, feed-forward part/,
  );
  for (const [args, message] of [
    [[...at, '--what', 'pattern', '--with', 'mean'], /would let tokens see later ones. Use --with zero/],
    [[...at, '--what', 'head'], /--with is missing, expected zero, mean/],
    [['--what', 'head', '--with', 'zero'], /ablate needs --at OFFSET/],
    [[...at, '--target', '5'], /--target needs --what and --with/],
  ] as const) {
    const run = cli('ablate', file, ...model, ...args);
    assert.match(run.stderr, message);
    assert.equal(run.status, 2);
  }
});

test('generate: greedy tokens equal float64 of the whole text; a seed draws the same again; the file stays', () => {
  const end = ['--at', String(text.length)];
  const greedy = json('generate', ...end, '--tokens', '16');
  assert.deepEqual(
    greedy.tokens.map(({ id }: { id: number }) => id),
    cases.greedy,
  );
  assert.deepEqual([greedy.ended, greedy.prompt.tokens, greedy.prompt.end], ['length', cases.ids.length, text.length]);
  const draw = () =>
    json('generate', ...end, '--tokens', '8', '--seed', '5', '--temperature', '1.2', '--top-p', '0.9').text;
  assert.deepEqual(draw(), draw());
  const [next] = json('generate', ...end, '--tokens', '1', '--top', '7').tokens;
  assert.equal(next.top.length, 7);
  assert.equal(next.top[0].id, cases.greedy[0]);
  const instead = json('generate', '--at', '4', '--tokens', '16', '--instead', text.slice(4));
  assert.deepEqual(
    instead.tokens.map(({ id }: { id: number }) => id),
    cases.greedy,
  );
  assert.equal(readFileSync(file, 'utf8'), text);
});

test('what cannot be done is said in words, with what was expected', () => {
  const refused: readonly (readonly [args: readonly string[], status: number, message: RegExp])[] = [
    [['lens'], 2, /lens needs --at OFFSET/],
    [['lens', '--at', '4', '--target', '301'], 2, /--target is 301, expected a token id from 0 to 300/],
    [['lens', '--at', '4', '--target', 'next'], 2, /--target is "next", expected actual, predicted or a token id/],
    [['lens', '--at', '999'], 2, /--at is 999, expected at most 34/],
    [['lens', '--at', '33', '--row', 'reading'], 2, /No token follows the last one/],
    [['lens', '--at', '4', '--max-tokens', '8', '--to', '30'], 2, /No token of the inspected window is at offset 29/],
    [['knockout', '--at', '20'], 2, /knockout needs --keys FROM:TO/],
    [['knockout', '--at', '20', '--keys', '8:5'], 2, /--keys has "8:5", expected FROM:TO with TO after FROM/],
    [['knockout', '--at', '20', '--keys', '25:30'], 2, /Nothing can be cut between the keys, tokens 16 to 19/],
    [
      ['knockout', '--at', '20', '--keys', '1:90'],
      2,
      /--keys has 1:90, expected offsets in the inspected window, 0 to 34/,
    ],
    [['knockout', '--at', '20', '--keys', '0:9', '--unit', 'lines'], 2, /lines count from 1/],
    [
      ['knockout', '--at', '20', '--keys', '7:9', '--unit', 'lines'],
      2,
      /expected lines in the inspected window, 1 to 2/,
    ],
    [['knockout', '--at', '20', '--keys', '1:3', '--layers', '3'], 2, /--layers has 3, expected layers from 0 to 2/],
    [['generate', '--at', '3', '--tokens', '64'], 2, /--tokens is 64, expected at most 63/],
    [
      ['generate', '--at', '3', '--tokens', '4', '--temperature=-1'],
      2,
      /--temperature is "-1", expected a number from 0/,
    ],
    [['generate', '--at', '99', '--tokens', '4'], 2, /--at is 99, expected at most 34/],
    [
      ['generate', '--at', '3', '--tokens', '4', '--temperature', '0x10'],
      2,
      /--temperature is "0x10", expected a number/,
    ],
    [
      ['generate', '--at', '3', '--tokens', '4', '--seed', '9999999999'],
      2,
      /expected a whole number from 0 to 999999999/,
    ],
    [['generate', '--at', '3', '--tokens', '4', '--branches', '302'], 2, /--branches is 302, expected at most 301/],
    [['lens', '--at', '-1'], 2, /--at is "-1", expected a whole number from 0/],
    [['lens', '--at', '4', '--to', '35'], 2, /--to is 35, expected at most 34, the end of the file/],
    [['context', '--at', '4', '--to', '35'], 2, /--to is 35, expected at most 34, the end of the file/],
    [['search', '--at', '4', '--to', '35'], 2, /--to is 35, expected at most 34, the end of the file/],
    [['search', '--at', '35'], 2, /--at is 35, expected at most 34, the end of the file/],
    [
      ['context', '--at', '2', '--window-start', '20'],
      2,
      /No token of the inspected window is at offset 2: it holds 20 to 34\. Give an offset in it, another --window-start/,
    ],
  ];
  for (const [[command, ...args], status, message] of refused) {
    const run = cli(command!, file, ...model, ...args);
    assert.match(run.stderr, message, `${command} ${args.join(' ')}`);
    assert.equal(run.status, status, run.stderr);
  }
});

test('an offset inside a token, a surrogate pair or at the end selects the whole token, in search and generate too', () => {
  const odd = join(scratch, 'odd.txt');
  writeFileSync(odd, 'the \u{1f30a} tide');
  const at = (command: string, offset: number, ...args: string[]) => {
    const run = cli(command, odd, ...model, '--at', String(offset), ...args, '--json', '-');
    assert.equal(run.status, 0, run.stderr);
    return JSON.parse(run.stdout);
  };
  // The tokens of the end are " t", "i" and "de".
  for (const [offset, selection] of [
    [5, { start: 4, end: 6 }],
    [7, { start: 6, end: 8 }],
    [11, { start: 9, end: 11 }],
  ] as const) {
    const found = at('search', offset);
    assert.deepEqual(found.selection, selection);
    assertClose(found.lines[0].relevance, at('search', selection.start).lines[0].relevance);
  }
  const inside = at('generate', 5, '--tokens', '1');
  assert.deepEqual([inside.prompt.end, inside.text], [4, at('generate', 4, '--tokens', '1').text]);
  writeFileSync(odd, ' \n\t\n');
  assert.match(cli('search', odd, ...model, '--at', '0').stderr, /it has no text but blanks/);
});

test('generate: each of the likeliest tokens at a place is continued', () => {
  const whole = json('generate', '--at', '20', '--tokens', '4', '--top', '1', '--branches', '3');
  assert.equal(whole.branches.length, 3);
  const idsOf = (tokens: { id: number }[]) => tokens.map(({ id }) => id);
  assert.deepEqual(
    idsOf(whole.branches[0].tokens),
    idsOf(whole.tokens).slice(1),
    'the likeliest one is the greedy text',
  );
  assert.equal(whole.branches[0].continued, whole.text);
  for (const { tokens } of whole.branches) for (const { top } of tokens) assert.equal(top.length, 1);
  const probabilities = whole.branches.map(({ probability }: { probability: number }) => probability);
  assert.deepEqual(
    probabilities,
    probabilities.toSorted((a: number, b: number) => b - a),
  );
  assert.deepEqual(json('generate', '--at', '20', '--tokens', '1').branches, []);
});

test('explain --cell: taps and source heads of a cell add up to it; a cell that is not there is refused', () => {
  const { cells, splits } = json('explain', '--at', '20', '--cells', '--cell', '1.0:3, 2.2:0');
  for (const { layer, head, token, contribution, parts } of splits) {
    assertClose(contribution, cells[layer][head][token]);
    assertClose(
      parts.reduce((sum: number, part: { contribution: number }) => sum + part.contribution, 0),
      contribution,
    );
  }
  assert.equal(splits.length, 2);
  for (const [bad, message] of [
    ['1.0', /--cell has "1\.0", expected LAYER\.HEAD:TOKEN/],
    ['9.0:1', /Cannot split cell 9\.0:1: expected/],
    ['1.0:999', /Cannot split cell 1\.0:999: expected .* which the row can see/],
  ] as const) {
    const run = cli('explain', file, ...model, '--at', '20', '--cell', bad);
    assert.notEqual(run.status, 0);
    assert.match(run.stderr, message);
  }
});

test('a model without a begin token cannot continue nothing, and says so', () => {
  const directory = join(scratch, 'no-begin');
  cpSync(tinyModelDirectory, directory, { recursive: true });
  const config = JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ ...config, bos_token_id: null }));
  const at = (place: string) => cli('generate', file, '--at', place, '--tokens', '1', '--model', directory);
  assert.match(
    at('0').stderr,
    /^mta-inspect: Cannot continue from the beginning of a text: nothing precedes that place, and "tiny-model" has no begin token\. Choose a later place\.\n$/,
  );
  assert.equal(at('1').status, 0);
  assert.equal(cli('generate', file, '--at', '0', '--tokens', '1', ...model).status, 0);
});

test('what is said of a file is said once, though it is read twice', () => {
  for (const args of [
    ['context', '--at', '9'],
    ['search', '--at', '9'],
    ['knockout', '--at', '9', '--keys', '0:2'],
  ]) {
    // A file of its own for each: once in a process means once in a command.
    const mixed = join(scratch, `mixed-${args[0]}.py`);
    writeFileSync(mixed, 'a = 1\r\nb = a\nc = b\n');
    const { stderr, status } = cli(args[0]!, mixed, ...args.slice(1), ...model);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, `${mixed} has mixed or lone CR line ends, which are read as LF, as VS Code opens it.\n`);
  }
});
