/** Saving and copying the current map: what is asked first, what is written where, and what is refused. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { decode } from 'fast-png';
import { MapExporter } from '../../../src/panel/mapExporter';
import { openAnalysis } from '../../fixtures/analysis';
import { layerOf, settle } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const style = { colorMap: 'redBlue', scale: 'linear', part: null, isAllStages: false } as const;

async function open(isInspected = true) {
  const opened = openAnalysis();
  const exporter = new MapExporter(opened.analysis, { path: '/extension', scheme: 'file', authority: '' } as never);
  for (const file of ['report.js', 'report.css'])
    editor.files.set(`/extension/dist/${file}`, new TextEncoder().encode(file));
  if (isInspected) await opened.inspect(editor.open('ab'));
  /** Answers every request for exact values, 3 x 3 cells, until the work is done. */
  async function answered<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    work.then(end, end);
    while (!isDone) {
      for (const { name, isOpen, resolve } of opened.client.requests) {
        if (isOpen && name === 'tile') resolve({ values: Float32Array.of(1, 0, 0, 0.5, 0.5, 0, 0.25, 0.25, 0.5) });
        if (isOpen && name === 'overview') resolve(layerOf(1).overviews[0]);
      }
      await settle();
    }
    return work;
  }
  return { ...opened, exporter, answered };
}
const text = (path: string) => new TextDecoder().decode(editor.files.get(path));

test('a map is written where the reader says, in the format that was chosen', async () => {
  const { exporter, answered } = await open();
  editor.answers.save = '/workspace/out.csv';
  const saved = answered(exporter.save('csv', style));
  assert.equal(await saved, true);
  assert.match(text('/workspace/out.csv'), /^query,key,query_token,key_token,value\n0,0,/);
  assert.match(text('/workspace/out.csv.json'), /"format": "mta-facts-1"[\s\S]*"mixed_pattern"/);
  editor.files.set('/workspace/mine.csv.json', new TextEncoder().encode('{}'));
  editor.answers.save = '/workspace/mine.csv';
  await answered(exporter.save('csv', style));
  assert.equal(text('/workspace/mine.csv.json'), '{}', 'a file of the reader stays');
  assert.deepEqual(editor.status, ['MTA Inspector: saved out.csv', 'MTA Inspector: saved mine.csv']);
  editor.answers.save = '/workspace/out.png';
  const picture = answered(exporter.save('png', style));
  await picture;
  assert.ok(decode(editor.files.get('/workspace/out.png')!).width > 0);
});

test('nothing is written when the reader thinks better of it', async () => {
  const { exporter, client } = await open();
  const before = editor.files.size;
  assert.equal(await exporter.save('csv', style), false);
  assert.deepEqual([editor.files.size, client.all('tile').length, editor.status], [before, 0, []]);
});

test('a place that cannot be written is said with the reason', async () => {
  const { exporter, answered } = await open();
  editor.answers.save = '/elsewhere/out.json';
  const saved = answered(exporter.save('json', style));
  await assert.rejects(saved, { code: 'cannot-write', message: /\/elsewhere\/out\.json: read-only/ });
});

test('a full disk leaves the older file, and nothing beside it', async () => {
  const { exporter, answered } = await open();
  editor.answers.save = '/workspace/full.csv';
  editor.files.set('/workspace/full.csv', new TextEncoder().encode('older'));
  editor.isDiskFull = true;
  try {
    await assert.rejects(answered(exporter.save('csv', style)), { code: 'cannot-write', message: /no space left/ });
  } finally {
    editor.isDiskFull = false;
  }
  assert.equal(text('/workspace/full.csv'), 'older');
  assert.deepEqual(
    [...editor.files.keys()].filter(path => path.startsWith('/workspace/full')),
    ['/workspace/full.csv'],
  );
  await answered(exporter.save('csv', style));
  assert.match(text('/workspace/full.csv'), /^query,key/);
});

test('beside a CSV file, a pipe and a long file are neither read nor replaced', async () => {
  const { exporter, answered } = await open();
  for (const [name, bytes] of [
    ['pipe', new Uint8Array()],
    ['long', new Uint8Array((1 << 20) + 1)],
  ] as const) {
    const path = `/workspace/${name}.csv`;
    editor.answers.save = path;
    editor.files.set(`${path}.json`, bytes);
    if (name === 'pipe') editor.pipes.add(`${path}.json`);
    assert.equal(await answered(exporter.save('csv', style)), true);
    assert.match(text(path), /^query,key/);
    assert.equal(editor.files.get(`${path}.json`), bytes);
  }
});

test('the part that is seen is written, under a name that says so; formats of whole maps pass over it', async () => {
  const { exporter, answered } = await open();
  const seen = { ...style, part: { queryStart: 1, keyStart: 0, nQueries: 1, nKeys: 2 }, isAllStages: true };
  editor.answers.save = '/workspace/out.csv';
  await answered(exporter.save('csv', seen));
  assert.equal(text('/workspace/out.csv').trimEnd().split('\n').length, 3, 'a header and two cells');
  const facts = JSON.parse(text('/workspace/out.csv.json'));
  assert.deepEqual([facts.part.first_query, facts.part.last_key, facts.stages], [1, 1, null]);
  await answered(exporter.copy('svg', seen));
  assert.match(editor.clipboard, /All stages</);
  await answered(exporter.copy('json', seen));
  assert.equal(JSON.parse(editor.clipboard).map.length, 3);
});

test('text formats are copied, others are refused; what is too large says so', async () => {
  const { exporter, answered } = await open();
  const copied = answered(exporter.copy('json', style));
  await copied;
  assert.ok(JSON.parse(editor.clipboard));
  assert.deepEqual(editor.status, ['MTA Inspector: copied as JSON']);
  editor.clipboard = '';
  for (const format of ['png', 'npz'] as const) {
    const refused = answered(exporter.copy(format, style));
    await assert.rejects(refused, RangeError);
  }
  assert.equal(editor.clipboard, '');
});

test('the picture is a PNG file of the current map', async () => {
  const { exporter, answered } = await open();
  const drawn = answered(exporter.picture(style));
  assert.ok(decode(await drawn).width > 0);
});

test('nothing can be exported before a run is done, and that is said before anything is asked', async () => {
  const { exporter } = await open(false);
  const refused = { code: 'nothing-to-export' };
  await assert.rejects(exporter.save('csv', style), refused);
  await assert.rejects(exporter.copy('csv', style).then(), refused);
  await assert.rejects(exporter.picture(style).then(), refused);
});
