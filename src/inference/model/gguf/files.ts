/** GGUF files on disk: which one is meant, its parts, and its values as fp32 or fp16. */

import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Failure } from '../../../shared/tools/failure';
import { float16Bytes } from '../../../shared/tools/float16';
import { shorten } from '../../../shared/tools/plainText';
import { inside, onlyFileOf, regularFile } from '../folderFiles';
import type { PackedPart, Packing } from '../packedWeights';
import { SpareBuffers } from '../spareBuffers';
import { dequantize, packBlocks, packingOf } from './dequantize';
import { type GgufHeader, type GgufTensor, parseGgufHeader } from './header';
import { type GgmlType, ggmlType, layoutOf } from './types';

export interface GgufPart {
  /** Links resolved. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly header: GgufHeader;
}

/** How dequantized values are kept. */
export type KeptType = 'float32' | 'float16';

const split = /-(\d{5})-of-(\d{5})\.gguf$/i;
/** Vision encoders and the like, which lie beside the model they belong to. */
const companion = /^mmproj|-mmproj/i;
const maxParts = 1000;
/** A tokenizer of 256,000 tokens with its merges has 12 MB; reading begins with as much as most need. */
const firstBytes = 8 * 1024 * 1024;
const maxHeaderBytes = 256 * 1024 * 1024;

function isGguf(path: string): boolean {
  return /\.gguf$/i.test(path);
}

/** By its name; or by its first bytes, where a name says nothing, as in Ollama's store. */
export async function isGgufFile(path: string): Promise<boolean> {
  if (/\.\w+$/.test(basename(path))) return isGguf(path);
  const file = await regularFile(path);
  try {
    const first = Buffer.alloc(4);
    await file.read(first, 0, 4, 0);
    return first.toString('latin1') === 'GGUF';
  } finally {
    await file.close();
  }
}

/**
 * The GGUF file that is meant by a path: itself, or the only one of a folder without other weights. Of a split file, the
 * first part.
 * @throws Failure listing them where a folder has several. @returns null for anything else.
 */
export async function ggufFileOf(path: string): Promise<string | null> {
  if ((await stat(path).catch(() => null))?.isFile()) return (await isGgufFile(path)) ? firstPart(path) : null;
  return onlyFileOf(path, 'GGUF', names => names.filter(name => isGguf(name) && !companion.test(name)).map(firstPart));
}

/**
 * A file's name without its ending and number; of a file that is named by its digest, as in Ollama's store, the name that
 * it gives itself, with the digest's first digits.
 */
export function ggufModelName(path: string, header: GgufHeader): string {
  const name = basename(path)
    .replace(split, '')
    .replace(/\.gguf$/i, '');
  const digest = /^sha256-([0-9a-f]{8})[0-9a-f]{56}$/.exec(name)?.[1];
  const own = header.metadata.get('general.name');
  return digest && typeof own === 'string' && own.trim() !== '' ? `${shorten(own.trim(), 100)} (${digest})` : name;
}

function firstPart(path: string): string {
  return path.replace(split, (_, _part, count: string) => `-00001-of-${count}.gguf`);
}

/** Reads the headers of a file and of its other parts. @throws Failure naming the file and what is wrong with it. */
export async function readGgufParts(path: string): Promise<GgufPart[]> {
  const count = Number(split.exec(path)?.[2] ?? 1);
  const first = await readPart(path);
  const stated = first.header.metadata.get('split.count') ?? 1;
  if (count > maxParts) {
    throw unreadable(
      basename(path),
      `it is one of ${count} parts, at most ${maxParts} are read`,
      'Pick another model.',
    );
  }
  if (count !== stated && !(count === 1 && stated === 0)) {
    const name = basename(path);
    const parts = stated === 1 ? 'the whole model' : `one of ${String(stated)} parts`;
    throw unreadable(name, `it says that it is ${parts}, its name says ${count}`, 'Give it back the name it had.');
  }
  const parts = [first];
  for (let part = 2; part <= count; part++) {
    const other = path.replace(split, (_, _part, of: string) => `-${String(part).padStart(5, '0')}-of-${of}.gguf`);
    if (!(await stat(other).catch(() => null))) {
      throw unreadable(basename(other), 'it is missing', `Put all ${count} parts of the model into one folder.`);
    }
    const read = await readPart(other);
    const index = read.header.metadata.get('split.no');
    if (index !== part - 1) {
      throw unreadable(basename(other), `it says that it is part ${Number(index) + 1}`, 'Download the parts again.');
    }
    parts.push(read);
  }
  return parts;
}

async function readPart(given: string): Promise<GgufPart> {
  const path = await inside(dirname(given), basename(given));
  const file = await regularFile(path);
  try {
    const { size } = await file.stat();
    for (let length = Math.min(size, firstBytes); ; length = Math.min(size, 2 * length)) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, 0);
      const header = parseGgufHeader(bytes.subarray(0, bytesRead), size, basename(given));
      if (header) return { path, sizeBytes: size, header };
      if (length >= Math.min(size, maxHeaderBytes)) {
        throw unreadable(basename(given), 'its header is too long or it was cut meanwhile', 'Download it again.');
      }
    }
  } finally {
    await file.close();
  }
}

const blocksAtATime = 1 << 14;
/** Blocks as they are stored, of one file at a time. */
const storedBlocks = new SpareBuffers();

/** The values of a tensor, as bytes of `kept`. @throws Failure if the file ends, or a value is too large for fp16. */
export async function readValues(path: string, tensor: GgufTensor, kept: KeptType): Promise<Uint8Array<ArrayBuffer>> {
  const type = ggmlType(tensor.type) as GgmlType;
  const { blockValues } = layoutOf(tensor.type)!;
  const valueBytes = kept === 'float32' ? 4 : 2;
  const all = new Uint8Array(nBlocksOf(tensor) * blockValues * valueBytes);
  await readBlocks(path, tensor, (bytes, block, n) => {
    const at = block * blockValues * valueBytes;
    if (kept === 'float32') return dequantize(type, bytes, new Float32Array(all.buffer, at, n * blockValues));
    const values = new Float32Array(n * blockValues);
    dequantize(type, bytes, values);
    if (values.some(value => Math.abs(value) > 65_504)) {
      throw unreadable(
        basename(path),
        'a weight is too large for fp16',
        'Pick a smaller model, which is kept as fp32.',
      );
    }
    all.set(float16Bytes(values), at);
  });
  return all;
}

/** How a tensor is packed. @returns null for one that is not a quantized matrix. */
export function packingOfTensor(tensor: GgufTensor): Packing | null {
  return tensor.shape.length === 2 ? packingOf(ggmlType(tensor.type) as GgmlType) : null;
}

/** One part of a quantized tensor, as `PackedWeight` has it. @throws Failure if the file ends. */
export async function readPacked(
  path: string,
  tensor: GgufTensor,
  part: PackedPart,
  spares: SpareBuffers,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = packingOfTensor(tensor)!.bytes[part];
  const all = spares.take(nBlocksOf(tensor) * size);
  const type = ggmlType(tensor.type) as GgmlType;
  await readBlocks(path, tensor, (bytes, block, n) => {
    packBlocks(type, bytes, part, all.subarray(block * size, (block + n) * size));
  });
  return all;
}

function nBlocksOf({ type, start, end }: GgufTensor): number {
  return (end - start) / layoutOf(type)!.blockBytes;
}

/** @param use gets some blocks, the number of the first, and how many they are. */
async function readBlocks(
  path: string,
  tensor: GgufTensor,
  use: (bytes: Uint8Array, first: number, nBlocks: number) => void,
): Promise<void> {
  const { blockBytes } = layoutOf(tensor.type)!;
  const nBlocks = nBlocksOf(tensor);
  const stored = storedBlocks.take(blocksAtATime * blockBytes);
  const file = await regularFile(path);
  try {
    for (let block = 0; block < nBlocks; block += blocksAtATime) {
      const n = Math.min(blocksAtATime, nBlocks - block);
      const { bytesRead } = await file.read(stored, 0, n * blockBytes, tensor.start + block * blockBytes);
      if (bytesRead < n * blockBytes) {
        throw unreadable(basename(path), 'it was cut since it was opened', 'Download it again.');
      }
      use(stored.subarray(0, n * blockBytes), block, n);
    }
  } finally {
    storedBlocks.add(stored);
    await file.close();
  }
}

function unreadable(name: string, why: string, todo: string): Failure {
  return new Failure('bad-model-file', `Cannot read ${name}: ${why}. ${todo}`, ['selectModel', 'showLog']);
}
