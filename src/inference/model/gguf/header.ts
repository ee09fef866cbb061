/**
 * Header of a GGUF file: metadata, then name, shape, type and place of every tensor.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Pure. Nothing is allocated by a number that the file
 * states: a count is compared with the bytes that are left before it is used.
 */

import { Failure } from '../../../shared/tools/failure';
import { layoutOf, typeName } from './types';

/** Numbers of an array as they are stored; 64-bit ones as numbers. */
type Numbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;
export type MetadataValue = number | boolean | string | readonly string[] | Numbers;
export type Metadata = ReadonlyMap<string, MetadataValue>;

export interface GgufTensor {
  /** As other libraries write it: the dimension that changes fastest comes last. */
  readonly shape: readonly number[];
  readonly type: number;
  /** Range of its bytes, from the start of the file. */
  readonly start: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const magic = 0x46554747; // "GGUF"
const maxDimensions = 4;
/** Bytes of the shortest metadata entry and of the shortest description of a tensor. */
const minEntryBytes = 8 + 4 + 1;
const minTensorBytes = 8 + 4 + 4 + 8;

/**
 * @param bytes the first bytes of the file.
 * @param where the file's name, for messages.
 * @returns null where the header is longer than `bytes` and the file is, too.
 * @throws Failure saying what is wrong with the file.
 */
export function parseGgufHeader(bytes: Uint8Array, fileSize: number, where: string): GgufHeader | null {
  const reader = new Reader(bytes, fileSize, where);
  try {
    return readHeader(reader, fileSize);
  } catch (error) {
    if (error === reader.end && bytes.length < fileSize) return null;
    throw error === reader.end ? reader.broken('it ends within its header') : error;
  }
}

function readHeader(reader: Reader, fileSize: number): GgufHeader {
  if (reader.uint32() !== magic) throw reader.broken('it does not begin with "GGUF"');
  const version = reader.uint32();
  if (version > 0 && (version & 0xffff) === 0) {
    throw reader.broken('its numbers are big-endian; little-endian files are read');
  }
  if (version !== 2 && version !== 3) throw reader.broken(`it has version ${version}; versions 2 and 3 are read`);
  const nTensors = reader.count(minTensorBytes, 'tensors');
  const nEntries = reader.count(minEntryBytes, 'metadata entries');
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < nEntries; i++) {
    const key = reader.text();
    if (metadata.has(key)) throw reader.broken(`it has the metadata ${JSON.stringify(key.slice(0, 60))} twice`);
    metadata.set(key, reader.value(reader.uint32()));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 1 << 20 || alignment % 1 !== 0) {
    throw reader.broken('its general.alignment is not a size in bytes');
  }
  const described = new Map<string, Omit<GgufTensor, 'end'>>();
  for (let i = 0; i < nTensors; i++) {
    const name = reader.text();
    if (described.has(name)) throw reader.broken(`it has the tensor ${JSON.stringify(name.slice(0, 60))} twice`);
    const nDimensions = reader.uint32();
    if (nDimensions > maxDimensions) throw reader.broken(`a tensor has ${nDimensions} dimensions; at most 4 are read`);
    const shape = Array.from({ length: nDimensions }, () => reader.uint64()).reverse();
    described.set(name, { shape, type: reader.uint32(), start: reader.uint64() });
  }
  const base = Math.ceil(reader.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const [name, { shape, type, start: offset }] of described) {
    const start = base + offset;
    const end = start + tensorBytes(reader, name.slice(0, 60), shape, type);
    if (!(end <= fileSize)) {
      throw reader.broken(`tensor ${name.slice(0, 60)} ends at byte ${end}, but the file has only ${fileSize}`);
    }
    tensors.set(name, { shape, type, start, end });
  }
  return { version, metadata, tensors };
}

/** @throws Failure for a type that is not read, or a row that is not a whole number of its blocks. */
function tensorBytes(reader: Reader, name: string, shape: readonly number[], type: number): number {
  const layout = layoutOf(type);
  if (!layout) {
    throw reader.broken(
      `tensor ${name} has the type ${typeName(type)}, which is not read (F32, F16, BF16, Q2_K to Q8_0, IQ4_NL, IQ4_XS ` +
        'and MXFP4 are)',
    );
  }
  const nValues = shape.reduce((product, n) => product * n, 1);
  const rowLength = shape.at(-1) ?? 1;
  if (nValues === 0 || rowLength % layout.blockValues !== 0) {
    throw reader.broken(
      `tensor ${name} has the shape [${shape}], but ${typeName(type)} has blocks of ${layout.blockValues} values`,
    );
  }
  return (nValues / layout.blockValues) * layout.blockBytes;
}

/** Codes of metadata values, with the bytes of one; texts and arrays have no fixed size. */
const codes = { uint8: 0, int8: 1, uint16: 2, int16: 3, uint32: 4, int32: 5, float32: 6, bool: 7 } as const;
const longCodes = { text: 8, array: 9, uint64: 10, int64: 11, float64: 12 } as const;
const sizes: Readonly<Record<number, number>> = {
  ...{ 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1 },
  ...{ [longCodes.text]: 8, [longCodes.uint64]: 8, [longCodes.int64]: 8, [longCodes.float64]: 8 },
};

class Reader {
  /** Thrown where the bytes end. */
  readonly end = new Error('the bytes end');
  position = 0;
  private readonly view: DataView;
  private readonly buffer: Buffer;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fileSize: number,
    private readonly where: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  broken(why: string): Failure {
    return new Failure(
      'bad-model-file',
      `Cannot read ${this.where}: ${why}. Download the file again or pick another model.`,
      ['selectModel', 'showLog'],
    );
  }

  uint32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** @throws Failure beyond what a number holds exactly. */
  uint64(): number {
    const value = Number(this.view.getBigUint64(this.take(8), true));
    if (value > Number.MAX_SAFE_INTEGER) throw this.broken(`it states the size ${value}, which no file has`);
    return value;
  }

  /** A count of things that take at least `minBytes` each. @throws Failure if the file is too short for them. */
  count(minBytes: number, what: string): number {
    const n = this.uint64();
    if (n * minBytes > this.fileSize - this.position) {
      throw this.broken(`it states ${n} ${what}, more than its ${this.fileSize} bytes can hold`);
    }
    // A count that fits the file but not what was read of it waits for more, before anything is made of it.
    if (this.position + n * minBytes > this.bytes.length) throw this.end;
    return n;
  }

  text(): string {
    const length = this.count(1, 'bytes of a text');
    const start = this.take(length);
    return this.buffer.toString('utf8', start, start + length);
  }

  value(code: number): MetadataValue {
    if (code === longCodes.array) return this.array();
    if (code === longCodes.text) return this.text();
    const size = sizes[code];
    if (size === undefined) throw this.broken(`its metadata has a value of the unknown kind ${code}`);
    const number = this.numberAt(this.take(size), code);
    return code === codes.bool ? number !== 0 : number;
  }

  private array(): MetadataValue {
    const code = this.uint32();
    const size = sizes[code];
    if (size === undefined) throw this.broken(`its metadata has a list of the unknown kind ${code}`);
    const n = this.count(size, 'values of a list');
    if (code === longCodes.text) return Array.from({ length: n }, () => this.text());
    const start = this.take(n * size);
    const numbers = Float64Array;
    const kinds = {
      ...{ 0: Uint8Array, 1: Int8Array, 2: Uint16Array, 3: Int16Array, 4: Uint32Array, 5: Int32Array },
      ...{ 6: Float32Array, 7: Uint8Array },
    } as Readonly<Record<number, new (length: number) => Numbers>>;
    const list = new (kinds[code] ?? numbers)(n);
    for (let i = 0; i < n; i++) list[i] = this.numberAt(start + i * size, code);
    return list;
  }

  private numberAt(position: number, code: number): number {
    const { view } = this;
    switch (code) {
      case codes.int8:
        return view.getInt8(position);
      case codes.uint16:
        return view.getUint16(position, true);
      case codes.int16:
        return view.getInt16(position, true);
      case codes.uint32:
        return view.getUint32(position, true);
      case codes.int32:
        return view.getInt32(position, true);
      case codes.float32:
        return view.getFloat32(position, true);
      case longCodes.uint64:
        return Number(view.getBigUint64(position, true));
      case longCodes.int64:
        return Number(view.getBigInt64(position, true));
      case longCodes.float64:
        return view.getFloat64(position, true);
      default:
        return view.getUint8(position);
    }
  }

  /** The place of the next bytes. */
  private take(length: number): number {
    const start = this.position;
    if (start + length > this.bytes.length) throw this.end;
    this.position += length;
    return start;
  }
}
