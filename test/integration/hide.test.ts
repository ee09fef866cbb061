/** What the panel's Token page asks of the engine, held to the command line's knock-outs and splits. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { partsOf, sumByLine } from '../../src/attention/tokenAnswer';
import { type AnalyzedDocument, analyzeFile, documentRun } from '../../src/cli/document';
import { knockOutJson } from '../../src/cli/knockOut';
import { tinyModelDirectory } from '../fixtures/paths';

const folder = mkdtempSync(join(tmpdir(), 'mta-hide-'));
const text = 'moon = 1;\nsun = 2;\nreturn moon;\n';
let document: AnalyzedDocument;
before(async () => {
  const path = join(folder, 'a.js');
  writeFileSync(path, text);
  const options = { model: tinyModelDirectory, provider: 'cpu', maxTokens: 64, at: 0, topK: 4 } as const;
  document = await analyzeFile(path, options);
});
after(async () => {
  await document.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

/** Tokens of a stretch of text. */
function tokensOf(start: number, end: number) {
  const { offsets, labels } = document.tokens;
  const inside = labels.flatMap((_, i) =>
    offsets[i]! >= start && offsets[i + 1]! <= end && offsets[i + 1]! > start ? [i] : [],
  );
  return { first: inside[0]!, end: inside.at(-1)! + 1 };
}

test('hiding a line costs the bits that the command line measures', async () => {
  const { engine, tokens } = document;
  const at = text.lastIndexOf('moon');
  const line = tokensOf(0, text.indexOf('\n') + 1);
  const row = tokensOf(at, at + 4).first - 1;
  const options: Parameters<typeof knockOutJson>[1] = {
    ...({
      at,
      to: undefined,
      row: 'predicting',
      target: 'actual',
      queries: undefined,
      unit: 'tokens',
      isEach: false,
    } as const),
    ...{ keys: [{ from: line.first, to: line.end }], layers: undefined, heads: undefined },
  };
  const expected = (await knockOutJson(document, options)).knockouts[0]!;
  const target = tokens.ids[row + 1]!;
  const rows = { first: row, end: row + 1 };
  const cuts = [{ keys: line }];
  const { changeBits, likeliest } = (await engine.knockOuts({ analysisId: documentRun, rows, target, cuts }))
    .effects[0]!;
  assert.ok(Math.abs(changeBits - expected.change_bits) < 1e-5, `${changeBits}, expected ${expected.change_bits}`);
  assert.equal(likeliest[0]!.text, expected.likeliest.text);
  assert.ok(Math.abs(likeliest[0]!.probability - expected.likeliest.probability) < 1e-6);
  assert.notEqual(changeBits, 0);
});

test('lines, own line and begin token of a split logit add up to its heads', async () => {
  const { engine, tokens } = document;
  const row = tokens.ids.length - 3;
  const found = await engine.explain({ analysisId: documentRun, row, target: 'actual' });
  const lineOf = Int32Array.from(tokens.offsets.subarray(0, -1), (start, i) =>
    tokens.offsets[i + 1] === start ? -1 : text.slice(0, start).split('\n').length - 1,
  );
  const { lines, ownLine, outside } = sumByLine(found.tokens, row, lineOf, row + 1);
  const total = lines.reduce((sum, { value }) => sum + value, ownLine + outside);
  assert.ok(Math.abs(total - partsOf(found).heads) < 1e-5);
});
