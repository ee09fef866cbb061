/** The weights of a model folder: one safetensors file, or shards with an index. Reads headers only. */

import { relative, sep } from 'node:path';
import type { ElementType, Weight, WeightSource } from '../../graph/graphBuilder';
import type { WeightPlace } from '../../graph/huggingFaceWeights';
import { Failure } from '../../shared/tools/failure';
import { parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from '../../shared/tools/safetensors';
import { folderName, inside, readJson, regularFile, unreadable, weightFolderOf } from './folderFiles';
import { joinedTensors } from './splitWeights';

export interface WeightFile {
  readonly name: string;
  /** Its path in the weight folder, with `/` in between. */
  readonly location: string;
  readonly sizeBytes: number;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Set where the contents exist in memory only, put together from a file. */
  readonly read?: () => Promise<Uint8Array<ArrayBuffer>>;
}

const elementTypes: Readonly<Record<string, ElementType>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };
const indexName = 'model.safetensors.index.json';
const maxShards = 10_000;

/** Tensors that all files together may name: what a model needs, eight times, for what is stored beside it. */
const maxTensors = (nExpected: number) => 8 * nExpected + 4096;
/** Longest entry of a header, with a long name and shape; and what is stated about a file besides. */
const maxEntryBytes = 512;
const maxMetadataBytes = 4 * 1024 * 1024;

/**
 * @param nExpected tensors that the configuration asks for: headers that are much longer are not read.
 * @throws Failure naming the file and what is wrong with it.
 */
export async function readWeightFiles(directory: string, nExpected: number): Promise<WeightFile[]> {
  const limits = { nTensors: maxTensors(nExpected), bytes: maxTensors(nExpected) * maxEntryBytes + maxMetadataBytes };
  const isThere = (name: string) =>
    inside(directory, name).then(
      () => true,
      (error: Failure) => {
        if (error.code === 'no-model' || error.code === 'pickled') return false;
        throw error;
      },
    );
  // As the library has it: beside a whole file, an index is a leftover.
  if ((await isThere('model.safetensors')) || !(await isThere(indexName))) {
    return readWeightFile(directory, 'model.safetensors', limits);
  }
  const map = ((await readJson(directory, indexName)) as { weight_map?: unknown } | null)?.weight_map;
  const names = [...new Set(Object.values((map ?? {}) as object))] as unknown[];
  if (names.length === 0 || names.length > maxShards || !names.every(name => typeof name === 'string')) {
    throw unreadable(directory, indexName, 'it has no weight_map from tensors to files');
  }
  // One file may have many names; what has been read counts for all shards.
  const read = new Set<string>();
  const files: WeightFile[] = [];
  // In the library's order: of a tensor in several files the last one counts.
  for (const name of names.sort()) {
    const path = await inside(directory, name);
    if (read.has(path)) continue;
    read.add(path);
    files.push(...(await readWeightFile(directory, name, limits)));
  }
  return files;
}

/** What may still be read of headers. */
interface Limits {
  nTensors: number;
  bytes: number;
}

/** The file, and where it holds weights in halves those put together. */
async function readWeightFile(directory: string, name: string, limits: Limits): Promise<WeightFile[]> {
  const path = await inside(directory, name);
  const where = `${name} of model "${folderName(directory)}"`;
  const file = await regularFile(path);
  try {
    const stats = await file.stat();
    const first = new Uint8Array(8);
    const { bytesRead } = await file.read(first, 0, 8, 0);
    const isZip = first[0] === 0x50 && first[1] === 0x4b && first[2] === 0x03 && first[3] === 0x04;
    if (isZip) throw unreadable(directory, name, 'it is a zip archive, as pickled checkpoints are, not safetensors');
    const headerLength = safetensorsHeaderLength(first.subarray(0, bytesRead), stats.size, where, limits.bytes);
    limits.bytes -= headerLength;
    const header = new Uint8Array(headerLength);
    await file.read(header, 0, headerLength, 8);
    const tensors = parseSafetensorsHeader(header, stats.size, where, limits.nTensors);
    limits.nTensors -= tensors.size;
    const location = relative(await weightFolderOf(directory), path).replaceAll(sep, '/');
    const whole = { name, location, sizeBytes: stats.size, tensors };
    const joined = joinedTensors(tensors);
    if (!joined) return [whole];
    const added = { name: `${name}:joined`, location: `${location}:joined`, sizeBytes: 0, tensors: joined.tensors };
    return [whole, { ...added, read: () => joined.read(path) }];
  } finally {
    await file.close();
  }
}

/**
 * Checks that every tensor the configuration asks for is there with its shape.
 * @param expected shapes by our names.
 * @param placeInFiles where the files have a tensor.
 * @throws Failure naming the tensor, what was found and what is expected.
 */
export function checkedWeights(
  expected: ReadonlyMap<string, readonly number[]>,
  files: readonly WeightFile[],
  model: string,
  placeInFiles: (key: string) => WeightPlace,
): WeightSource {
  const weights = new Map<string, Weight>();
  for (const [key, shape] of expected) {
    const { name, shape: storedShape = shape, rows, steps } = placeInFiles(key);
    const file = files.findLast(candidate => candidate.tensors.has(name));
    const entry = file?.tensors.get(name);
    const fail = (found: string) =>
      new Failure(
        'bad-weights',
        `Cannot load model "${model}": ${name} is ${found}, config.json asks for ${storedShape.join('×')}. ` +
          'Correct the folder’s files or pick another model.',
        ['selectModel', 'showLog'],
      );
    if (!file || !entry) throw fail(`missing in ${places(files)}`);
    const elementType = elementTypes[entry.dtype];
    if (!elementType) {
      const isInt8 = entry.dtype === 'I8' && file.tensors.has(`${name}.scales`);
      const why = isInt8 ? 'which needs quantization in config.json' : 'F32, F16 and BF16 are read';
      throw fail(`of type ${entry.dtype} in ${file.name} (${why})`);
    }
    if (entry.shape.join() !== storedShape.join())
      throw fail(`${entry.shape.join('×') || 'a single number'} in ${file.name}`);
    const [first, end] = rows ?? [0, entry.shape[0] ?? 1];
    const rowBytes = (entry.end - entry.start) / (entry.shape[0] ?? 1);
    const source = { file: file.location, offset: entry.start + first * rowBytes, length: (end - first) * rowBytes };
    const partShape = rows ? [end - first, ...entry.shape.slice(1)] : entry.shape;
    const partName = rows ? `${name}[${first}:${end}]` : name;
    const stored = steps && { name: partName, shape: partShape, steps };
    weights.set(key, { elementType, shape: steps ? shape : partShape, source, ...(stored && { stored }) });
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
