import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noAblation } from '../../../src/shared/ablation';
import { isLinkable, type LinkTarget, linkQuery, parseLink } from '../../../src/shared/link';

const target: LinkTarget = {
  folder: 'my work & more',
  file: 'src/ünï cöde/a+b=c.ts',
  layerIdx: 2,
  headIdx: 7,
  stage: 'convolved_scores',
  difference: true,
  tab: 'lens',
  ablation: {
    scope: 'layer',
    edits: [
      { part: null, layerIdx: 3, headIdx: null, weights: null },
      { part: 'pre_softmax_conv', layerIdx: null, headIdx: 12, weights: null },
    ],
  },
  comparison: { kind: 'model', name: 'transformer-base_2.1' },
  at: 120,
  anchor: 80,
};

test('a link says the same when read as when written', () => {
  assert.deepEqual(parseLink(linkQuery(target)), target);
  const plain = { ...target, folder: null, difference: false, tab: null, ablation: noAblation, at: null, anchor: null };
  for (const comparison of [null, { kind: 'saved' }, { kind: 'commit' }] as const) {
    const compared = { ...plain, comparison };
    assert.deepEqual(parseLink(linkQuery(compared)), compared);
  }
  assert.equal(parseLink('file=a.ts').stage, 'mixed_pattern');
});

test('a file name with blanks, quotes or signs of an address comes back as it is', () => {
  for (const file of ['src/x?y#z&w=%41.ts', '"quoted" + plus.ts', 'ä 漢字.md', 'a/ b.ts']) {
    assert.equal(parseLink(linkQuery({ ...target, file })).file, file);
  }
});

test('names outlive every decoding on the way: none, one by VS Code, two by another program', () => {
  const names = ['c++ notes.md', 'R&D plan.txt', '50%25 off.txt', 'c++/main.cpp', 'a#b.ts', 'x=y.txt', 'ünï 価格.txt'];
  for (const file of [...names, "~20 it's (1)!*.md", '😀.ts', 'src/main.ts']) {
    const query = linkQuery({ ...target, folder: file.replaceAll('/', ' '), file });
    assert.match(query, /^[\w.~/=&,*-]+$/);
    for (const times of [0, 1, 2]) {
      let received = query;
      for (let i = 0; i < times; i++) received = decodeURIComponent(received);
      const { folder, file: opened } = parseLink(received);
      assert.deepEqual([folder, opened], [file.replaceAll('/', ' '), file]);
    }
  }
  assert.match(
    linkQuery({ ...target, folder: null, file: 'src/main.ts' }),
    /^path=src\/main\.ts&/,
    'plain names stay plain',
  );
});

test('links of earlier versions still open', () => {
  const { folder, file } = parseLink('folder=my%20work&file=src%2Fa%2Bb.ts&layer=1');
  assert.deepEqual([folder, file], ['my work', 'src/a+b.ts']);
});

test('edited weights stay behind, and the maker of the link can find out', () => {
  const edit = { part: 'pre_softmax_conv', layerIdx: 0, headIdx: 0, weights: [1] } as const;
  const ablation = { scope: 'model', edits: [edit] } as const;
  assert.equal(isLinkable(ablation), false);
  assert.deepEqual(parseLink(linkQuery({ ...target, ablation })).ablation, noAblation);
  assert.equal(isLinkable(target.ablation), true);
});

for (const [query, part] of [
  ['', /path/],
  ['path=', /"path" is not a path/],
  ['path=..~2Fsecret', /path/],
  ['path=a~00b', /path/],
  ['path=a~5C..~5Cb', /path/],
  ['path=~2Fetc~2Fpasswd', /path/],
  ['path=a~2', /"path" is "a~2", expected a name with bytes as ~2B/],
  ['path=a~FF', /"path"/],
  ['path=a&path=b', /more than once/],
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
  ['file=a&tab=__proto__', /tab/],
  ['file=a&off=', /off/],
  ['file=a&off=1.2', /layer\.head\.part/],
  ['file=a&off=1.2.values', /pre_softmax_conv/],
  ['file=a&off=-1.*.*', /off/],
  [`file=a&off=${Array(201).fill('*.*.*').join()}`, /at most 200/],
  ['file=a&off=*.*.*&scope=world', /scope/],
  ['file=a&compare=clipboard', /saved, commit or model/],
  ['file=a&compare=model.', /compare/],
  ['file=a&compare=model.../../etc', /compare/],
  ['file=a&compare=model./tmp/x', /compare/],
  ['file=a&command=rm', /command/],
  ['file=a&model=/tmp/x', /model/],
  ['file=a&file=b', /more than once/],
] as const) {
  test(`refused: ${query.slice(0, 40)}`, () => {
    assert.throws(() => parseLink(query), { name: 'RangeError', message: part });
  });
}
