/**
 * GGUF's tensor types: as fp32, and as whole numbers with a scale for each few, which ONNX Runtime computes with. Layouts are
 * those of ggml (https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h). Every fp32 value is rounded once.
 */

import type { PackedBits } from '../../../graph/graphBuilder';
import { float16Numbers } from '../../../shared/tools/float16';
import { type GgmlType, ggmlTypes, layoutOf } from './types';

/** One block, taken apart: value i = scales[part] * codes[i] + leasts[part], with part = i / partSize, without rounding. */
interface Block {
  readonly codes: Int8Array;
  readonly scales: Float64Array;
  readonly leasts: Float64Array;
}

interface QuantizedType {
  /** Values that share a scale. */
  readonly partSize: 16 | 32;
  /** The smaller of those that hold every code. */
  readonly bits: PackedBits;
  /** What is added to a code so that it is a whole number of that many bits. */
  readonly shift: number;
  readonly hasLeasts: boolean;
  readonly read: (bytes: Uint8Array, at: number, block: Block) => void;
}

/** @param out as long as the values that `bytes` hold. @throws RangeError where the two do not fit. */
export function dequantize(type: GgmlType, bytes: Uint8Array, out: Float32Array): void {
  const { blockValues, blockBytes } = layoutOf(ggmlTypes[type])!;
  const nBlocks = bytes.length / blockBytes;
  if (nBlocks % 1 !== 0 || nBlocks * blockValues !== out.length) {
    throw new RangeError(`${bytes.length} bytes of ${type} do not hold ${out.length} values`);
  }
  const quantized = quantizedTypes[type];
  if (!quantized) {
    const scratch = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < nBlocks; i++) out[i] = plainValue(type, bytes, scratch, i);
    return;
  }
  const { read, partSize } = quantized;
  const block = emptyBlock();
  const { codes, scales, leasts } = block;
  for (let i = 0; i < nBlocks; i++) {
    read(bytes, i * blockBytes, block);
    for (let first = 0, part = 0; first < blockValues; first += partSize, part++) {
      const [scale, least, to] = [scales[part]!, leasts[part]!, i * blockValues];
      for (let j = first; j < first + partSize; j++) out[to + j] = scale * codes[j]! + least;
    }
  }
}

/** A tensor's values, packed: see `PackedWeight`. */
export interface PackedArrays {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly leasts: Float32Array | null;
}

/** How a type is packed. @returns null for types that are not quantized. */
export function packingOf(type: GgmlType): Pick<QuantizedType, 'bits' | 'partSize' | 'hasLeasts'> | null {
  return quantizedTypes[type] ?? null;
}

/**
 * Writes whole blocks as whole numbers of 4 or 8 bits. The numbers stay as they are: a scale is exact as fp32, a least is
 * rounded once.
 * @param first number of the first block in the arrays.
 */
export function packBlocks(type: GgmlType, bytes: Uint8Array, into: PackedArrays, first: number): void {
  const { blockValues, blockBytes } = layoutOf(ggmlTypes[type])!;
  const { read, partSize, bits, shift } = quantizedTypes[type]!;
  const block = emptyBlock();
  const nParts = blockValues / partSize;
  const lift = 2 ** (bits - 1) - shift;
  for (let i = 0; i < bytes.length / blockBytes; i++) {
    read(bytes, i * blockBytes, block);
    for (let part = 0; part < nParts; part++) {
      const to = (first + i) * nParts + part;
      const scale = block.scales[part]!;
      into.scales[to] = scale;
      if (into.leasts) into.leasts[to] = block.leasts[part]! + lift * scale;
    }
    packCodes(block.codes, blockValues, bits, shift, into.codes, ((first + i) * blockValues * bits) / 8);
  }
}

function packCodes(codes: Int8Array, n: number, bits: PackedBits, shift: number, out: Uint8Array, to: number): void {
  if (bits === 8) {
    for (let j = 0; j < n; j++) out[to + j] = codes[j]! + shift;
    return;
  }
  for (let j = 0; j < n; j += 2) out[to + (j >> 1)] = (codes[j]! + shift) | ((codes[j + 1]! + shift) << 4);
}

function emptyBlock(): Block {
  return { codes: new Int8Array(256), scales: new Float64Array(16), leasts: new Float64Array(16) };
}

function half(bytes: Uint8Array, at: number): number {
  return float16Numbers()[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

function plainValue(type: GgmlType, bytes: Uint8Array, view: DataView, i: number): number {
  if (type === 'F16') return half(bytes, 2 * i);
  if (type === 'F32') return view.getFloat32(4 * i, true);
  bfloatView.setUint16(0, view.getUint16(2 * i, true));
  return bfloatView.getFloat32(0);
}

/** Its last two bytes are 0. */
const bfloatView = new DataView(new ArrayBuffer(4));

/** Values of 4-bit codes: even steps, IQ4's, and the fp4 numbers of MXFP4, doubled. */
const fromZero = Int8Array.from({ length: 16 }, (_, code) => code);
const aroundZero = Int8Array.from({ length: 16 }, (_, code) => code - 8);
const iq4Values = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
const fp4Doubled = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** 32 codes of 4 bits: the low halves of 16 bytes, then the high ones. */
function nibbles(bytes: Uint8Array, at: number, values: Int8Array, codes: Int8Array, to = 0): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + j]!;
    codes[to + j] = values[byte & 15]!;
    codes[to + 16 + j] = values[byte >> 4]!;
  }
}

/** 32 codes of 5 bits: 4 as `nibbles`, and the fifth of each in a word before them. */
function fiveBits(bytes: Uint8Array, at: number, codes: Int8Array): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + 4 + j]!;
    const low = ((bytes[at + (j >> 3)]! >> (j & 7)) & 1) << 4;
    const high = ((bytes[at + 2 + (j >> 3)]! >> (j & 7)) & 1) << 4;
    codes[j] = (byte & 15) | low;
    codes[16 + j] = (byte >> 4) | high;
  }
}

/** Scale and minimum of part `j` of a block: 6 bits each, of which 12 bytes hold eight pairs. */
function packedScale(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j]! & 63 : (bytes[at + j + 4]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}
function packedLeast(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j + 4]! & 63 : (bytes[at + j + 4]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}

const quantizedTypes: Readonly<Partial<Record<GgmlType, QuantizedType>>> = {
  Q4_0: {
    ...{ partSize: 32, bits: 4, shift: 8, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      scales[0] = half(bytes, at);
      nibbles(bytes, at + 2, aroundZero, codes);
    },
  },
  Q4_1: {
    ...{ partSize: 32, bits: 4, shift: 0, hasLeasts: true },
    read(bytes, at, { codes, scales, leasts }) {
      scales[0] = half(bytes, at);
      leasts[0] = half(bytes, at + 2);
      nibbles(bytes, at + 4, fromZero, codes);
    },
  },
  Q5_0: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      scales[0] = half(bytes, at);
      fiveBits(bytes, at + 2, codes);
      for (let j = 0; j < 32; j++) codes[j]! -= 16;
    },
  },
  Q5_1: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: true },
    read(bytes, at, { codes, scales, leasts }) {
      scales[0] = half(bytes, at);
      leasts[0] = half(bytes, at + 2);
      fiveBits(bytes, at + 4, codes);
    },
  },
  Q8_0: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      scales[0] = half(bytes, at);
      for (let j = 0; j < 32; j++) codes[j] = bytes[at + 2 + j]!;
    },
  },
  Q2_K: {
    ...{ partSize: 16, bits: 4, shift: 8, hasLeasts: true },
    read(bytes, at, { codes, scales, leasts }) {
      const [d, dLeast] = [half(bytes, at + 80), half(bytes, at + 82)];
      for (let part = 0; part < 16; part++) {
        scales[part] = d * (bytes[at + part]! & 15);
        leasts[part] = -dLeast * (bytes[at + part]! >> 4);
        const from = at + 16 + 32 * (part >> 3) + 16 * (part & 1);
        const shift = 2 * ((part >> 1) & 3);
        for (let l = 0; l < 16; l++) codes[16 * part + l] = (bytes[from + l]! >> shift) & 3;
      }
    },
  },
  Q3_K: {
    ...{ partSize: 16, bits: 4, shift: 8, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      const [packed, d] = [at + 96, half(bytes, at + 108)];
      for (let part = 0; part < 16; part++) {
        const low = part < 8 ? bytes[packed + part]! & 15 : bytes[packed + part - 8]! >> 4;
        const high = (bytes[packed + 8 + (part & 3)]! >> (2 * (part >> 2))) & 3;
        scales[part] = d * ((low | (high << 4)) - 32);
        const [from, masks] = [at + 32 + 32 * (part >> 3) + 16 * (part & 1), at + 16 * (part & 1)];
        const [shift, bit] = [2 * ((part >> 1) & 3), part >> 1];
        for (let l = 0; l < 16; l++) {
          const code = ((bytes[from + l]! >> shift) & 3) | (((bytes[masks + l]! >> bit) & 1) << 2);
          codes[16 * part + l] = code - 4;
        }
      }
    },
  },
  Q4_K: {
    ...{ partSize: 32, bits: 4, shift: 0, hasLeasts: true },
    read(bytes, at, block) {
      readScalesAndLeasts(bytes, at, block);
      for (let part = 0; part < 8; part++) {
        const [from, shift] = [at + 16 + 32 * (part >> 1), 4 * (part & 1)];
        for (let l = 0; l < 32; l++) block.codes[32 * part + l] = (bytes[from + l]! >> shift) & 15;
      }
    },
  },
  Q5_K: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: true },
    read(bytes, at, block) {
      readScalesAndLeasts(bytes, at, block);
      for (let part = 0; part < 8; part++) {
        const [from, shift] = [at + 48 + 32 * (part >> 1), 4 * (part & 1)];
        for (let l = 0; l < 32; l++) {
          const high = ((bytes[at + 16 + l]! >> part) & 1) << 4;
          block.codes[32 * part + l] = ((bytes[from + l]! >> shift) & 15) | high;
        }
      }
    },
  },
  Q6_K: {
    ...{ partSize: 16, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      const d = half(bytes, at + 208);
      for (let part = 0; part < 16; part++) scales[part] = d * ((bytes[at + 192 + part]! << 24) >> 24);
      for (let part = 0; part < 8; part++) {
        const [half128, quarter] = [part >> 2, part & 3];
        const low = at + 64 * half128 + 32 * (quarter & 1);
        const high = at + 128 + 32 * half128;
        for (let l = 0; l < 32; l++) {
          const four = (bytes[low + l]! >> (4 * (quarter >> 1))) & 15;
          const two = (bytes[high + l]! >> (2 * quarter)) & 3;
          codes[32 * part + l] = (four | (two << 4)) - 32;
        }
      }
    },
  },
  IQ4_NL: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      scales[0] = half(bytes, at);
      nibbles(bytes, at + 2, iq4Values, codes);
    },
  },
  IQ4_XS: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      const d = half(bytes, at);
      const highs = bytes[at + 2]! | (bytes[at + 3]! << 8);
      for (let part = 0; part < 8; part++) {
        const low = (bytes[at + 4 + (part >> 1)]! >> (4 * (part & 1))) & 15;
        scales[part] = d * ((low | (((highs >> (2 * part)) & 3) << 4)) - 32);
        nibbles(bytes, at + 8 + 16 * part, iq4Values, codes, 32 * part);
      }
    },
  },
  MXFP4: {
    ...{ partSize: 32, bits: 8, shift: 128, hasLeasts: false },
    read(bytes, at, { codes, scales }) {
      scales[0] = 2 ** (bytes[at]! - 128);
      nibbles(bytes, at + 1, fp4Doubled, codes);
    },
  },
};

/** Of Q4_K and Q5_K. */
function readScalesAndLeasts(bytes: Uint8Array, at: number, { scales, leasts }: Block): void {
  const [d, dLeast] = [half(bytes, at), half(bytes, at + 2)];
  for (let part = 0; part < 8; part++) {
    scales[part] = d * packedScale(bytes, at + 4, part);
    leasts[part] = -dLeast * packedLeast(bytes, at + 4, part);
  }
}
