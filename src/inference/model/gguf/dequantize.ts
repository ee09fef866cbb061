/**
 * GGUF's tensor types: as fp32, and as whole numbers with scales as the file has them, which ONNX Runtime computes with. Layouts
 * are those of ggml (https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h). Every fp32 value is rounded once.
 */

import type { PackedBits } from '../../../graph/graphBuilder';
import { float16Numbers, toFloat16Bits } from '../../../shared/tools/float16';
import type { PackedPart, Packing } from '../packedWeights';
import { type GgmlType, ggmlTypes, layoutOf } from './types';

/**
 * One block, taken apart, without rounding: value i = scale * scaleFactors[part] * codes[i] + least * leastFactors[part], with
 * part = i / partSize.
 */
interface Block {
  readonly codes: Int8Array;
  scale: number;
  least: number;
  readonly scaleFactors: Int8Array;
  readonly leastFactors: Int8Array;
}

interface QuantizedType {
  /** Values that share a scale. */
  readonly partSize: 16 | 32;
  /** The smaller of those that hold every code. */
  readonly bits: PackedBits;
  /** What is added to a code so that it is a whole number of that many bits. */
  readonly shift: number;
  readonly hasLeasts: boolean;
  /** Of the numbers of a block: all are fp16, but the scale of MXFP4. */
  readonly baseType: 'float16' | 'float32';
  readonly readCodes: (bytes: Uint8Array, at: number, codes: Int8Array) => void;
  readonly readNumbers: (bytes: Uint8Array, at: number, block: Block) => void;
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
  const { readCodes, readNumbers, partSize } = quantized;
  const block = emptyBlock();
  const { codes, scaleFactors, leastFactors } = block;
  for (let i = 0; i < nBlocks; i++) {
    readCodes(bytes, i * blockBytes, codes);
    readNumbers(bytes, i * blockBytes, block);
    for (let first = 0, part = 0; first < blockValues; first += partSize, part++) {
      const [scale, least] = [block.scale * scaleFactors[part]!, block.least * leastFactors[part]!];
      const to = i * blockValues;
      for (let j = first; j < first + partSize; j++) out[to + j] = scale * codes[j]! + least;
    }
  }
}

/** How a type is packed. @returns null for types that are not quantized. */
export function packingOf(type: GgmlType): Packing | null {
  const quantized = quantizedTypes[type];
  if (!quantized) return null;
  const { bits, partSize, shift, hasLeasts, baseType } = quantized;
  const { blockValues } = layoutOf(ggmlTypes[type])!;
  const nParts = blockValues / partSize;
  const nFactors = nParts > 1 ? nParts : 0;
  const base = baseType === 'float16' ? 2 : 4;
  return {
    ...{ bits, partSize, hasLeasts, baseType, nParts, lift: 2 ** (bits - 1) - shift },
    bytes: {
      codes: (blockValues * bits) / 8,
      scales: base,
      scaleFactors: nFactors,
      leasts: hasLeasts ? base : 0,
      leastFactors: hasLeasts ? nFactors : 0,
    },
  };
}

/**
 * Writes one part of whole blocks. The numbers stay as they are.
 * @param out of these blocks alone.
 */
export function packBlocks(type: GgmlType, bytes: Uint8Array, part: PackedPart, out: Uint8Array): void {
  const { blockValues, blockBytes } = layoutOf(ggmlTypes[type])!;
  const { readCodes, readNumbers, bits, shift } = quantizedTypes[type]!;
  const { bytes: sizes, baseType } = packingOf(type)!;
  const nBlocks = bytes.length / blockBytes;
  const block = emptyBlock();
  const { codes, scaleFactors, leastFactors } = block;
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  for (let i = 0; i < nBlocks; i++) {
    const to = i * sizes[part];
    if (part === 'codes') {
      readCodes(bytes, i * blockBytes, codes);
      packCodes(codes, blockValues, bits, shift, out, to);
      continue;
    }
    readNumbers(bytes, i * blockBytes, block);
    if (part === 'scaleFactors' || part === 'leastFactors') {
      const factors = part === 'scaleFactors' ? scaleFactors : leastFactors;
      for (let j = 0; j < sizes[part]; j++) out[to + j] = factors[j]!;
      continue;
    }
    const base = part === 'scales' ? block.scale : block.least;
    if (baseType === 'float16') view.setUint16(to, toFloat16Bits(base), true);
    else view.setFloat32(to, base, true);
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
  return {
    ...{ codes: new Int8Array(256), scale: 0, least: 0 },
    ...{ scaleFactors: new Int8Array(16).fill(1), leastFactors: new Int8Array(16).fill(1) },
  };
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

/** Numbers of types with one scale, and one least, for a block. */
const scaleAt =
  (offset: number): QuantizedType['readNumbers'] =>
  (bytes, at, block) => {
    block.scale = half(bytes, at + offset);
  };
const scaleThenLeast: QuantizedType['readNumbers'] = (bytes, at, block) => {
  block.scale = half(bytes, at);
  block.least = half(bytes, at + 2);
};

/** Of Q4_K and Q5_K. */
const scalesAndLeasts: QuantizedType['readNumbers'] = (bytes, at, block) => {
  block.scale = half(bytes, at);
  block.least = -half(bytes, at + 2);
  for (let part = 0; part < 8; part++) {
    block.scaleFactors[part] = packedScale(bytes, at + 4, part);
    block.leastFactors[part] = packedLeast(bytes, at + 4, part);
  }
};

/** Parts of most types: of 32 values in four and in eight bits, of 16 values. */
const fourBits = { partSize: 32, bits: 4, hasLeasts: false, baseType: 'float16' } as const;
const eightBits = { partSize: 32, bits: 8, shift: 128, hasLeasts: false, baseType: 'float16' } as const;

const quantizedTypes: Readonly<Partial<Record<GgmlType, QuantizedType>>> = {
  Q4_0: {
    ...{ ...fourBits, shift: 8 },
    readNumbers: scaleAt(0),
    readCodes: (bytes, at, codes) => nibbles(bytes, at + 2, aroundZero, codes),
  },
  Q4_1: {
    ...{ ...fourBits, shift: 0, hasLeasts: true },
    readNumbers: scaleThenLeast,
    readCodes: (bytes, at, codes) => nibbles(bytes, at + 4, fromZero, codes),
  },
  Q5_0: {
    ...eightBits,
    readNumbers: scaleAt(0),
    readCodes(bytes, at, codes) {
      fiveBits(bytes, at + 2, codes);
      for (let j = 0; j < 32; j++) codes[j]! -= 16;
    },
  },
  Q5_1: {
    ...{ ...eightBits, hasLeasts: true },
    readNumbers: scaleThenLeast,
    readCodes: (bytes, at, codes) => fiveBits(bytes, at + 4, codes),
  },
  Q8_0: {
    ...eightBits,
    readNumbers: scaleAt(0),
    readCodes(bytes, at, codes) {
      for (let j = 0; j < 32; j++) codes[j] = bytes[at + 2 + j]!;
    },
  },
  Q2_K: {
    ...{ ...fourBits, partSize: 16, shift: 8, hasLeasts: true },
    readNumbers(bytes, at, block) {
      block.scale = half(bytes, at + 80);
      block.least = -half(bytes, at + 82);
      for (let part = 0; part < 16; part++) {
        block.scaleFactors[part] = bytes[at + part]! & 15;
        block.leastFactors[part] = bytes[at + part]! >> 4;
      }
    },
    readCodes(bytes, at, codes) {
      for (let part = 0; part < 16; part++) {
        const from = at + 16 + 32 * (part >> 3) + 16 * (part & 1);
        const shift = 2 * ((part >> 1) & 3);
        for (let l = 0; l < 16; l++) codes[16 * part + l] = (bytes[from + l]! >> shift) & 3;
      }
    },
  },
  Q3_K: {
    ...{ ...fourBits, partSize: 16, shift: 8 },
    readNumbers(bytes, at, block) {
      const packed = at + 96;
      block.scale = half(bytes, at + 108);
      for (let part = 0; part < 16; part++) {
        const low = part < 8 ? bytes[packed + part]! & 15 : bytes[packed + part - 8]! >> 4;
        const high = (bytes[packed + 8 + (part & 3)]! >> (2 * (part >> 2))) & 3;
        block.scaleFactors[part] = (low | (high << 4)) - 32;
      }
    },
    readCodes(bytes, at, codes) {
      for (let part = 0; part < 16; part++) {
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
    ...{ ...fourBits, shift: 0, hasLeasts: true },
    readNumbers: scalesAndLeasts,
    readCodes(bytes, at, codes) {
      for (let part = 0; part < 8; part++) {
        const [from, shift] = [at + 16 + 32 * (part >> 1), 4 * (part & 1)];
        for (let l = 0; l < 32; l++) codes[32 * part + l] = (bytes[from + l]! >> shift) & 15;
      }
    },
  },
  Q5_K: {
    ...{ ...eightBits, hasLeasts: true },
    readNumbers: scalesAndLeasts,
    readCodes(bytes, at, codes) {
      for (let part = 0; part < 8; part++) {
        const [from, shift] = [at + 48 + 32 * (part >> 1), 4 * (part & 1)];
        for (let l = 0; l < 32; l++) {
          const high = ((bytes[at + 16 + l]! >> part) & 1) << 4;
          codes[32 * part + l] = ((bytes[from + l]! >> shift) & 15) | high;
        }
      }
    },
  },
  Q6_K: {
    ...{ ...eightBits, partSize: 16 },
    readNumbers(bytes, at, block) {
      block.scale = half(bytes, at + 208);
      for (let part = 0; part < 16; part++) block.scaleFactors[part] = bytes[at + 192 + part]!;
    },
    readCodes(bytes, at, codes) {
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
    ...eightBits,
    readNumbers: scaleAt(0),
    readCodes: (bytes, at, codes) => nibbles(bytes, at + 2, iq4Values, codes),
  },
  IQ4_XS: {
    ...eightBits,
    readNumbers(bytes, at, block) {
      block.scale = half(bytes, at);
      const highs = bytes[at + 2]! | (bytes[at + 3]! << 8);
      for (let part = 0; part < 8; part++) {
        const low = (bytes[at + 4 + (part >> 1)]! >> (4 * (part & 1))) & 15;
        block.scaleFactors[part] = (low | (((highs >> (2 * part)) & 3) << 4)) - 32;
      }
    },
    readCodes(bytes, at, codes) {
      for (let part = 0; part < 8; part++) nibbles(bytes, at + 8 + 16 * part, iq4Values, codes, 32 * part);
    },
  },
  MXFP4: {
    ...{ ...eightBits, baseType: 'float32' },
    readNumbers(bytes, at, block) {
      block.scale = 2 ** (bytes[at]! - 128);
    },
    readCodes: (bytes, at, codes) => nibbles(bytes, at + 1, fp4Doubled, codes),
  },
};
