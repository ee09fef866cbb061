/** choose-heads and --heads-file: scores equal what maps say, the choice is saved and used, wrong input is refused in words. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Ajv from 'ajv';
import { retrievalScore } from '../../src/attention/retrievalHeads';
import { headOptionsProblem } from '../../src/cli/chooseHeads';
import { type ContextOptions, contextJson } from '../../src/cli/context';
import { chosenHeadsJson, chosenHeadsText } from '../../src/cli/retrievalHeads';
import { Engine } from '../../src/inference/engine';
import { chosenHeads } from '../../src/shared/relevance';
import { root, tinyModelDirectory } from '../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-retrieval-heads-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const text = 'delta = 4\ngamma\nx = delta\n';
const write = (name: string, content: string) => {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
};
const file = write('delta.py', text);
const options = { model: tinyModelDirectory, provider: 'cpu', labels: undefined, count: undefined } as const;
const labelsOf = (name: string, labels: unknown) => write(name, JSON.stringify(labels));

test('the score of every head is what its maps say, with and without the query', async () => {
  const labels = labelsOf('labels.json', [{ query: [22, 25], gold: [0, 9] }]);
  const json = await chosenHeadsJson(file, { ...options, labels, count: 3 });
  const schema = JSON.parse(readFileSync(join(root, 'src', 'cli', 'schemas', 'choose-heads.schema.json'), 'utf8'));
  const validate = new Ajv({ allErrors: true }).compile(schema);
  assert.ok(validate(json), JSON.stringify(validate.errors));
  assert.deepEqual([json.source, json.examples, json.heads.length, json.file], ['labels', 1, 3, 'delta.py']);
  // Without labels the file's own repeated word is the same example.
  const own = await chosenHeadsJson(file, { ...options, count: 3 });
  assert.deepEqual([own.source, own.examples], ['repeated words', 1]);
  for (const [i, { score }] of own.scores.entries()) assert.ok(Math.abs(score - json.scores[i]!.score) < 1e-5);

  let offsets = new Uint32Array();
  const engine = await Engine.load(
    { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 },
    (name, event) => {
      if (name === 'tokens') ({ offsets } = (event as { tokens: { offsets: Uint32Array<ArrayBuffer> } }).tokens);
    },
  );
  const heads = chosenHeads('all', 0, engine.model.nLayers, engine.model.nHeads);
  const rowsOf = async (of: string, from: number, shift: number) => {
    const place = { textStart: 0, documentLength: of.length, anchor: 0 };
    await engine.analyze({ analysisId: 1, text: of, ...place, maxTokens: 64, topK: 1 });
    const first = offsets.indexOf(from) - shift;
    const range = { first, end: offsets.length - 1 - shift };
    return engine.details.relevanceByHead({ analysisId: 1, range, direction: 'attends', heads });
  };
  const asked = await rowsOf(text.slice(0, 25), 22, 1);
  const gold = { first: 1, end: offsets.indexOf(9) };
  const unasked = await rowsOf(`${text.slice(0, 16)}N/A`, 16, 0);
  await engine.release();
  for (const [i, { layer, head, score }] of json.scores.entries()) {
    assert.deepEqual([layer, head], [heads[i]!.layerIdx, heads[i]!.headIdx]);
    const expected = retrievalScore({ asked: asked[i]!.weights, unasked: unasked[i]!.weights }, gold);
    assert.ok(Math.abs(score - expected) < 1e-5, `L${layer}H${head}: ${score}, not ${expected}`);
  }
  const sorted = json.scores.toSorted((a, b) => b.score - a.score).slice(0, 3);
  assert.deepEqual(json.heads, sorted);
  assert.match(
    chosenHeadsText(json),
    new RegExp(`L${sorted[0]!.layer}H${sorted[0]!.head} +${sorted[0]!.score.toFixed(4)}`),
  );
});

test('the score of every head equals float64 from an independent model; scores of examples are averaged', async () => {
  const { retrieval } = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'causal.json'), 'utf8'));
  const tide = 'def tide(moon):\n  return moon + 1\n';
  const moon = { start: tide.lastIndexOf('moon'), end: tide.lastIndexOf('moon') + 4 };
  const example = { text: tide, query: moon, gold: { start: tide.indexOf('moon'), end: tide.indexOf('moon') + 4 } };
  const engine = await Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, () => {});
  try {
    const idsOf = (of: string) => [...engine.lastTokens({ text: of, start: 0 }, 64).tokens.ids];
    assert.deepEqual(idsOf(tide.slice(0, moon.end)), retrieval.asked);
    assert.deepEqual(idsOf(`${tide.slice(0, tide.indexOf('\n') + 1)}N/A`), retrieval.unasked);
    const one = await engine.scoreHeads({ examples: [example] });
    const expected: number[] = retrieval.scores.flat();
    assert.equal(one.length, expected.length);
    for (const [i, { score }] of one.entries())
      assert.ok(Math.abs(score - expected[i]!) < 1e-5, `${score}, ${expected[i]}`);
    const other = { text, query: { start: 22, end: 25 }, gold: { start: 0, end: 9 } };
    const [alone, both] = [
      await engine.scoreHeads({ examples: [other] }),
      await engine.scoreHeads({ examples: [example, other] }),
    ];
    for (const [i, { score }] of both.entries()) {
      assert.ok(Math.abs(score - (one[i]!.score + alone[i]!.score) / 2) < 1e-6);
    }
  } finally {
    await engine.release();
  }
});

test('--heads-file takes the heads that were saved; another model’s are refused', async () => {
  const saved = await chosenHeadsJson(file, { ...options, count: 2 });
  const headsFile = write('heads.json', JSON.stringify(saved));
  const context = (change: Partial<ContextOptions>) =>
    contextJson(file, {
      ...{ ...options, remote: undefined, encoding: undefined, maxTokens: undefined, windowStart: undefined, at: 20 },
      ...{
        to: undefined,
        question: undefined,
        direction: 'attends',
        occlude: undefined,
        isVerified: false,
        row: 'predicting',
      },
      ...{ quantity: 'weight', method: 'mean', heads: undefined, layer: undefined, head: undefined, stage: undefined },
      ...change,
    } as ContextOptions);
  const heads = saved.heads.map(({ layer, head }) => `${layer}.${head}`).join(', ');
  const [byFile, byList] = [await context({ headsFile }), await context({ heads })];
  assert.equal(byFile.heads, heads);
  for (const [i, weight] of byFile.weights.entries()) assert.ok(Math.abs(weight - byList.weights[i]!) < 1e-5);
  const refused = async (content: unknown, message: RegExp) => {
    const path = write('other.json', typeof content === 'string' ? content : JSON.stringify(content));
    await assert.rejects(context({ headsFile: path }), { code: 'bad-usage', message });
  };
  await refused({ ...saved, model: 'other' }, /is for the model "other", not for ".+"\. Choose heads with this model/);
  await refused(
    { ...saved, heads: [{ layer: 99, head: 0 }] },
    /has L99H0, expected layers 0 to \d and heads 0 to \d\./,
  );
  await refused({ ...saved, heads: [] }, /Expected what mta-inspect choose-heads --json writes/);
  await refused(
    '{',
    /Cannot read --heads-file .*: it is not JSON\. Expected what mta-inspect choose-heads --json writes/,
  );
  await refused({ ...saved, heads: [{ layer: 0, head: -1 }] }, /other\.json: heads\.0\.head is -1\. Expected what/);
  await refused({ ...saved, heads: 5 }, /heads is 5\./);
  await refused([], /format is missing\./);
});

test('wrong examples are refused with what is expected', async () => {
  const refused = (labels: unknown, message: RegExp) =>
    assert.rejects(chosenHeadsJson(file, { ...options, labels: labelsOf('wrong.json', labels) }), { message });
  await refused([], /--labels .*wrong\.json: all of it is \[\]\. Expected a list of/);
  await refused([{ query: [22], gold: [0, 9] }], /0\.query\.1 is missing\. Expected a list of/);
  await refused('text', /all of it is "text"\./);
  await refused([{ query: [-1, 2], gold: [0, 9] }], /0\.query\.0 is -1\./);
  await refused([{ query: [22, 25], gold: [0, 9], goal: 1 }], /Expected a list of/);
  await refused([{ query: [0, 3], gold: [22, 25] }], /Example 1 of heads: .*the passage before the query/);
  await refused([{ query: [22, 99], gold: [0, 9] }], /must lie in the text \(26 characters\)/);
  await refused([{ query: [22, 25], gold: [16, 20] }], /must end on a line before that of the query/);
  const long = `delta = 4\n${'x\n'.repeat(600)}delta`;
  const query = [long.length - 3, long.length];
  await refused([{ text: long, query, gold: [0, 9] }], /longer than the context of the model/);
  await assert.rejects(chosenHeadsJson(write('none.txt', 'a b\nc\n'), options), /no word of five letters or more/);
  await assert.rejects(chosenHeadsJson(file, { ...options, count: 99 }), /--count is 99, expected at most \d+/);
});

test('options that exclude each other', () => {
  const none = { layer: undefined, head: undefined, stage: undefined, headsFile: 'heads.json' };
  assert.match(headOptionsProblem({ ...none, method: 'mean', heads: 'all' })!, /name the heads twice/);
  assert.match(headOptionsProblem({ ...none, method: 'head', heads: undefined })!, /--method head takes one/);
  assert.equal(headOptionsProblem({ ...none, method: 'rollout', heads: undefined }), null);
});
