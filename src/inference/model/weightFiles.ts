/** The weights of a model folder: one safetensors file, or shards with an index. Reads headers only. */

import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ElementType, Weight } from '../../graph/graphBuilder';
import type { WeightSource } from '../../graph/modelGraphs';
import { Failure } from '../../shared/tools/failure';
import { parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from '../../shared/tools/safetensors';
import { inside, readJson, unreadable } from './folderFiles';
import { joinedTensors } from './splitWeights';

export interface WeightFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Of what is no file, but put together from one in memory. */
  readonly read?: () => Promise<Uint8Array<ArrayBuffer>>;
}

const elementTypes: Readonly<Record<string, ElementType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };
const indexName = 'model.safetensors.index.json';
const maxShards = 10_000;

/** @throws Failure naming the file and what is wrong with it. */
export async function readWeightFiles(directory: string): Promise<WeightFile[]> {
  const index = await inside(directory, indexName).catch((error: Failure) => {
    if (error.code === 'no-model' || error.code === 'pickled') return null;
    throw error;
  });
  if (!index) return readWeightFile(directory, 'model.safetensors');
  const map = ((await readJson(directory, indexName)) as { weight_map?: unknown } | null)?.weight_map;
  const names = [...new Set(Object.values((map ?? {}) as object))] as unknown[];
  if (names.length === 0 || names.length > maxShards || !names.every(name => typeof name === 'string')) {
    throw unreadable(directory, indexName, 'it has no weight_map from tensors to files');
  }
  return (await Promise.all(names.map(name => readWeightFile(directory, name)))).flat();
}

/** The file, and where it holds weights in halves those put together. */
async function readWeightFile(directory: string, name: string): Promise<WeightFile[]> {
  const path = await inside(directory, name);
  const where = `${name} of model "${basename(directory)}"`;
  const file = await open(path, 'r');
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw unreadable(directory, name, 'it is no file');
    const first = new Uint8Array(8);
    const { bytesRead } = await file.read(first, 0, 8, 0);
    const isZip = first[0] === 0x50 && first[1] === 0x4b && first[2] === 0x03 && first[3] === 0x04;
    if (isZip) throw unreadable(directory, name, 'it is a zip archive, as pickled checkpoints are, and no safetensors');
    const headerLength = safetensorsHeaderLength(first.subarray(0, bytesRead), stats.size, where);
    const header = new Uint8Array(headerLength);
    await file.read(header, 0, headerLength, 8);
    const tensors = parseSafetensorsHeader(header, stats.size, where);
    const whole = { name, sizeBytes: stats.size, tensors };
    const joined = joinedTensors(tensors);
    if (!joined) return [whole];
    return [whole, { name: `${name}:joined`, sizeBytes: 0, tensors: joined.tensors, read: () => joined.read(path) }];
  } finally {
    await file.close();
  }
}

/**
 * Checks that every tensor the configuration asks for is there with its shape.
 * @param expected shapes by our names.
 * @param nameInFile a tensor's name in the files.
 * @throws Failure naming the tensor, what was found and what is expected.
 */
export function checkedWeights(
  expected: ReadonlyMap<string, readonly number[]>,
  files: readonly WeightFile[],
  model: string,
  nameInFile: (key: string) => string,
): WeightSource {
  const weights = new Map<string, Weight>();
  for (const [key, shape] of expected) {
    const name = nameInFile(key);
    const file = files.find(candidate => candidate.tensors.has(name));
    const entry = file?.tensors.get(name);
    const fail = (found: string) =>
      new Failure(
        'bad-weights',
        `Cannot load model "${model}": ${name} is ${found}, config.json asks for ${shape.join('×')}. ` +
          'Install the model again or pick another one.',
        ['selectModel', 'showLog'],
      );
    if (!file || !entry) throw fail(`missing in ${places(files)}`);
    const elementType = elementTypes[entry.dtype];
    if (!elementType) throw fail(`of type ${entry.dtype} in ${file.name} (F32, F16 and BF16 are read)`);
    if (entry.shape.join() !== shape.join())
      throw fail(`${entry.shape.join('×') || 'a single number'} in ${file.name}`);
    const source = { file: file.name, offset: entry.start, length: entry.end - entry.start };
    weights.set(key, { elementType, shape: entry.shape, source });
  }
  return key => {
    const weight = weights.get(key);
    if (!weight) throw new RangeError(`the configuration of model "${model}" has no tensor ${key}`);
    return weight;
  };
}

function places(files: readonly WeightFile[]): string {
  const names = files.map(({ name }) => name);
  return names.length > 3 ? `${names.length} files, ${names[0]} and others` : names.join(', ');
}
