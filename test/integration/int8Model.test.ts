/** Model folders with matrices of 8 bits (models/export/quantize.py) against PyTorch, and what is refused. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import type { QuantizedWeights } from '../../src/shared/analysis';
import type { Stage } from '../../src/shared/operators';
import { int8ModelDirectory } from '../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-int8-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Expected {
  readonly tokenIds: readonly number[];
  readonly lastRows: readonly Readonly<Record<Stage, readonly (readonly number[])[]>>[];
  readonly lossNats: number;
}

const expected: Expected = JSON.parse(readFileSync(join(int8ModelDirectory, 'expected.json'), 'utf8'));

for (const quantized of ['packed', 'float32'] as const satisfies readonly QuantizedWeights[]) {
  test(`weights kept ${quantized}: maps and loss equal those PyTorch computed`, async () => {
    const folder = await openModelFolder(int8ModelDirectory, quantized);
    assert.equal(folder.summary.weightType, 'int8');
    assert.equal(folder.summary.weightsKeptAs, quantized);
    const runtime = new ModelRuntime(folder, 'cpu', 1);
    const ids = Int32Array.from(expected.tokenIds);
    const nTokens = ids.length;
    let hidden = await runtime.embed(ids);
    for (const [layerIdx, stages] of expected.lastRows.entries()) {
      const layer = await runtime.block(layerIdx, hidden, { topK: 4, blockSize: 1 });
      for (const [stage, rows] of Object.entries(stages)) {
        for (const [headIdx, row] of rows.entries()) {
          const asked = { stages: [stage as Stage], heads: [headIdx], queries: [nTokens - 1, nTokens] as const };
          const [got] = await runtime.stageRows(layerIdx, layer.rows, asked);
          const limit = 5e-5 * Math.max(1, ...row.map(Math.abs));
          const worst = Math.max(...row.map((value, key) => Math.abs(got![key]! - value)));
          assert.ok(worst <= limit, `${stage} of L${layerIdx}H${headIdx} differs by ${worst}`);
        }
      }
      hidden = layer.hidden;
    }
    const { logProbabilities } = await runtime.predict(hidden, [...ids.subarray(1), 0], 1);
    const nats = -logProbabilities.subarray(0, -1).reduce((sum, x) => sum + x, 0) / (nTokens - 1);
    assert.ok(Math.abs(nats - expected.lossNats) < 1e-4, `${nats} instead of ${expected.lossNats}`);
    await runtime.release();
  });
}

test('matrices stay packed: 8.5 bits a weight', async () => {
  const [packed, float32] = [
    await openModelFolder(int8ModelDirectory),
    await openModelFolder(int8ModelDirectory, 'float32'),
  ];
  const ratio = packed.sizeBytes / float32.sizeBytes;
  // Kernels and norms, which are a tenth of this model, stay as they are.
  assert.ok(ratio < 0.4, `${ratio} of the bytes of fp32`);
  assert.ok('packed' in packed.weights('layers.1.feed_forward.w2.weight').source);
  assert.ok('file' in packed.weights('layers.0.attention.mta_kernel').source);
});

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Rewrites the header of the file that has a tensor, and lets its bytes be changed. */
function editTensors(directory: string, name: string, edit: (header: Header, bytes: Buffer) => void): void {
  for (const file of readdirSync(directory).filter(each => each.endsWith('.safetensors'))) {
    const content = readFileSync(join(directory, file));
    const start = 8 + Number(content.readBigUInt64LE(0));
    const header = JSON.parse(content.toString('utf8', 8, start)) as Header;
    if (!(name in header)) continue;
    const bytes = content.subarray(start);
    edit(header, bytes);
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(join(directory, file), Buffer.concat([length, json, bytes]));
  }
}

function editConfig(edit: (config: Record<string, unknown>) => void) {
  return (directory: string) => {
    const path = join(directory, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    edit(config);
    writeFileSync(path, JSON.stringify(config));
  };
}

const wq = 'layers.0.attention.wq.weight';
const quantization = (value: unknown) => editConfig(config => Object.assign(config, { quantization: value }));
const edit =
  (name: string, change: (entry: Header[string], header: Header, bytes: Buffer) => void) => (directory: string) =>
    editTensors(directory, name, (header, bytes) => change(header[name]!, header, bytes));

const refused: readonly (readonly [what: string, change: (directory: string) => void, message: RegExp])[] = [
  ['no quantization', editConfig(config => delete config['quantization']), /tok_embeddings\.weight is of type I8/],
  ['4 bits', quantization({ bits: 4, block: 32 }), /quantization\.bits is 4, expected 8/],
  ['blocks of 64', quantization({ bits: 8, block: 64 }), /quantization\.block is 64, expected 32/],
  ['no bits', quantization({ block: 32 }), /quantization\.bits is missing, expected 8/],
  ['bits as text', quantization({ bits: '8', block: 32 }), /quantization\.bits is "8", expected 8/],
  ['a quantization that is true', quantization(true), /quantization is true, expected an object/],
  ['a list', quantization([8, 32]), /quantization is .*, expected an object/],
  [
    'a zero point',
    quantization({ bits: 8, block: 32, zero_point: 3 }),
    /quantization\.zero_point is 3, expected bits and/,
  ],
  [
    'no scales',
    edit(`${wq}.scales`, (entry, header) => {
      delete header[`${wq}.scales`];
      header['other'] = entry;
    }),
    /layers\.0\.attention\.wq\.weight\.scales is missing; layers\.0\.attention\.wq\.weight, of type I8, asks for 32×1/,
  ],
  [
    'scales of another shape',
    edit(`${wq}.scales`, entry => entry.shape.reverse()),
    /wq\.weight\.scales is 1×32, .* 32×1/,
  ],
  [
    'scales of another type',
    edit(`${wq}.scales`, entry => {
      entry.dtype = 'BF16';
    }),
    /wq\.weight\.scales is of type BF16 in model-0000\d-of-00003\.safetensors, expected F16/,
  ],
  ['a matrix of another shape', edit(wq, entry => entry.shape.splice(0, 2, 16, 64)), /wq\.weight is 16×64, .* 32×32/],
  [
    'infinite scales',
    edit(`${wq}.scales`, (entry, _header, bytes) => bytes.writeUInt16LE(0x7c00, entry.data_offsets[0] + 6)),
    /layers\.0\.attention\.wq\.weight\.scales has a value that is not finite, number 3/,
  ],
  [
    'scales that are no numbers',
    edit(`${wq}.scales`, (entry, _header, bytes) => bytes.writeUInt16LE(0xfe01, entry.data_offsets[0])),
    /layers\.0\.attention\.wq\.weight\.scales has a value that is not finite, number 0/,
  ],
  [
    'a norm of 8 bits',
    edit('norm.weight', (entry, header) => {
      const {
        data_offsets: [start],
      } = entry;
      header['norm.weight'] = { dtype: 'I8', shape: [32], data_offsets: [start, start + 32] };
    }),
    /norm\.weight is of type I8, which only the matrices/,
  ],
  [
    'whole numbers without a sign',
    edit(wq, entry => {
      entry.dtype = 'U8';
    }),
    /layers\.0\.attention\.wq\.weight is of type U8/,
  ],
  ['a missing matrix', edit(wq, (_entry, header) => delete header[wq]), /layers\.0\.attention\.wq\.weight is missing/],
];

for (const [what, change, message] of refused) {
  test(`refused: ${what}`, async () => {
    const directory = join(scratch, what.replaceAll(' ', '-'));
    cpSync(int8ModelDirectory, directory, { recursive: true });
    change(directory);
    await assert.rejects(
      Engine.load({ modelDirectory: directory, provider: 'cpu', nThreads: 1 }, () => {}),
      { message },
    );
  });
}

test('a quantization of nothing is refused', async () => {
  const directory = join(scratch, 'nothing');
  cpSync(join(int8ModelDirectory, '..', 'tiny-model'), directory, { recursive: true });
  quantization({ bits: 8, block: 32 })(directory);
  await assert.rejects(openModelFolder(directory), /none of its matrices is of type I8/);
});
