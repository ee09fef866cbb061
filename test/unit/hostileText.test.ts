/** Text that tries to be more than text, in everything that is made of a document's text. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultStyle, exportMap } from '../../src/export/exportMap';
import type { ExportSource, MapChoice } from '../../src/export/source';
import type { ModelSummary } from '../../src/shared/analysis';
import { visibleToken } from '../../src/shared/labels';
import { codeSpan } from '../../src/shared/tools/markdown';

const hostile: readonly [string, string][] = [
  ['a script', '<script>alert(1)</script>'],
  ['the end of a script', '</script><img src=x onerror=alert(1)>'],
  ['a comment', '<!--<script>'],
  ['an attribute', '" onmouseover="alert(1)" x="'],
  ['a link', '[a](command:workbench.action.quit) ![](https://example.com/x.png)'],
  ['many backticks', '`a'.repeat(300_000)],
  ['bidi', '\u202eevil\u2066\u2069\u200f'],
  ['right-to-left', 'שלום עולם مرحبا'],
  ['ANSI', '\u001b[31mred\u001b]0;title\u0007'],
  ['zero-width', 'a\u200b\u200c\u200d\u2060\ufeffb'],
  ['lone surrogates', '\ud800 \udfff'],
  ['control characters', '\0\b\u0085\u2028\u2029'],
  ['a million combining marks', `e${'\u0301'.repeat(1_000_000)}`],
];
/** Characters that are not seen but change what is. */
const invisible = /[\p{Cs}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|(?!\n)\p{Cc}/u;
const layer = { operators: ['score', 'sink_softmax'], stages: [] };
const choice: MapChoice = { layer: 0, head: 0, stage: 'pattern', shownStage: 'pattern', minus: null };

function exported(text: string, format: 'html' | 'png' | 'svg'): Promise<string | Uint8Array> {
  const labels = ['a', text];
  const source: ExportSource = {
    name: text,
    model: { name: text, nLayers: 0, nHeads: 1, layers: [layer, layer], directory: '' } as unknown as ModelSummary,
    provider: 'cpu',
    window: { start: 0, end: 2, documentLength: 2 },
    windowLines: { first: 1, last: 1, of: 1 },
    tokens: { ids: new Int32Array(2), offsets: new Uint32Array(3), labels },
    predictions: {
      surprisalBits: new Float32Array(2),
      k: 1,
      topIds: new Int32Array(2),
      topProbabilities: new Float32Array(2),
      labels: { 0: text },
    },
    durationMs: 1,
    ablation: text,
    codePointOffsets: () => null,
    overview: () => Promise.reject(new Error('no layer, no overview')),
    headMeasures: async () => [],
    map: async () => Float32Array.of(1, 0, 0.5, 0.5),
  };
  const page = async () => ({ script: '"</script>";', style: '/* </style> */' });
  return exportMap(source, format, { choice, layers: [0], heads: [0], topK: 1, style: defaultStyle, page });
}

for (const [what, text] of hostile) {
  test(`${what}: in the hover it is inline code, in the panel and on axes visible text`, () => {
    const span = codeSpan(text);
    assert.ok(span.length < 1000, `${span.length} characters`);
    assert.doesNotMatch(span, invisible);
    const fence = /^`+/.exec(span)![0];
    assert.ok(span.endsWith(` ${fence}`));
    assert.ok(!span.slice(fence.length, -fence.length).includes(fence), 'nothing ends the code early');
    assert.doesNotMatch(visibleToken(text).replace(/[\ud800-\udfff]/g, ''), invisible);
  });

  test(`${what}: in the SVG it is text and changes no direction`, async () => {
    const svg = (await exported(text, 'svg')) as string;
    const elements = svg.match(/<\/?[a-zA-Z!?][^\s>]*/g) ?? [];
    const known = /^<[?/]?(xml|svg|title|desc|metadata|rect|text|image|g|defs|linearGradient|stop)$/;
    assert.deepEqual(
      elements.filter(element => !known.test(element)),
      [],
    );
    assert.doesNotMatch(svg, / on\w+="/);
    assert.doesNotMatch(svg, /[\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?!\n)\p{Cc}/u);
  });

  test(`${what}: in the HTML page it is data that ends no element`, async () => {
    const html = (await exported(text, 'html')) as string;
    assert.deepEqual(html.match(/<\/?script/g), ['<script', '</script', '<script', '</script']);
    assert.deepEqual(html.match(/<\/?style/g), ['<style', '</style']);
    assert.doesNotMatch(html, /<!--|<img|unsafe-inline/);
    assert.match(html, /default-src 'none';.*base-uri 'none'; form-action 'none'"/);
    const [, json = ''] = /<script type="application\/json"[^>]*>(.*?)<\/script>\n/s.exec(html) ?? [];
    assert.equal(JSON.parse(json).state.documentLabel, text);
  });
}
