/** Answers: what the engine splits, by line, kept for the next time; attention where a logit cannot be split. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { Answers } from '../../../src/analysis/answers';
import { RunDetails } from '../../../src/analysis/runDetails';
import type { LogitAttribution } from '../../../src/shared/attribution';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { FakeClient, layerOf, model } from '../../fixtures/fakeClient';

const texts = ['first', '   second', '', 'third'];
/** Tokens 0 and 1 in line 0, 2 in line 1, 3 in line 3. */
const lines = Int32Array.of(0, 0, 1, 3);

function open() {
  const client = new FakeClient();
  const run = { model, nTokens: 4, layers: [layerOf(0, 5), layerOf(1, 5)], predictions: undefined };
  const details = new RunDetails(client.asClient, id => (id === 1 ? run : undefined));
  const document = { lineCount: texts.length, lineAt: (line: number) => ({ text: texts[line]! }) };
  const snapshot = { model, view: { layerIdx: 0, headIdx: 0, stage: 'mixed_pattern', difference: false } };
  const source = { details, document, snapshot, linesOfTokens: () => lines };
  return { client, answers: new Answers(source as unknown as ConstructorParameters<typeof Answers>[0]) };
}

const split: LogitAttribution = {
  ...{ row: 3, target: { id: 9, text: 'w' }, minus: null, isCentered: true, logit: 3, embedding: 1, other: 0 },
  heads: Float64Array.of(0, 1, 0, -0.5),
  mlps: Float64Array.of(1, 0.5),
  ...{ remainder: 0, cap: 30, tokens: Float64Array.of(0.25, 0.25, -1, 1), frozen: ['gate'] },
  cells: new Float32Array(16).fill(0.25),
};
const address = { analysisId: 1, row: 3, target: 'actual' } as const;

test('a split logit comes by line, with its parts and heads, and is kept', async () => {
  const { client, answers } = open();
  const asked = answers.answer(address);
  assert.deepEqual(client.last('explain').args, address);
  client.last('explain').resolve(split);
  const answer = await asked;
  assert.equal(answer.measure, 'logit');
  assert.deepEqual(
    answer.lines.map(({ lineIdx, value, text }) => [lineIdx, value, text]),
    [
      [1, -1, 'second'],
      [0, 0.5, 'first'],
    ],
  );
  assert.deepEqual([answer.ownLine, answer.outside, answer.parts?.heads, answer.parts?.cap], [1, 0, 0.5, 30]);
  assert.deepEqual(
    answer.heads.slice(0, 2).map(({ layerIdx, headIdx, value }) => [layerIdx, headIdx, value]),
    [
      [0, 1, 1],
      [1, 1, -0.5],
    ],
  );
  assert.equal(await answers.answer(address), answer);
  assert.equal(client.all('explain').length, 1);
});

test('a logit that cannot be split is answered by attention, with the reason', async () => {
  const { client, answers } = open();
  const asked = answers.answer(address);
  client.last('explain').reject(new Failure('cannot-explain', 'no weights here'));
  await new Promise(resolve => setTimeout(resolve));
  assert.deepEqual(client.last('relevance').args.range, { first: 3, end: 4 });
  client.last('relevance').resolve(Float32Array.of(0.5, 0, 0.25, 0.25));
  const answer = await asked;
  assert.deepEqual([answer.measure, answer.note, answer.parts], ['attention', 'no weights here', null]);
  assert.equal(answer.lines[0]?.lineIdx, 0);
});

test('what was cancelled, or is of a run that is gone, is no answer and is asked again', async () => {
  const { client, answers } = open();
  for (const error of [new Cancelled(), new Failure('no-analysis', 'gone')]) {
    const asked = answers.answer(address);
    client.last('explain').reject(error);
    await assert.rejects(asked, error);
  }
  assert.equal(client.all('relevance').length, 0);
  assert.equal(client.all('explain').length, 2);
});

test('hiding is asked once per place', async () => {
  const { client, answers } = open();
  const place = { analysisId: 1, row: 3, targetId: 9, keys: { first: 0, end: 2 } };
  const asked = answers.hide(place);
  const rows = { first: 3, end: 4 };
  assert.deepEqual(client.last('knockOuts').args, { analysisId: 1, rows, target: 9, cuts: [{ keys: place.keys }] });
  const likeliest = [{ id: 7, text: 'x', probability: 0.5 }];
  const effects = [{ changeBits: -1.5, divergenceBits: 1, likeliest }];
  client
    .last('knockOuts')
    .resolve({ rows, targets: [{ id: 9, text: 'y' }], surprisalBits: Float32Array.of(1), effects });
  assert.equal((await asked).lostBits, 1.5);
  await answers.hide(place);
  assert.equal(client.all('knockOuts').length, 1);
});
