/** The bundled models of the toy task on their sample document: one finds the block, the other does not. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { root } from '../fixtures/paths';

const folder = join(root, 'models', 'bundled');
const text = readFileSync(join(folder, 'toy-mta-n5', 'sample.txt'), 'utf8');

/** Which letters of the answer, the last five of the sample, the model predicts. */
async function hits(name: string): Promise<number[]> {
  const engine = await Engine.load({ modelDirectory: join(folder, name), provider: 'cpu', nThreads: 1 }, () => {});
  const { isTop1 } = await engine.score(Int32Array.from(engine.encode(text).ids));
  await engine.release();
  return Array.from(isTop1.slice(-5), Number);
}

test('the sample holds one block with both query letters, and ends with it', () => {
  const [, blocks, query, answer] = /^([a-z.]+)#([a-z]{2})([a-z]{5})$/.exec(text)!;
  const matching = blocks!.split('.').filter(block => Array.from(query!).every(letter => block.includes(letter)));
  assert.deepEqual(matching, [answer]);
});

test('the model with kernels writes the block', async () => {
  assert.deepEqual(await hits('toy-mta-n5'), [1, 1, 1, 1, 1]);
});

test('the model without them misses', async () => {
  assert.ok((await hits('toy-transformer-n5')).includes(0));
});
