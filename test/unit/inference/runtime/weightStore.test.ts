import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FedWeight } from '../../../../src/graph/graphFile';
import { fedType, WeightStore } from '../../../../src/inference/runtime/weightStore';

/** A file of the fp16 numbers 0, 1, 2, 3, ... 7, as rows of two. */
const halves = Uint16Array.of(0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700);
const table: FedWeight = { name: 'table', stored: 'float16', shape: [4, 2], file: 'w', offset: 0, length: 16 };
const lastRows = { ...table, name: 'rows', shape: [2, 2], offset: 8, length: 8 };

function openStore(widens: boolean, bytes = new Uint8Array(halves.buffer)) {
  let nReads = 0;
  const inMemory = async () => {
    nReads++;
    return new Map([['w', bytes]]);
  };
  return { store: new WeightStore({ weightFolder: '/nowhere', inMemory }, widens), reads: () => nReads };
}

test('all sessions get the same memory, and parts of a table lie in it', async () => {
  for (const widens of [true, false]) {
    const { store, reads } = openStore(widens);
    const both = await Promise.all([store.load([table]), store.load([table, lastRows])]);
    const [first, second, rows] = [both[0].get('table')!, both[1].get('table')!, both[1].get('rows')!];
    assert.equal(first.type, widens ? 'float32' : 'float16');
    assert.equal(first.data.buffer, second.data.buffer);
    assert.equal(first.data.buffer, rows.data.buffer);
    assert.equal(reads(), 1);
    assert.deepEqual([...rows.data], widens ? [4, 5, 6, 7] : [...halves.subarray(4)]);
    assert.deepEqual(rows.dims, [2, 2]);
  }
});

test('stored types: fp16 and bf16 are widened together; otherwise bf16 stays in its file', async () => {
  const types = ['float32', 'float16', 'bfloat16', 'uint8'] as const;
  assert.deepEqual(
    types.map(type => fedType(type, true)),
    ['float32', 'float32', 'float32', 'uint8'],
  );
  assert.deepEqual(
    types.map(type => fedType(type, false)),
    ['float32', 'float16', null, 'uint8'],
  );
  const { store } = openStore(true, new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001).buffer));
  const weight = { ...table, stored: 'bfloat16', shape: [2, 2], length: 8 } as const;
  const { data } = (await store.load([weight])).get('table')!;
  assert.deepEqual([...data], [1, -2, Number.POSITIVE_INFINITY, 2 ** -133]);
});

test('a range that begins anywhere in a file is laid as arrays need it', async () => {
  const bytes = new Uint8Array(20);
  bytes.set(new Uint8Array(halves.buffer), 3);
  const { store } = openStore(true, bytes.subarray(1));
  const { data } = (await store.load([{ ...lastRows, offset: 10 }])).get('rows')!;
  assert.deepEqual([...data], [4, 5, 6, 7]);
});

test('a file that cannot be read is refused, and the next load goes on', async () => {
  const store = new WeightStore({ weightFolder: '/nowhere', inMemory: async () => new Map() }, true);
  await assert.rejects(store.load([table]), { code: 'bad-model-file', message: /w cannot be read/ });
  assert.equal((await store.load([])).size, 0);
});
