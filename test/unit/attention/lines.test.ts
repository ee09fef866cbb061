import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  lineAt,
  lineStartsOf,
  linesOfTokens,
  relevantPlaces,
  strongestTokens,
  weightByLine,
} from '../../../src/attention/lines';

test('lines end as in the editor, and every offset has one', () => {
  const starts = lineStartsOf('a\r\nb\n\rc');
  assert.deepEqual(starts, [0, 3, 5, 6]);
  assert.deepEqual(
    [0, 2, 3, 4, 5, 6, 99].map(offset => lineAt(starts, offset)),
    [0, 0, 1, 1, 2, 3, 3],
  );
  assert.deepEqual(lineStartsOf(''), [0]);
});

test('tokens belong to the line they start in; begin token and question to none', () => {
  const starts = lineStartsOf('ab\ncd\n');
  const offsets = Uint32Array.of(0, 0, 2, 5, 6, 9);
  assert.deepEqual([...linesOfTokens(offsets, offset => lineAt(starts, offset), 6)], [-1, 0, 0, 1, -1]);
  assert.deepEqual([...linesOfTokens(new Uint32Array(0), () => 0, 0)], []);
});

test('lines by the mean of magnitudes, with their sum; the selection itself does not count', () => {
  const weights = Float32Array.of(9, 0.5, -0.25, 0.5, 3);
  const lines = weightByLine(weights, Int32Array.of(-1, 0, 0, 1, 1), { first: 4, end: 5 }, () => 'x');
  assert.deepEqual(lines, [
    {
      lineIdx: 1,
      isBlank: false,
      tokens: { first: 3, end: 4 },
      weight: 0.5,
      meanWeight: 0.5,
      strongestIdx: 3,
      strongestWeight: 0.5,
    },
    {
      lineIdx: 0,
      isBlank: false,
      tokens: { first: 1, end: 3 },
      weight: 0.75,
      meanWeight: 0.375,
      strongestIdx: 1,
      strongestWeight: 0.5,
    },
  ]);
  const broken = weightByLine(Float32Array.of(Number.NaN, 1), Int32Array.of(0, 0), { first: 5, end: 6 }, () => 'x');
  assert.deepEqual([broken[0]!.weight, broken[0]!.meanWeight], [1, 1]);
});

test('a line of one line end does not lead: blank lines come after those with text', () => {
  const text = ['a b', '\r\n', '}', ' \t'];
  const lineOfToken = Int32Array.of(0, 0, 1, 2, 3);
  const lines = weightByLine(Float32Array.of(0.1, 0.2, 0.9, 0.3, -1), lineOfToken, { first: 9, end: 9 }, i => text[i]!);
  assert.deepEqual(
    lines.map(({ lineIdx, isBlank }) => [lineIdx, isBlank]),
    [
      [2, false],
      [0, false],
      [3, true],
      [1, true],
    ],
  );
});

test('places: the strongest tokens, neighbours joined, in document order', () => {
  const weights = Float32Array.of(5, 0.1, -0.4, 0, 0.3, Number.NaN, 0.001);
  const isCandidate = (idx: number) => idx > 0;
  assert.deepEqual(
    strongestTokens(weights, 3, isCandidate).map(({ tokenIdx }) => tokenIdx),
    [2, 4, 1],
  );
  const places = relevantPlaces(weights, 9, isCandidate);
  assert.deepEqual(
    places.map(({ tokens, weight }) => [tokens.first, tokens.end, Math.fround(weight)]),
    [
      [1, 3, Math.fround(-0.4)],
      [4, 5, Math.fround(0.3)],
    ],
  );
  assert.deepEqual(
    relevantPlaces(new Float32Array(3), 9, () => true),
    [],
  );
});
