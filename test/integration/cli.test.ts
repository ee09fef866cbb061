/** The command line as its users call it: outputs fit their schemas and each other, bad usage exits with 2. */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Ajv from 'ajv';
import { unzipSync } from 'fflate';
import { runCommand as cli } from '../fixtures/commandLine';
import { goldenDirectory, root, tinyModelDirectory } from '../fixtures/paths';
import { texts } from '../fixtures/texts';

const scratch = mkdtempSync(join(tmpdir(), 'mta-cli-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function document(text: string, name = 'sample.ts'): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

function fitsSchema(name: string, json: unknown): void {
  const schema = JSON.parse(readFileSync(join(root, 'src', 'cli', 'schemas', `${name}.schema.json`), 'utf8'));
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
  assert.ok(validate(json), JSON.stringify(validate.errors));
}

/** Every run measures which form of the convolution is fastest; their sums differ by rounding. */
function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${actual} is not ${expected}`);
}

const model = ['--model', tinyModelDirectory];

test('analyze: JSON fits its schema, and csv, json and npz exports hold the same numbers', () => {
  const file = document(texts['code']!);
  const choice = ['--layer', '2', '--head', '1', '--stage', 'convolved_scores'];
  const run = cli('analyze', file, ...model, ...choice, '--top', '5', '--json', '-');
  assert.equal(run.status, 0, run.stderr);
  const json = JSON.parse(run.stdout);
  fitsSchema('analyze', json);
  assert.equal(json.tokens.length, json.rows.length);
  assert.equal(
    json.tokens
      .map((token: { text: string }) => token.text)
      .slice(1)
      .join(''),
    texts['code'],
  );

  const exported = JSON.parse(cli('export', file, ...model, ...choice, '--format', 'json', '--out', '-').stdout);
  fitsSchema('analyze', exported);
  for (const { query, top } of json.rows) {
    for (const { key, weight } of top) assertClose(exported.map[query][key], weight);
  }

  const csv = cli('export', file, ...model, ...choice, '--format', 'csv', '--out', '-').stdout.split('\n');
  const nTokens = json.tokens.length;
  const cells = csv.flatMap(line => /^(\d+),(\d+),"[^"]*","[^"]*",(\S+)$/.exec(line) ?? []);
  assert.ok(cells.length > 4 * nTokens);
  for (let i = 0; i < cells.length; i += 4) {
    const [, query, key, value] = cells.slice(i, i + 4).map(Number);
    assertClose(value!, exported.map[query!][key!]);
  }

  const out = join(scratch, 'maps.npz');
  assert.equal(cli('export', file, ...model, ...choice, '--format', 'npz', '--out', out).status, 0);
  const bytes = unzipSync(readFileSync(out))['layer_2.convolved_scores.npy']!;
  const values = new Float32Array(bytes.slice(bytes.length - 4 * nTokens * nTokens).buffer);
  assertClose(values[(nTokens - 1) * nTokens]!, exported.map[nTokens - 1][0]);
});

test('analyze says what was left out of a long file', () => {
  const run = cli('analyze', document('word '.repeat(500)), ...model);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /\d+ of 2500 characters lie outside the window and were left out/);
});

test('context: JSON fits its schema; lines add up to the weights; a question is selected and not counted', () => {
  const text = 'alpha = 1\nbeta = 2\ngamma = alpha\n';
  const file = document(text, 'context.ts');
  const at = String(text.indexOf('gamma'));
  const run = cli('context', file, ...model, '--at', at, '--method', 'rollout', '--occlude', 'replace', '--json', '-');
  assert.equal(run.status, 0, run.stderr);
  const json = JSON.parse(run.stdout);
  fitsSchema('context', json);
  assert.ok(Math.abs(json.weights.reduce((sum: number, x: number) => sum + x, 0) - 1) < 1e-5);
  assert.ok(
    json.lines.every((line: { divergence_bits?: number; line: number }) => line.line > 2 || line.divergence_bits! > 0),
  );
  assert.equal(json.occlusion.mode, 'replace');

  const verified = cli('context', file, ...model, '--at', at, '--verify', '--json', '-');
  assert.equal(verified.status, 0, verified.stderr);
  const ranked = JSON.parse(verified.stdout);
  fitsSchema('context', ranked);
  const lost = ranked.lines.map((line: { lost_bits?: number }) => line.lost_bits ?? -Infinity);
  assert.deepEqual(
    lost,
    lost.toSorted((a: number, b: number) => b - a),
    'the most needed line first',
  );
  assert.equal(ranked.occlusion.mode, 'replace');
  // The same as by `knockout`.
  const cut = cli('knockout', file, ...model, '--at', at, '--keys', '1:2', '--unit', 'lines', '--json', '-');
  const { lost_bits } = ranked.lines.find(({ line }: { line: number }) => line === 1);
  assert.ok(Math.abs(lost_bits + JSON.parse(cut.stdout).knockouts[0].change_bits) < 1e-5);
  assert.match(
    cli('context', file, ...model, '--at', at, '--verify').stdout,
    /bits lost by hiding it from the predicting rows/,
  );
  assert.equal(cli('context', file, ...model, '--at', at, '--verify', '--direction', 'attendedBy').status, 2);

  const asked = cli('context', file, ...model, '--question', 'delta = ', '--heads', '1.*', '--json', '-');
  assert.equal(asked.status, 0, asked.stderr);
  const answer = JSON.parse(asked.stdout);
  fitsSchema('context', answer);
  assert.equal(answer.selection.end, answer.weights.length);
  assert.deepEqual(answer.lines.map(({ line }: { line: number }) => line).toSorted(), [1, 2, 3]);
  assert.match(cli('context', file, ...model, '--at', at).stdout, /context\.ts: .*mean/);
  for (const bad of [
    [],
    ['--at', '1', '--question', 'x'],
    ['--at', '1', '--heads', '99.0'],
    ['--at', '1', '--method', 'sum'],
  ]) {
    assert.equal(cli('context', file, ...model, ...bad).status, 2, bad.join(' '));
  }
});

test('context: rows that predict the selection, and what weights move', () => {
  const text = 'alpha = 1\nbeta = 2\ngamma = alpha\n';
  const file = document(text, 'context.ts');
  const run = (...options: string[]) => {
    const { status, stdout, stderr } = cli('context', file, ...model, ...options, '--json', '-');
    assert.equal(status, 0, stderr);
    const json = JSON.parse(stdout);
    fitsSchema('context', json);
    return json;
  };
  const at = text.indexOf('gamma');
  const reading = run('--at', String(at));
  assert.deepEqual([reading.rows, reading.quantity], ['reading', 'weight']);
  const predicting = run('--at', String(at), '--row', 'predicting');
  assert.equal(predicting.rows, 'predicting');
  assert.deepEqual(predicting.selection, reading.selection);
  // The row before the selected token is the reading row of the token before.
  const before = run('--at', String(at - 1));
  assert.equal(before.selection.end, reading.selection.first);
  for (const [token, weight] of predicting.weights.entries()) assertClose(weight, before.weights[token]);
  const shares = run('--at', String(at), '--heads', '1.2', '--method', 'head', '--quantity', 'contribution');
  assertClose(
    shares.weights.reduce((sum: number, x: number) => sum + x, 0),
    1,
  );
  const norms = run('--at', String(at), '--quantity', 'norm', '--row', 'predicting');
  assert.ok(norms.weights.every((x: number) => x >= 0) && norms.weights[0] > 0);
  for (const [options, message] of [
    [['--quantity', 'size'], /--quantity is "size", expected weight, norm, contribution/],
    [['--quantity', 'norm', '--method', 'head', '--heads', '1.2', '--stage', 'scores'], /leave --stage out/],
    [['--row', 'predicting', '--direction', 'attendedBy'], /--row predicting needs --direction attends/],
  ] as const) {
    assert.match(cli('context', file, ...model, '--at', String(at), ...options).stderr, message);
  }
  const heads = JSON.parse(cli('heads', file, ...model, '--quantity', 'norm', '--json', '-').stdout);
  fitsSchema('heads', heads);
  const weights = JSON.parse(cli('heads', file, ...model, '--json', '-').stdout);
  const sink = (json: { heads: { layer: number; head: number; sink_share: number; pre_conv_change: number }[] }) =>
    json.heads.find(({ layer, head }) => layer === 0 && head === 1)!;
  assert.notEqual(sink(heads).sink_share, sink(weights).sink_share);
  assertClose(sink(heads).pre_conv_change, sink(weights).pre_conv_change);
});

test('search: JSON fits its schema, every line is there once, and the table begins with the most relevant', () => {
  const written = Array.from({ length: 30 }, (_, i) => `const value${i} = ${i};\n`).join('');
  const file = document(written, 'map.ts');
  const run = cli('search', file, ...model, '--at', '250', '--to', '256', '--method', 'max', '--json', '-');
  assert.equal(run.status, 0, run.stderr);
  const json = JSON.parse(run.stdout);
  fitsSchema('search', json);
  const lines = json.lines.map(({ line }: { line: number }) => line).sort((a: number, b: number) => a - b);
  assert.deepEqual(
    lines,
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  assert.ok(json.windows > 5);
  const asked = cli('search', file, ...model, '--question', 'value7?');
  assert.match(asked.stdout, /in \d+ windows, lines 1 to 30 of 30/);
  assert.equal(cli('search', file, ...model).status, 2);
  // The name that the command had.
  assert.deepEqual(
    JSON.parse(cli('map', file, ...model, '--at', '250', '--to', '256', '--method', 'max', '--json', '-').stdout)
      .selection,
    json.selection,
  );
  assert.equal(cli('search', file, ...model, '--at', '99999').status, 2);
});

test('explain: JSON fits its schema, parts and remainder are the logit, rows and targets are those asked for', () => {
  const text = 'alpha = 1\nbeta = 2\n\u{1F600}gamma = alpha\n';
  const file = document(text, 'explain.ts');
  const at = String(text.lastIndexOf('alpha'));
  const explain = (...options: string[]) => {
    const run = cli('explain', file, ...model, '--at', at, ...options, '--json', '-');
    assert.equal(run.status, 0, run.stderr);
    const json = JSON.parse(run.stdout);
    fitsSchema('explain', json);
    const heads = json.heads.flat().reduce((sum: number, x: number) => sum + x, 0);
    const mlps = json.mlps.reduce((sum: number, x: number) => sum + x, 0);
    assertClose(json.embedding + heads + mlps + json.other + json.remainder, json.logit);
    assertClose(
      json.tokens.reduce((sum: number, x: number) => sum + x, 0),
      heads,
    );
    assert.ok(Math.abs(json.remainder) <= 1e-4 * Math.max(1, Math.abs(json.logit)));
    assert.equal(json.tokens.length, json.row + 1);
    assert.equal(json.token_texts.length, json.row + 1);
    return json;
  };
  const predicting = explain();
  assert.equal(predicting.row, predicting.selected.token - 1);
  assert.equal(predicting.target.text, predicting.selected.text);
  assert.ok('alpha'.startsWith(predicting.selected.text.trim()));
  const reading = explain('--row', 'reading', '--target', 'predicted', '--cells');
  assert.equal(reading.row, reading.selected.token);
  assert.deepEqual(
    [reading.cells.length, reading.cells[0].length, reading.cells[0][0].length],
    [3, 4, reading.row + 1],
  );
  const difference = explain('--target', '65', '--minus', '66');
  assert.deepEqual([difference.target.id, difference.minus.id], [65, 66]);
  assert.match(
    cli('explain', file, ...model, '--at', at).stdout,
    /predicting row \d+ of token[\s\S]*remainder[\s\S]*per-head norm, gate/,
  );
  for (const [options, message] of [
    [['--target', '301'], /--target is 301, expected a token id from 0 to 300/],
    [['--minus', '5000'], /--minus is 5000, expected a token id from 0 to 300/],
    [['--target', '7', '--minus', '7'], /the target itself/],
    [['--target', 'best'], /--target is "best", expected actual, predicted or a token id/],
    [['--row', 'next'], /--row is "next", expected predicting, reading/],
    [['--to', '3'], /explain does not take --to/],
  ] as const) {
    const run = cli('explain', file, ...model, '--at', at, ...options);
    assert.notEqual(run.status, 0);
    assert.match(run.stderr, message);
  }
  assert.match(cli('explain', file, ...model).stderr, /explain needs --at OFFSET/);
  const end = cli('explain', file, ...model, '--at', String(text.length), '--row', 'reading');
  assert.match(end.stderr, /No token follows the last one of the window/);
});

test('ablate and heads: JSON fits its schema, ranked, and the tables for people agree with it', () => {
  const file = document(texts['code']!);
  const ablate = JSON.parse(cli('ablate', file, ...model, '--parts-only', '--json', '-').stdout);
  fitsSchema('ablate', ablate);
  const kls = ablate.effects.map((effect: { mean_kl_bits: number }) => effect.mean_kl_bits);
  assert.deepEqual(
    kls,
    kls.toSorted((a: number, b: number) => b - a),
  );
  const table = cli('ablate', file, ...model, '--parts-only').stdout;
  assert.match(table, new RegExp(`\\n *${kls[0].toPrecision(4)} bits .*layer ${ablate.effects[0].layer} `));

  const heads = JSON.parse(cli('heads', file, ...model, '--by', 'entropy_bits', '--json', '-').stdout);
  fitsSchema('heads', heads);
  assert.equal(heads.heads.length, 12);
  const bits = heads.heads.map((head: { entropy_bits: number }) => head.entropy_bits);
  assert.deepEqual(
    bits,
    bits.toSorted((a: number, b: number) => a - b),
  );
  assert.equal(heads.heads.find((head: { layer: number }) => head.layer === 1).pre_conv_change, null);
});

test('eval: bits per byte agree with perplexity, every token is predicted once', () => {
  const files = [document('some words and more words. '.repeat(20), 'a.txt'), document(texts['cjk']!, 'b.txt')];
  const run = cli('eval', ...files, ...model, '--json', '-');
  assert.equal(run.status, 0, run.stderr);
  const json = JSON.parse(run.stdout);
  fitsSchema('eval', json);
  for (const result of [...json.files, json.total]) {
    const bits = Math.log2(result.perplexity) * result.tokens;
    assert.ok(Math.abs(bits / result.bytes - result.bits_per_byte) < 1e-6);
  }
  assert.equal(json.total.bytes, json.files[0].bytes + json.files[1].bytes);
});

test('golden: one line per case and a count; models: fits its schema', () => {
  const run = cli('golden', goldenDirectory, '--only', 'attn_t');
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /^passed {2}attn_t1 {2}\d\.\de-\d+ {2}\S+$/m);
  assert.match(run.stdout, /\n3 passed, 0 failed\n$/);
  assert.equal(cli('golden', goldenDirectory, '--only', 'nothing').status, 1);
  fitsSchema('models', JSON.parse(cli('models', '--json').stdout));
});

test('export-repository: a folder per served model, with what Triton and MLServer ask for', () => {
  const out = join(scratch, 'repository');
  const run = cli('export-repository', ...model, '--out', out);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /9 models that serve tiny-model/);
  const layers = [0, 1, 2].flatMap(layer => [`tiny-model-layer-${layer}`, `tiny-model-layer-${layer}-maps`]);
  assert.deepEqual(
    readdirSync(out).toSorted(),
    ['tiny-model', 'tiny-model-embed', 'tiny-model-head', ...layers].toSorted(),
  );
  const config = readFileSync(join(out, 'tiny-model-layer-1', 'config.pbtxt'), 'utf8');
  assert.match(config, /^name: "tiny-model-layer-1"\nbackend: "onnxruntime"\nmax_batch_size: 0\ninput \[/);
  assert.match(config, /name: "hidden_out" data_type: TYPE_FP32 dims: \[ 1, -1, 32 \]/);
  const settings = JSON.parse(readFileSync(join(out, 'tiny-model', 'model-settings.json'), 'utf8'));
  assert.deepEqual(settings.outputs, [{ name: 'text', datatype: 'BYTES', shape: [1] }]);
  assert.ok(readFileSync(join(out, 'tiny-model-head', '1', 'weights.bin')).length > 0);
});

const usage: [string, string[], RegExp][] = [
  ['no command', [], /a command is missing/],
  ['an unknown command', ['inspect'], /there is no command "inspect"/],
  ['an unknown option', ['analyze', 'x', '--colour'], /analyze does not take --colour\n/],
  ['toy with another model', ['toy', ...model, '--samples', '1'], /the toy task needs one with 32/],
  [
    'an unknown measure',
    ['heads', 'package.json', ...model, '--by', 'size'],
    /--by is "size", expected context_score,/,
  ],
  [
    'no file',
    ['analyze'],
    /analyze needs one FILE, found none\n\n {2}mta-inspect analyze FILE .*\n(.*\n)*.*mta-inspect analyze --help/,
  ],
  [
    'a server and a provider',
    ['analyze', 'package.json', '--remote', 'http://127.0.0.1:1', '--provider', 'cpu'],
    /--remote and --provider exclude each other/,
  ],
  ['a repository without a place', ['export-repository', ...model], /export-repository needs --out DIR/],
  ['a layer that is no number', ['analyze', 'package.json', ...model, '--layer', 'two'], /--layer is "two"/],
  [
    'a layer that is not there',
    ['analyze', 'package.json', ...model, '--layer', '9'],
    /no layer 9: the model has layers 0 to 2/,
  ],
  [
    'an unknown stage',
    ['analyze', 'package.json', ...model, '--stage', 'softmax'],
    /--stage is "softmax", expected scores,/,
  ],
  [
    'a stage of other models',
    ['analyze', 'package.json', ...model, '--stage', 'capped_scores'],
    /no stage capped_scores: the layers of the model ".*" have scores, convolved_scores,.* only/,
  ],
  [
    'a part of a format that holds whole maps',
    ['export', 'package.json', '--format', 'npz', '--out', '-', '--queries', '1:2'],
    /--queries and --keys need --format png, svg or csv, found npz/,
  ],
  [
    'all stages of a table',
    ['export', 'package.json', '--format', 'csv', '--out', '-', '--all-stages'],
    /--all-stages needs --format png or svg, found csv/,
  ],
  [
    'two parts',
    ['export', 'package.json', '--format', 'svg', '--out', '-', '--queries', '1:2,4:5'],
    /--queries is "1:2,4:5", expected one FROM:TO/,
  ],
  ['an unknown format', ['export', 'package.json', '--format', 'gif', '--out', '-'], /--format is "gif", expected npz/],
];
for (const [what, args, message] of usage) {
  test(`bad usage: ${what}`, () => {
    const run = cli(...args);
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr, message);
    assert.equal(run.stdout, '');
  });
}

const failures: [string, string[], RegExp][] = [
  ['a file that is not there', ['analyze', 'nothing.txt', ...model], /Cannot read nothing\.txt/],
  [
    'a binary file',
    ['analyze', join(goldenDirectory, 'attn_t1.bin'), ...model],
    /contains NUL bytes and is not a text/,
  ],
  ['a model that is not there', ['analyze', 'package.json', '--model', 'gpt-9'], /There is no model "gpt-9"/],
  ['a folder without goldens', ['golden', 'src'], /Cannot read the golden case .*index\.json: ENOENT/],
];
for (const [what, args, message] of failures) {
  test(`failure: ${what}`, () => {
    const run = cli(...args);
    assert.equal(run.status, 1, run.stderr);
    assert.match(run.stderr, message);
    assert.ok(!run.stderr.includes('    at '), 'no stack for what a person did');
  });
}
