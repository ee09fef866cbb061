/** Heads built to copy, to do the opposite, to do nothing, and at random, by the measure "Copying"; see models/tests for numpy. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { analyzeFile } from '../../src/cli/document';
import { headsJson } from '../../src/cli/heads';
import { writeRandomModel } from '../fixtures/randomModel';

const folder = mkdtempSync(join(tmpdir(), 'mta-copying-'));
const file = join(folder, 'text.txt');
const [dim, headDim] = [128, 32];

/** Head 0 gives back what it reads, head 1 its opposite, head 2 nothing; head 3 is random. */
function spoil(wv: Float32Array | null, key: string, values: Float32Array): Float32Array | null {
  if (key.endsWith('attention.wv.weight')) return values;
  if (!key.endsWith('attention.wo.weight') || !wv) return wv;
  for (let row = 0; row < dim; row++) {
    for (let column = 0; column < 3 * headDim; column++) {
      const sign = [1, -1, 0][Math.floor(column / headDim)]!;
      values[row * dim + column] = sign * wv[column * dim + row]!;
    }
  }
  return wv;
}

before(() => {
  writeFileSync(
    file,
    'The keeper of the light wrote down each ship: name, hour, wind; then he slept. 0123456789 QUIZ JKX?',
  );
  const sizes = {
    dim,
    n_heads: 4,
    n_kv_heads: 4,
    head_dim: headDim,
    n_layers: 1,
    max_seqlen: 256,
    mta: { use_mta: false },
  };
  let wv: Float32Array | null = null;
  // Weights are the same each time; the first time reads the value matrix, wherever it comes.
  for (let time = 0; time < 2; time++) {
    writeRandomModel(join(folder, 'model'), { ...sizes, name: 'copying' }, (key, values) => {
      wv = spoil(wv, key, values);
    });
  }
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('what a head does with the tokens it attends to', async () => {
  const options = { provider: 'cpu', maxTokens: 200, at: 0, topK: 4 } as const;
  const document = await analyzeFile(file, { ...options, model: join(folder, 'model') });
  try {
    const heads = (await headsJson(document, 'copying')).heads.toSorted((a, b) => a.head - b.head);
    const value = (head: number, name: string) => heads[head]![name] as number;
    // All of the attention to earlier tokens but the first one.
    const earlier = (head: number) => 1 - value(head, 'sink_share') - value(head, 'own_token');
    assert.ok(Math.abs(value(0, 'copying') / earlier(0) - 1) < 0.03, `${value(0, 'copying')} of ${earlier(0)}`);
    assert.ok(Math.abs(value(1, 'copying') / earlier(1) + 1) < 0.03, `${value(1, 'copying')} of ${earlier(1)}`);
    assert.ok(Math.abs(value(2, 'copying')) < 1e-7, 'ties count half');
    assert.ok(Math.abs(value(3, 'copying')) < 0.25, `at random: ${value(3, 'copying')}`);
    assert.deepEqual([heads[0]!.kind, heads[1]!.kind === 'copying'], ['copying', false]);
  } finally {
    await document.engine.release();
  }
});
