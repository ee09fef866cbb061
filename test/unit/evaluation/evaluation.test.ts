/** The evaluation of relevance: its questions are what they claim to be, and its figures are computed as the page says. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { agreement, byTokens, estimate, isStatedFirst, meanOf } from '../../evaluation/compare';
import { keep, kept } from '../../evaluation/kept';
import type { Measured } from '../../evaluation/measure';
import { passageOf, sentencePerLine, wrapped } from '../../evaluation/passages';
import { readQuestions } from '../../evaluation/questions';
import { draftOf, formsOf } from '../../evaluation/templates';
import { Random } from '../../random';

test('there are 200 held questions over code and prose, and no source is in both splits', () => {
  const [held, choosing] = [readQuestions('held'), readQuestions('choosing')];
  assert.deepEqual([held.length, choosing.length], [200, 64]);
  for (const kind of ['code', 'prose']) assert.ok(held.filter(question => question.kind === kind).length >= 80);
  const sources = new Set(held.map(({ source }) => source));
  assert.deepEqual(
    choosing.filter(({ source }) => sources.has(source)),
    [],
  );
  assert.equal(new Set([...held, ...choosing].map(({ text, at }) => `${at} ${text}`)).size, 264);
});

test('the stated line is an earlier line with text, and the place lies on a later one', () => {
  for (const { text, at, statedLine, gainBits, source } of [...readQuestions('held'), ...readQuestions('choosing')]) {
    const lines = text.split('\n');
    const line = text.slice(0, at).split('\n').length - 1;
    assert.ok(statedLine < line && /\S/.test(lines[statedLine]!) && at < text.length && gainBits >= 1, source);
  }
});

test('every form states the answer once before its question', () => {
  for (const [name, form] of Object.entries({ ...formsOf.choosing, ...formsOf.held })) {
    for (let seed = 0; seed < 20; seed++) {
      const { text, at, statedLine } = draftOf(name, form, new Random(seed));
      const rest = text.slice(at).split('\n')[0]!;
      const stated = text.split('\n')[statedLine]!;
      assert.ok(
        [4, 3, 2].some(n => stated.includes(rest.slice(0, n))),
        `${name}: ${stated} / ${rest}`,
      );
      assert.deepEqual(draftOf(name, form, new Random(seed)).text, text);
    }
  }
});

test('a passage asks for a word that stands once before, two lines with text away or more', () => {
  const words = ['orange', 'violet', 'yellow', 'purple', 'silver', 'golden', 'indigo', 'copper'];
  const filler = Array.from({ length: 12 }, (_, i) => `line ${i} of some text that fills the page up\n`).join('');
  const text = `${words.join(' ')}\n${filler}`.repeat(6);
  let nFound = 0;
  for (let seed = 0; seed < 300; seed++) {
    const found = passageOf({ kind: 'prose', name: 'a', text }, new Random(seed));
    if (!found) continue;
    nFound++;
    const stated = found.text.split('\n')[found.statedLine]!;
    const near = /[a-z]*$/.exec(found.text.slice(0, found.at))![0] + /^[a-z]*/.exec(found.text.slice(found.at))![0];
    assert.ok(stated.includes(near), `${stated}: ${near}`);
  }
  assert.ok(nFound > 0);
});

test('prose gets lines: one for each sentence, or as wide as asked', () => {
  assert.equal(sentencePerLine('One is here. Two is "there." Three?'), 'One is here.\nTwo is "there."\nThree?');
  assert.equal(wrapped('aa bb cc dd\n\nee', 5), 'aa bb\ncc dd\n\nee');
});

/** Three lines of two tokens behind a begin token; two heads. */
function measured(first: readonly number[], second: readonly number[], lost: readonly number[]): Measured {
  const heads = [first, second].map(values => Float32Array.from(values));
  const rows = {
    heads: { weight: heads, norm: heads, contribution: heads },
    ...{ rollout: heads[0]!, attribution: heads[0]! },
  };
  return {
    ...{ question: readQuestions('held')[0]!, nTokens: 8, token: 7, withoutQuestion: [] },
    rows: { predicting: rows, reading: rows },
    lines: lost.map((lostBits, i) => {
      const effects = { lostBits, divergenceBits: -lostBits };
      return {
        ...{ tokens: { first: 1 + 2 * i, end: 3 + 2 * i }, isStated: i === 2 },
        effects: { knockOut: effects, occlusion: effects },
      };
    }),
  };
}

test('agreement: magnitudes of tokens by line against what the line does, of the same row', () => {
  const question = measured([9, 0, -1, 2, 0, 3, 3], [9, 0, 0, 0, 0, 0, 0], [1, 2, 3]);
  const method = byTokens('', 'mean', meanOf([0, 1], 'weight'));
  assert.deepEqual(
    question.lines.map((_, i) => method.scores(question, 'predicting', question.lines)[i]),
    [0.25, 0.5, 1.5],
  );
  assert.equal(agreement(method, question, 'predicting', 'knockOut'), 1);
  assert.equal(agreement(method, question, 'reading', 'occlusion'), -1);
  assert.equal(agreement(method, question, 'reading', 'occlusion', 'predicting'), 1);
  assert.equal(isStatedFirst(method, question, 'predicting'), 1);
  assert.equal(byTokens('', 'sum', meanOf([0], 'weight')).scores(question, 'reading', question.lines)[2], 6);
});

test('an interval holds the mean, is the value itself where all agree, and leaves out what is not a number', () => {
  assert.deepEqual(estimate([0.5, 0.5, Number.NaN]), { mean: 0.5, interval: [0.5, 0.5] });
  const { mean, interval } = estimate(Array.from({ length: 100 }, (_, i) => i % 2));
  assert.equal(mean, 0.5);
  // ±1.96 · 0.5 / √100
  assert.ok(Math.abs(interval[0] - 0.402) < 0.03 && Math.abs(interval[1] - 0.598) < 0.03, String(interval));
});

test('what is kept is read again', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mta-kept-'));
  const question = measured([9, 0, -1, 2, 0, 3, 3], [9, 0, 0, 0, 0, 0, 0], [1, 2, 3]);
  const file = join(folder, 'kept.jsonl');
  assert.deepEqual(kept(file), []);
  keep(file, question);
  assert.deepEqual(kept(file), [question]);
  rmSync(folder, { recursive: true });
});
