/**
 * Model folders in our layout whose matrices are whole numbers of 8 bits: `NAME`, I8 [out, in], with `NAME.scales`,
 * F16 [out, in / 32], where value = number × scale. Everything else is stored as in other folders.
 */

import { join } from 'node:path';
import type { Weight, WeightSource } from '../../graph/graphBuilder';
import type { QuantizedWeights } from '../../shared/analysis';
import { Failure, shown } from '../../shared/tools/failure';
import { float16Bytes, float16Numbers } from '../../shared/tools/float16';
import type { TensorEntry } from '../../shared/tools/safetensors';
import type { ModelFolder } from './folder';
import { readRange } from './folderFiles';
import {
  type Contents,
  maxFp32Bytes,
  type Packing,
  packedSize,
  packedWeight,
  partOf,
  weightsOf,
} from './packedWeights';
import { SpareBuffers } from './spareBuffers';
import type { WeightFile } from './weightFiles';

/** Values of a row that share a scale. */
const blockSize = 32;

const packing: Packing = {
  ...{ bits: 8, partSize: blockSize, nParts: 1, lift: 0, hasLeasts: false, baseType: 'float16' },
  bytes: { codes: blockSize, scales: 2, scaleFactors: 0, leasts: 0, leastFactors: 0 },
};

/** Weights that a graph multiplies with or looks rows up in; everything else is small, or is read as numbers. */
const matrix = /^(tok_embeddings|output|layers\.\d+\.(attention\.w[qkvo]|feed_forward\.w[123]))\.weight$/;

/**
 * Whether a folder in our layout says that it has such matrices.
 * @throws Failure for another quantization than the one that is read.
 */
export function hasInt8Weights(configJson: unknown, where: string): boolean {
  const { quantization } = configJson as { quantization?: unknown };
  if (quantization == null) return false;
  const { bits, block, ...others } = Object(quantization) as Record<string, unknown>;
  const other = Object.keys(others)[0];
  const bad =
    typeof quantization !== 'object' || Array.isArray(quantization)
      ? (['', quantization, 'an object with bits and block'] as const)
      : bits !== 8
        ? (['.bits', bits, '8'] as const)
        : block !== blockSize
          ? (['.block', block, String(blockSize)] as const)
          : other !== undefined
            ? ([`.${other.slice(0, 60)}`, others[other], 'bits and block alone'] as const)
            : null;
  if (!bad) return true;
  throw new Failure(
    'bad-config',
    `Cannot read ${where}: quantization${bad[0]} is ${shown(bad[1])}, expected ${bad[2]}. ` +
      'Write the folder anew with "python3 -m export.quantize" (models/README.md), or pick another model.',
    ['selectModel', 'showLog'],
  );
}

/** What a folder with such matrices has in place of what other folders have. */
type Int8Folder = Pick<ModelFolder, 'weights' | 'inMemory' | 'takeBack' | 'sizeBytes'> & {
  readonly weightsKeptAs: 'packed' | 'float32' | 'float16';
};

interface Matrix {
  readonly shape: readonly number[];
  readonly read: (at: number, length: number, into?: Contents) => Promise<Contents>;
  readonly readScales: () => Promise<Contents>;
}

/**
 * @param plainWeights checks and finds the weights that are stored as other folders have them.
 * @param contents reads files whole, by location; those that exist in memory only are `isInMemory`.
 * @throws Failure naming the tensor, what was found and what was expected.
 */
export async function int8Weights(
  folder: { readonly name: string; readonly weightFolder: string; readonly quantized: QuantizedWeights },
  expected: ReadonlyMap<string, readonly number[]>,
  files: readonly WeightFile[],
  contents: ReadonlyMap<string, { readonly isInMemory: boolean; readonly bytes: () => Promise<Contents> }>,
  plainWeights: (expected: ReadonlyMap<string, readonly number[]>) => WeightSource,
): Promise<Int8Folder> {
  const { name: model, weightFolder, quantized } = folder;
  const bytesOf = async (location: string, at: number, length: number, into?: Contents): Promise<Contents> => {
    const content = contents.get(location);
    if (!content?.isInMemory) return readRange(join(weightFolder, location), at, length, into);
    return (await content.bytes()).slice(at, at + length);
  };
  const find = (name: string) => {
    const file = files.findLast(({ tensors }) => tensors.has(name));
    return file && { file, entry: file.tensors.get(name)! };
  };
  const matrices = new Map<string, Matrix>();
  for (const [key, shape] of expected) {
    const found = find(key);
    if (found?.entry.dtype !== 'I8') continue;
    const scales = find(`${key}.scales`);
    checkMatrix(model, key, shape, found.entry, scales?.entry, scales?.file.name);
    const range =
      ({ file, entry }: NonNullable<typeof scales>) =>
      (at: number, length: number, into?: Contents) =>
        bytesOf(file.location, entry.start + at, length, into);
    const readScales = () => range(scales!)(0, scales!.entry.end - scales!.entry.start);
    checkFinite(model, key, await readScales());
    matrices.set(key, { shape, read: range(found), readScales });
  }
  if (matrices.size === 0) {
    throw unfit(
      model,
      'config.json has a quantization, but none of its matrices is of type I8. Remove quantization from config.json',
    );
  }

  const plain = plainWeights(new Map([...expected].filter(([key]) => !matrices.has(key))));
  const nValues = [...expected.values()].reduce((sum, shape) => sum + size(shape), 0);
  const kept = quantized === 'packed' ? 'packed' : 4 * nValues > maxFp32Bytes ? 'float16' : 'float32';
  const weights = new Map<string, Weight>();
  const inMemory = new Map<string, () => Promise<Contents>>();
  const spares = new SpareBuffers();
  let sizeBytes = 0;
  for (const [key, shape] of expected) {
    const found = matrices.get(key);
    if (!found) {
      const weight = plain(key);
      if (!('file' in weight.source)) throw new TypeError(`${key} is in no file`);
      const { file, offset, length } = weight.source;
      // The runtime takes all weights of a graph from memory, or none; it works with vectors ahead.
      const bytes = shape.length === 1 ? await bytesOf(file, offset, length) : undefined;
      const stored = `${key}:stored`;
      if (!bytes) inMemory.set(stored, () => bytesOf(file, offset, length));
      weights.set(key, { ...weight, source: bytes ? { bytes } : { file: stored, offset: 0, length } });
      sizeBytes += length;
    } else if (kept === 'packed') {
      inMemory.set(partOf(key, 'codes'), codeReader(found, spares));
      inMemory.set(partOf(key, 'scales'), found.readScales);
      weights.set(key, { elementType: 'float32', shape, source: { packed: packedWeight(key, packing, shape) } });
      sizeBytes += packedSize(packing, shape);
    } else {
      const length = size(shape) * (kept === 'float32' ? 4 : 2);
      inMemory.set(`${key}:values`, valueReader(found, kept));
      weights.set(key, { elementType: kept, shape, source: { file: `${key}:values`, offset: 0, length } });
      sizeBytes += length;
    }
  }
  return { ...weightsOf(model, weights, inMemory, new Map(), spares), sizeBytes, weightsKeptAs: kept };
}

const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);

/** Whole numbers from -128 to 127 as ONNX Runtime has them, from 0 to 255. */
const codeReader =
  ({ shape, read }: Matrix, spares: SpareBuffers) =>
  async () => {
    const codes = await read(0, size(shape), spares.take(size(shape)));
    for (let i = 0; i < codes.length; i++) codes[i]! ^= 0x80;
    return codes;
  };

const valueReader =
  ({ shape, read, readScales }: Matrix, kept: 'float32' | 'float16') =>
  async () => {
    const [numbers, scales] = [new Int8Array((await read(0, size(shape))).buffer), await readScales()];
    const halves = float16Numbers();
    const values = new Float32Array(numbers.length);
    for (let block = 0, i = 0; i < values.length; block++) {
      const scale = halves[scales[2 * block]! | (scales[2 * block + 1]! << 8)]!;
      for (const end = i + blockSize; i < end; i++) values[i] = numbers[i]! * scale;
    }
    return kept === 'float32' ? new Uint8Array(values.buffer) : float16Bytes(values);
  };

function checkMatrix(
  model: string,
  key: string,
  shape: readonly number[],
  entry: TensorEntry,
  scales: TensorEntry | undefined,
  scalesFile: string | undefined,
): void {
  if (!matrix.test(key)) {
    throw unfit(
      model,
      `${key} is of type I8, which only the matrices of attention, feed-forward and vocabulary may be`,
    );
  }
  const [nRows = 0, nColumns = 0] = shape;
  if (nColumns % blockSize !== 0) {
    throw unfit(model, `${key} is of type I8, but its ${nColumns} columns are not a multiple of ${blockSize}`);
  }
  if (entry.shape.join() !== shape.join()) throw unfit(model, wrongShape(key, entry.shape, shape));
  const name = `${key}.scales`;
  const expected = [nRows, nColumns / blockSize];
  if (!scales) throw unfit(model, `${name} is missing; ${key}, of type I8, asks for ${expected.join('×')} scales`);
  if (scales.dtype !== 'F16') throw unfit(model, `${name} is of type ${scales.dtype} in ${scalesFile}, expected F16`);
  if (scales.shape.join() !== expected.join()) throw unfit(model, wrongShape(name, scales.shape, expected));
}

function wrongShape(name: string, found: readonly number[], expected: readonly number[]): string {
  return `${name} is ${found.join('×') || 'a single number'}, config.json asks for ${expected.join('×')}`;
}

function checkFinite(model: string, key: string, scales: Contents): void {
  for (let i = 1; i < scales.length; i += 2) {
    if ((scales[i]! & 0x7c) !== 0x7c) continue;
    throw unfit(model, `${key}.scales has a value that is not finite, number ${(i - 1) / 2}`);
  }
}

function unfit(model: string, why: string): Failure {
  return new Failure(
    'bad-weights',
    `Cannot load model "${model}": ${why}. Write the folder anew with "python3 -m export.quantize" (models/README.md), or ` +
      'pick another model.',
    ['selectModel', 'showLog'],
  );
}
