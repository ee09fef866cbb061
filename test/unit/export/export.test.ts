/** Exports of a window whose text is hostile and whose map is broken in places. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config } from '@vscode/l10n';
import { decode } from 'fast-png';
import { unzipSync } from 'fflate';
import german from '../../../l10n/bundle.l10n.de.json' with { type: 'json' };
import { analyzeText } from '../../../src/cli/analyze';
import { defaultStyle, exportMap } from '../../../src/export/exportMap';
import { type CellsMark, drawFigure, type Figure, masked, paper, scaleMax } from '../../../src/export/figure';
import { analyzeJson, mapCsv } from '../../../src/export/mapText';
import { paint, pixelRatio } from '../../../src/export/png';
import {
  codePointOffsets,
  type ExportSource,
  exportName,
  factsJson,
  type MapChoice,
  mapFacts,
} from '../../../src/export/source';
import { escapeXml } from '../../../src/export/svg';
import type { ModelSummary } from '../../../src/shared/analysis';
import { bakeColors, colorOf, levelOf, nanColor } from '../../../src/shared/colorScale';
import { formatValue } from '../../../src/shared/labels';
import { type ExportFormat, exportFormats } from '../../../src/shared/panel/exportFormats';
import { describeCellValue } from '../../../webview/labels';

const hostile = ['', '</script><img src=x onerror=alert(1)>', '\ud800"\u0000&', '=1+1'];
const map = Float32Array.of(1, 0, 0, 0, -0.5, 2, 0, 0, Number.NaN, 0, -4, 0, 0.25, 0.25, 0.25, 0.25);
const layer = { operators: ['score', 'sink_softmax'], stages: [] };
const choice: MapChoice = { layer: 1, head: 2, stage: 'mixed_pattern', shownStage: 'pattern', minus: null };

function sourceOf(labels: readonly string[], values: Float32Array): ExportSource {
  const nTokens = labels.length;
  return {
    name: 'a<b>&"c".ts',
    model: {
      name: 'tiny',
      nLayers: 0,
      nHeads: 200,
      layers: [layer, layer],
      directory: '/secret',
    } as unknown as ModelSummary,
    provider: 'cpu',
    window: { start: 0, end: 9, documentLength: 20 },
    windowLines: { first: 1, last: 2, of: 5 },
    tokens: { ids: new Int32Array(nTokens), offsets: new Uint32Array(nTokens + 1), labels },
    predictions: {
      surprisalBits: new Float32Array(nTokens).fill(Number.NaN),
      k: 1,
      topIds: new Int32Array(nTokens),
      topProbabilities: new Float32Array(nTokens).fill(0.5),
      labels: { 0: '</script>' },
    },
    durationMs: 1,
    ablation: null,
    codePointOffsets: () => null,
    overview: () => Promise.reject(new Error('no layer, no overview')),
    headMeasures: async () => [],
    map: async () => values,
  };
}

function exported(format: ExportFormat, labels = hostile, values = map): Promise<string | Uint8Array> {
  const page = async () => ({ script: '', style: '' });
  const options = { choice, layers: [1], heads: [2], topK: 4, style: defaultStyle, page };
  return exportMap(sourceOf(labels, values), format, options);
}

function figure(change: Partial<Parameters<typeof drawFigure>[0]> = {}): Figure {
  const facts = mapFacts(sourceOf(hostile, map), choice);
  const maps = [{ stage: 'mixed_pattern', minus: null, values: map }] as const;
  const rest = { firstLine: 1, part: null, selectedToken: null, facts, style: defaultStyle };
  return drawFigure({ maps, labels: hostile, ...rest, ...change });
}
const cellsOf = ({ marks }: Figure) => marks.filter((mark): mark is CellsMark => mark.kind === 'cells');
const textsOf = ({ marks }: Figure) => marks.flatMap(mark => (mark.kind === 'text' ? mark.text : []));

test('the figure: every cell in its color, the first key in a strip, masked cells gray, NaN in its own color', () => {
  const drawn = figure();
  const [body, strip, scale] = cellsOf(drawn);
  assert.deepEqual([body!.columns, body!.rows, strip!.columns, strip!.rows, scale!.columns], [3, 4, 1, 4, 255]);
  const table = bakeColors(paper, false);
  const { width, pixels } = paint(drawn);
  for (let query = 0; query < 4; query++) {
    for (let key = 0; key < 4; key++) {
      const mark = key === 0 ? strip! : body!;
      const column = key === 0 ? 0 : key - 1;
      const left = Math.round((mark.x + (column + 0.5) * mark.cellWidth) * pixelRatio);
      const top = Math.round((mark.y + (query + 0.5) * mark.cellHeight) * pixelRatio);
      const value = map[query * 4 + key]!;
      const want = key > query ? masked : Number.isNaN(value) ? nanColor : colorOf(table, levelOf(value, 4, 'power'));
      const at = (top * width + left) * 3;
      assert.deepEqual([...pixels.subarray(at, at + 3)], [...want], `${query}, ${key}`);
    }
  }
});

test('a part of the map keeps the scale of all of it, and says which part it is', () => {
  const part = { queryStart: 1, keyStart: 1, nQueries: 2, nKeys: 2 };
  const facts = mapFacts(sourceOf(hostile, map), { ...choice, part });
  const drawn = figure({ part, facts });
  const [body, strip] = cellsOf(drawn);
  assert.deepEqual([body!.columns, body!.rows, strip!.rows], [2, 2, 2]);
  assert.ok(textsOf(drawn).includes('≥ +4.000'), 'of the whole map');
  assert.match(textsOf(drawn).join(' '), /queries 1–2 \(line 1\) and keys 1–2/);
  assert.deepEqual(facts.part, {
    ...{ first_query: 1, last_query: 2, first_key: 1, last_key: 2, first_line: 1, last_line: 1 },
  });
});

test('all stages stand side by side, each with its name and scale; what cannot be negative has one hue', () => {
  const maps = (['scores', 'pattern'] as const).map(stage => ({ stage, minus: null, values: map }));
  const drawn = figure({ maps });
  const [, , first, , , second] = cellsOf(drawn);
  assert.deepEqual([first!.columns, second!.columns], [255, 128]);
  assert.ok(['Scores', 'Pattern'].every(name => textsOf(drawn).includes(name)));
  const bodies = cellsOf(drawn).filter(({ rows, columns }) => rows === 4 && columns === 3);
  assert.ok(bodies[1]!.x > bodies[0]!.x + bodies[0]!.columns * bodies[0]!.cellWidth);
});

test('the axes: lines and names where tokens have no room, the selected token in bold where they have', () => {
  const labels = Array.from({ length: 300 }, (_, i) =>
    i % 10 === 9 ? '\n' : i === 20 ? 'function' : i === 21 ? ' run' : ' x',
  );
  const values = new Float32Array(300 * 300);
  const lines = textsOf(figure({ labels, maps: [{ stage: 'scores', minus: null, values }] }));
  assert.ok(lines.includes('3 run'), lines.join('|'));
  const { marks } = figure({ selectedToken: 3 });
  const bold = marks.filter(mark => mark.kind === 'text' && mark.isBold).map(mark => mark.kind === 'text' && mark.text);
  assert.ok(bold.includes('=1+1'));
});

test('nothing of a figure is outside of it, whatever its texts are', () => {
  for (const name of [
    'x'.repeat(1_000_000),
    '漢字かな交じり文'.repeat(50),
    'a b '.repeat(4000),
    'e\u0301'.repeat(500),
  ]) {
    const facts = { ...mapFacts(sourceOf(hostile, map), choice), file: name };
    const { width, height, marks } = figure({ facts, labels: hostile.map(label => label + name) });
    assert.ok(height < 1000 && marks.length < 100);
    for (const mark of marks) {
      const right =
        mark.kind === 'text' ? mark.x : mark.x + (mark.kind === 'cells' ? mark.columns * mark.cellWidth : mark.width);
      assert.ok(
        mark.x >= 0 && mark.y >= 0 && right <= width && mark.y <= height,
        JSON.stringify({ ...mark, pixels: 0 }),
      );
    }
  }
});

test('the scale: finite magnitudes only, without the first key, up to a percentile or the largest', () => {
  assert.equal(scaleMax(Float32Array.of(-9, 0, 2, Number.POSITIVE_INFINITY), 2, 'linear'), 0);
  assert.equal(scaleMax(Float32Array.of(-9, 0, 2, 3), 2, 'linear'), 3);
  assert.equal(scaleMax(Float32Array.of(Number.NaN), 1, 'linear'), 0);
  const ramp = Float32Array.from({ length: 80 * 80 }, (_, at) => at / 6400);
  assert.equal(scaleMax(ramp, 80, 'linear'), ramp.at(-1));
  assert.equal(scaleMax(ramp, 80, 'power'), ramp.at(-16), '3160 cells: 15 are beyond the percentile');
});

test('png: the figure at twice its size, and text that names what it shows', async () => {
  const { width, height, data, text } = decode((await exported('png')) as Uint8Array);
  const facts = mapFacts(sourceOf(hostile, map), choice);
  const drawn = figure({ facts, maps: [{ stage: 'pattern', minus: null, values: map }] });
  assert.deepEqual([width, height], [drawn.width * 2, drawn.height * 2]);
  assert.ok(Buffer.from(data.buffer).equals(Buffer.from(paint(drawn).pixels.buffer)));
  assert.deepEqual(JSON.parse(text['Comment']!), facts);
  assert.match(text['Software']!, /^MTA Inspector \d/);
});

test('svg: vectors around an embedded picture, nothing of the text is markup', async () => {
  const svg = (await exported('svg')) as string;
  assert.doesNotMatch(svg, /<img|<script|onerror=alert\(1\)>(?!.*&gt;)/);
  assert.match(svg, /<image [^>]*href="data:image\/png;base64,/);
  assert.match(svg, /tiny · layer 1 · head 2 · Pattern/);
  assert.match(svg, /a&lt;b&gt;&amp;&quot;c&quot;\.ts, lines 1–2, 4 tokens · MTA Inspector \d/);
  assert.ok(!/[\p{Cs}\0]/u.test(svg));
  assert.equal(escapeXml('\ud800\u0000\ufffe<>&"\'\t'), '\ufffd\ufffd\ufffd&lt;&gt;&amp;&quot;&#39;\t');
});

test('csv: a header and one row per cell, nothing else; a mark on request', async () => {
  const csv = (await exported('csv')) as string;
  const lines = csv.trimEnd().split('\n');
  assert.equal(lines[0], 'query,key,query_token,key_token,value');
  assert.equal(lines[10], `3,3,"'=1+1","'=1+1",0.25`);
  assert.equal(lines.length, 11);
  const source = sourceOf(hostile, map);
  assert.equal(await mapCsv(source, choice, true), `\ufeff${csv}`);
  const facts = factsJson(source, choice);
  assert.deepEqual([facts.layer, facts.file, Object.keys(facts.columns).join(',')], [1, 'a<b>&"c".ts', lines[0]]);
});

test('csv of a part has its cells only', async () => {
  const part = { queryStart: 1, keyStart: 1, nQueries: 3, nKeys: 1 };
  const csv = (await mapCsv(sourceOf(hostile, map), { ...choice, part }, false)) as string;
  const places = csv
    .trimEnd()
    .split('\n')
    .slice(1)
    .map(line => line.split(',').slice(0, 2).join());
  assert.deepEqual(places, ['1,1', '2,1', '3,1']);
});

test('csv and json of many tokens are longer than a string can be, and are given as bytes', async () => {
  // Long token texts instead of many tokens: 2,016 rows of 200 kB.
  const n = 63;
  const labels = Array.from({ length: n }, () => 'x'.repeat(100_000));
  const bytes = await mapCsv(sourceOf(labels, new Float32Array(n * n)), choice, false);
  assert.ok(bytes instanceof Uint8Array && bytes.length > 2 ** 28);
});

test('offsets in code points are those of Python', () => {
  const text = 'a 😀😀 b\ud800';
  assert.deepEqual([...codePointOffsets(text, Uint32Array.of(0, 1, 2, 4, 6, 8, 9))], [0, 1, 2, 3, 4, 6, 7]);
});

test('json and npz name what they hold', async () => {
  const json = JSON.parse((await exported('json')) as string);
  assert.equal(json.shown_stage, 'pattern');
  assert.match(json.version, /^MTA Inspector /);
  assert.deepEqual(json.map[2], [null, 0, -4]);
  const [score, softmax] = json.operators;
  assert.deepEqual([score.name, softmax.name, softmax.stage], ['score', 'sink_softmax', 'pattern']);
  assert.match(json.row_sum_note, /sink/);
  assert.deepEqual([json.rows[0].sink, json.rows[1].sink], [0, -0.5]);
  const files = unzipSync((await exported('npz')) as Uint8Array);
  const info = new TextDecoder().decode(files['info.npy']!);
  assert.equal(JSON.parse(info.slice(info.indexOf('{"'))).model, 'tiny');
  assert.ok(files['layer_1.mixed_pattern.npy']);
  const sinks = new Float32Array(files['layer_1.sink.npy']!.slice(-16).buffer);
  assert.deepEqual([...sinks], [0, -0.5, Number.NaN, 0]);
});

test('npz holds whole maps, and says so whatever part is on screen', async () => {
  const part = { queryStart: 1, keyStart: 1, nQueries: 1, nKeys: 1 };
  const page = async () => ({ script: '', style: '' });
  const seen = { ...choice, part, isAllStages: true };
  const options = { choice: seen, layers: [1], heads: [2], topK: 4, style: defaultStyle, page };
  const files = unzipSync((await exportMap(sourceOf(hostile, map), 'npz', options)) as Uint8Array);
  const info = new TextDecoder().decode(files['info.npy']!);
  const { part: held, stages } = JSON.parse(info.slice(info.indexOf('{"')));
  assert.deepEqual([held, stages], [null, null]);
});

test('html: no text of the document ends the data, and no path is written', async () => {
  const html = (await exported('html')) as string;
  assert.equal(html.match(/<\/script>/g)!.length, 2);
  assert.doesNotMatch(html, /<img|\/secret/);
  assert.match(html, /name="generator" content="MTA Inspector /);
});

test('one token, and names that are fit for files', async () => {
  for (const format of exportFormats) assert.ok((await exported(format, ['x'], Float32Array.of(1))).length > 0, format);
  const facts = mapFacts(sourceOf(hostile, map), choice);
  assert.equal(exportName(facts, 'png'), 'a_b_c_.ts.layer1.head2.pattern.png');
  assert.equal(exportName(facts, 'html'), 'a_b_c_.ts.attention.html', 'a page holds all heads');
  const stages = ['scores', 'pattern'] as const;
  assert.equal(exportName({ ...facts, stages }, 'svg'), 'a_b_c_.ts.layer1.head2.all_stages.svg');
  const part = { first_query: 1, last_query: 9, first_key: 0, last_key: 9, first_line: 33, last_line: 35 };
  assert.equal(exportName({ ...facts, part }, 'svg'), 'a_b_c_.ts.layer1.head2.pattern.lines33-35.svg');
  assert.equal(
    exportName({ ...facts, file: '../..', minus: 'scores' }, 'csv'),
    'map.layer1.head2.pattern-minus-scores.csv',
  );
});

test('a cell reads alike everywhere; the interface has its language, files and the command line are English', async () => {
  // 0.0004 is where hover and panel used to differ: one wrote it out, the other as a power of ten.
  const values = map.map(value => value / 10_000);
  const texts = async () => {
    const svg = (await exported('svg', hostile, values)) as string;
    const cli = analyzeText(await analyzeJson(sourceOf(hostile, values), choice, 4));
    return { svg, cli, panel: describeCellValue({ kind: 'exact', value: -0.0004 }), hover: formatValue(-0.0004) };
  };
  const checkFiles = ({ svg, cli }: { svg: string; cli: string }) => {
    assert.match(svg, />≥ \+4\.00e−4<\/text>/);
    assert.match(svg, /layer 1 · head 2 · Pattern</);
    assert.match(cli, /head L1H2, pattern: /);
    assert.match(cli, /−4\.00e−4 /);
    assert.match(cli, /not a number /);
    assert.match(cli, /Rows do not sum to 1\. The rest went to the sink/);
    assert.match(cli, / to no key$/m);
  };
  const english = await texts();
  checkFiles(english);
  assert.deepEqual([english.panel, english.hover], ['−4.00e−4', '−4.00e−4']);
  config({ contents: german });
  try {
    const inGerman = await texts();
    checkFiles(inGerman);
    assert.deepEqual([inGerman.panel, inGerman.hover], ['−4,00e−4', '−4,00e−4']);
    assert.equal(formatValue(Number.NaN), 'keine Zahl');
  } finally {
    config({ contents: {} });
  }
});

test('the page has a title and how to read it, opens on the selection, and allows no style but its own and an empty one', async () => {
  const source = { ...sourceOf(hostile, map), selection: { token: 2, anchor: 1 } };
  const model = { ...source.model, layers: [] };
  const page = async () => ({ script: 'run()', style: 'body {}' });
  const options = { choice, layers: [1], heads: [2], topK: 4, style: defaultStyle, page };
  const html = (await exportMap({ ...source, model }, 'html', options)) as string;
  assert.match(html, /<title>Attention of tiny in a_b__"c"\.ts, lines 1–2 of 5<\/title>/);
  assert.match(html, /<h1>Attention of tiny in a_b__"c"\.ts[^<]*<\/h1>[\s\S]*How to read this page/);
  const empty = 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';
  assert.match(html, new RegExp(`style-src 'sha256-[^']+' 'unsafe-hashes' '${empty.replaceAll('+', '\\+')}';`));
  const [, json] = /id="mta-data">(.*?)<\/script>/.exec(html)!;
  const { state } = JSON.parse(json!);
  assert.deepEqual([state.selectedToken, state.selectionAnchor, state.durationMs], [2, 1, null]);
});
