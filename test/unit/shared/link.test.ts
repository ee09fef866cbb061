import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LinkTarget, linkQuery, parseLink } from '../../../src/shared/link';

const target: LinkTarget = {
  folder: 'my work & more',
  file: 'src/ünï cöde/a+b=c.ts',
  layerIdx: 2,
  headIdx: 7,
  stage: 'convolved_scores',
  difference: true,
  at: 120,
  anchor: 80,
};

test('a link says the same when read as when written', () => {
  assert.deepEqual(parseLink(linkQuery(target)), target);
  const plain = { ...target, folder: null, difference: false, at: null, anchor: null };
  assert.deepEqual(parseLink(linkQuery(plain)), plain);
  assert.equal(parseLink('file=a.ts').stage, 'mixed_pattern');
});

for (const [query, part] of [
  ['', /file/],
  ['file=', /file/],
  ['file=../secret', /file/],
  ['file=a/../../b', /file/],
  ['file=/etc/passwd', /file/],
  ['file=a//b', /file/],
  ['file=C:%5Cx', /file/],
  ['file=a%5C..%5Cb', /file/],
  ['file=a%00b', /file/],
  [`file=${'a'.repeat(1025)}`, /file/],
  ['file=a&layer=-1', /layer/],
  ['file=a&layer=1e3', /layer/],
  ['file=a&head=99999999999', /head/],
  ['file=a&stage=probability', /stage/],
  ['file=a&at=x', /at/],
  ['file=a&command=rm', /command/],
  ['file=a&model=/tmp/x', /model/],
  ['file=a&file=b', /more than once/],
] as const) {
  test(`refused: ${query.slice(0, 40)}`, () => {
    assert.throws(() => parseLink(query), { name: 'RangeError', message: part });
  });
}
