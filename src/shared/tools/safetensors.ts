/** Header of a safetensors file: 8 bytes of length, then JSON naming each tensor's dtype, shape and byte range. */

import { Failure, shown } from './failure';

export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Range of the tensor's bytes, from the start of the file. */
  readonly start: number;
  readonly end: number;
}

/** Longest header we read, as the reference implementation limits it. */
const maxHeaderBytes = 100_000_000;

/** All types that the format's own library knows: a file may hold tensors that the model does not use. */
const bitsPerElement: Readonly<Record<string, number>> = {
  ...{ F64: 64, I64: 64, U64: 64, C64: 64, F32: 32, I32: 32, U32: 32, F16: 16, BF16: 16, I16: 16, U16: 16 },
  ...{ I8: 8, U8: 8, BOOL: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ F6_E2M3: 6, F6_E3M2: 6, F4: 4 },
};

/** Length of the JSON part, from the file's first 8 bytes. @throws Failure if it cannot be, or is above `maxBytes`. */
export function safetensorsHeaderLength(
  first8: Uint8Array,
  fileSize: number,
  where: string,
  maxBytes = maxHeaderBytes,
): number {
  if (first8.length < 8) throw broken(where, `it has only ${first8.length} bytes`);
  // What a clone without Git LFS has in the place of large files.
  if (new TextDecoder().decode(first8) === 'version ') throw broken(where, 'it is a pointer of Git LFS, not the file');
  const length = Number(new DataView(first8.buffer, first8.byteOffset, 8).getBigUint64(0, true));
  if (length < 2 || length > maxHeaderBytes || 8 + length > fileSize) {
    throw broken(where, `its header claims ${length} bytes and the file has ${fileSize}`);
  }
  if (length > maxBytes) {
    throw broken(
      where,
      `its header has ${length} bytes, more than the ${maxBytes} that the tensors of this model can take`,
    );
  }
  return length;
}

/**
 * @param json the header's bytes.
 * @param where the file's name, for messages.
 * @param maxTensors that it may name.
 * @throws Failure naming the file and the tensor when a range is outside the file or does not fit its shape.
 */
export function parseSafetensorsHeader(
  json: Uint8Array,
  fileSize: number,
  where: string,
  maxTensors = 1_000_000,
): Map<string, TensorEntry> {
  checkNesting(json, where, maxTensors);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch {
    throw broken(where, 'its header is not JSON');
  }
  if (typeof header !== 'object' || header === null) throw broken(where, 'its header is not a JSON object');
  const tensors = new Map<string, TensorEntry>();
  const base = 8 + json.length;
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    tensors.set(name, parseEntry(name.slice(0, 200), value, base, fileSize, where));
  }
  return tensors;
}

/** Brackets of a header, by depth: tensors by name, of each an object, in that lists of numbers. */
const brackets = ['{', '{', '['].map(bracket => bracket.charCodeAt(0));

/** JSON that is nested otherwise, or names too much, would take seconds and gigabytes to parse. */
function checkNesting(json: Uint8Array, where: string, maxTensors: number): void {
  const [quote, backslash, open, list, close, listEnd] = [...'"\\{[}]'].map(character => character.charCodeAt(0));
  let [depth, nTensors, isText] = [0, 0, false];
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (isText) {
      if (byte === backslash) i++;
      else if (byte === quote) isText = false;
    } else if (byte === quote) isText = true;
    else if (byte === open || byte === list) {
      if (byte !== brackets[depth]) throw broken(where, 'its header is not a list of tensors');
      if (depth === 1 && ++nTensors > maxTensors + 1) {
        throw broken(where, `its header names more than ${maxTensors} tensors`);
      }
      depth++;
    } else if (byte === close || byte === listEnd) depth--;
  }
}

function parseEntry(name: string, value: unknown, base: number, fileSize: number, where: string): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const isWhole = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const bits = typeof dtype === 'string' && Object.hasOwn(bitsPerElement, dtype) ? bitsPerElement[dtype] : undefined;
  if (bits === undefined) throw broken(where, `tensor ${name} has the unknown dtype ${shown(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isWhole)) throw broken(where, `tensor ${name} has no valid shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isWhole)) {
    throw broken(where, `tensor ${name} has no valid data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((product, n) => product * n, bits) / 8;
  if (end - begin !== expected) {
    throw broken(
      where,
      `tensor ${name} holds ${end - begin} bytes, its shape [${shape.slice(0, 8)}] asks for ${expected}`,
    );
  }
  if (base + end > fileSize) {
    throw broken(where, `tensor ${name} ends at byte ${base + end}, but the file has only ${fileSize}`);
  }
  return { dtype: dtype as string, shape, start: base + begin, end: base + end };
}

function broken(where: string, why: string): Failure {
  return new Failure('bad-weights', `Cannot read ${where}: ${why}. Download the file again or pick another model.`, [
    'selectModel',
    'showLog',
  ]);
}
