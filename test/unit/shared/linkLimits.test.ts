/** Links at the limits of what they may hold, and maps' names. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveStage, overviewValue, previousStage } from '../../../src/shared/attentionMap';
import { identityIndex, isConv, kernelParts, sourceHead } from '../../../src/shared/kernels';
import { linkedModel, parseLink } from '../../../src/shared/link';
import { isPreSoftmax, type Stage, stages } from '../../../src/shared/operators';

const parsed = (query: string): object => parseLink(`file=a.ts&${query}`);
const read: [query: string, fields: object][] = [
  [
    '',
    { folder: null, layerIdx: 0, headIdx: 0, difference: false, tab: null, comparison: null, at: null, anchor: null },
  ],
  ['layer=2147483647', { layerIdx: 2_147_483_647 }],
  ['layer=0000000007', { layerIdx: 7 }],
  ['difference=0', { difference: false }],
  ['difference=1', { difference: true }],
  ['anchor=5', { at: null, anchor: null }],
  ['at=0&anchor=5', { at: 0, anchor: 5 }],
  [`tab=${'a'.repeat(20)}`, { tab: 'a'.repeat(20) }],
  ['scope=layer', { ablation: { scope: 'model', edits: [] } }],
  ['off=1.*.*', { ablation: { scope: 'model', edits: [{ part: null, layerIdx: 1, headIdx: null, weights: null }] } }],
  [
    'off=*.9999.post_softmax_conv&scope=layer',
    {
      ablation: {
        scope: 'layer',
        edits: [{ part: 'post_softmax_conv', layerIdx: null, headIdx: 9999, weights: null }],
      },
    },
  ],
  [`compare=model.${'m'.repeat(80)}`, { comparison: { kind: 'model', name: 'm'.repeat(80) } }],
];
for (const [query, fields] of read) {
  test(`read: ${query.slice(0, 50)}`, () => assert.deepEqual({ ...parsed(query), ...fields }, parsed(query)));
}

const refused: [query: string, message: RegExp][] = [
  ['layer=2147483648', /"layer" is "2147483648", expected a whole number from 0/],
  ['layer=00000000007', /"layer"/],
  ['layer=', /"layer" is ""/],
  ['at=1.5', /"at" is "1.5"/],
  ['at=0&anchor=-1', /"anchor" is "-1"/],
  [`tab=${'a'.repeat(21)}`, /"tab" is .*expected a word such as lens/],
  ['tab=', /"tab" is ""/],
  ['tab=Lens', /"tab" is "Lens"/],
  ['off=10000.*.*', /"off" has "10000/],
  ['off=x1.*.*', /"off" has "x1/],
  ['off=1.*.*.*', /"off" has/],
  [`compare=model.${'m'.repeat(81)}`, /"compare"/],
  ['compare=model..x', /"compare"/],
  ['compare=saved2', /"compare" is "saved2", expected saved, commit or model.name/],
];
for (const [query, message] of refused) {
  test(`refused: ${query.slice(0, 50)}`, () => assert.throws(() => parsed(query), { name: 'RangeError', message }));
}

test('paths of files', () => {
  for (const file of ['a', 'a.b/.c/d..e', '...a', 'a'.repeat(1024)]) assert.equal(parseLink(`file=${file}`).file, file);
  for (const file of ['a/.', './a', 'a/...', 'a/ ', 'a/. ./b', 'a/', 'a:b', 'a%09b', 'a%5Cb', 'a'.repeat(1025)]) {
    assert.throws(() => parseLink(`file=${file}`), { message: /"file" is/ }, file);
  }
});

test('models that a link can name', () => {
  for (const name of ['a', '_a', '-a', 'a.b-c_9'])
    assert.deepEqual(linkedModel(name), { link: { kind: 'model', name } });
  for (const name of ['', '.a', 'a b', 'a/b', 'm'.repeat(81)]) assert.deepEqual(linkedModel(name), {});
});

test('a layer shows the last stage that it has up to the chosen one, or else its first', () => {
  const available: Stage[] = ['scores', 'mixed_scores', 'pattern'];
  assert.deepEqual(
    stages.map(stage => effectiveStage(available, stage)),
    ['scores', 'scores', 'scores', 'scores', 'mixed_scores', ...Array(5).fill('pattern')],
  );
  assert.equal(effectiveStage(['pattern'], 'scores'), 'pattern');
});

test('the stage before, of one unit', () => {
  assert.deepEqual(
    stages.map(stage => previousStage(stages, stage)),
    [
      ...[null, 'scores', 'capped_scores', 'decayed_scores', 'convolved_scores'],
      ...[null, 'pattern', 'differential_pattern', 'convolved_pattern', 'mixed_pattern'],
    ],
  );
  assert.equal(previousStage(['scores', 'mixed_scores', 'pattern', 'mixed_pattern'], 'mixed_pattern'), 'pattern');
  assert.deepEqual(stages.map(isPreSoftmax), [true, true, true, true, true, false, false, false, false, false]);
});

test('values of an overview', () => {
  const place = { layerIdx: 0, headIdx: 0, stage: 'scores', nTokens: 4, blockSize: 2, size: 2 } as const;
  const overview = { ...place, scale: 254, cells: Int8Array.of(1, -2, 3, -127) };
  assert.deepEqual(
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 0],
    ].map(([q, k]) => overviewValue(overview, q!, k!)),
    [2, -4, 6, -254, 0],
  );
});

test('identities of parts, and heads of a mixing group', () => {
  const conv = { rows: 3, columns: 5, identityColumn: 2 };
  const mix = { rows: 1, columns: 4, identityColumn: null };
  assert.equal(identityIndex(conv, 3), 12);
  assert.equal(identityIndex({ ...conv, identityColumn: 0 }, 3), 10);
  assert.deepEqual(
    [0, 3, 4, 6].map(head => identityIndex(mix, head)),
    [0, 3, 0, 2],
  );
  assert.deepEqual(
    [0, 3, 4, 6].map(head => sourceHead(mix, head, 1)),
    [1, 1, 5, 5],
  );
  assert.deepEqual(kernelParts.map(isConv), [true, false, true, false]);
});
