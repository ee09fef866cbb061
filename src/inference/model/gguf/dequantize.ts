/**
 * Values of GGUF's tensor types as fp32. Each block has scales of its own; layouts are those of ggml
 * (https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h). Every value is rounded to fp32 once.
 */

import { fromFloat16Bits } from '../../../shared/tools/float16';
import { type GgmlType, ggmlTypes, layoutOf } from './types';

/** Writes the values of one block. */
type Block = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

/** @param out as long as the values that `bytes` hold. @throws RangeError where the two do not fit. */
export function dequantize(type: GgmlType, bytes: Uint8Array, out: Float32Array): void {
  const { blockValues, blockBytes } = layoutOf(ggmlTypes[type])!;
  const nBlocks = bytes.length / blockBytes;
  if (nBlocks % 1 !== 0 || nBlocks * blockValues !== out.length) {
    throw new RangeError(`${bytes.length} bytes of ${type} do not hold ${out.length} values`);
  }
  const block = blocks[type];
  for (let i = 0; i < nBlocks; i++) block(bytes, i * blockBytes, out, i * blockValues);
}

const scratch = new DataView(new ArrayBuffer(4));

/** fp16 numbers by their bits, made at the first use. */
let halves: Float32Array | undefined;

function half(bytes: Uint8Array, at: number): number {
  halves ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromFloat16Bits(bits));
  return halves[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** Values of 4-bit codes: even steps, IQ4's, and the fp4 numbers of MXFP4, doubled. */
const fromZero = Int8Array.from({ length: 16 }, (_, code) => code);
const aroundZero = Int8Array.from({ length: 16 }, (_, code) => code - 8);
const iq4Values = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
const fp4Doubled = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** 32 codes of 4 bits: the low halves of 16 bytes, then the high ones. */
function nibbles(
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
  values: Int8Array,
  scale: number,
  least = 0,
): void {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + j]!;
    out[to + j] = scale * values[byte & 15]! + least;
    out[to + 16 + j] = scale * values[byte >> 4]! + least;
  }
}

/** 32 codes of 5 bits: 4 as `nibbles`, and the fifth of each in a word before them. */
function fiveBits(bytes: Uint8Array, at: number, out: Float32Array, to: number, scale: number, least: number) {
  for (let j = 0; j < 16; j++) {
    const byte = bytes[at + 4 + j]!;
    const low = ((bytes[at + (j >> 3)]! >> (j & 7)) & 1) << 4;
    const high = ((bytes[at + 2 + (j >> 3)]! >> (j & 7)) & 1) << 4;
    out[to + j] = scale * ((byte & 15) | low) + least;
    out[to + 16 + j] = scale * ((byte >> 4) | high) + least;
  }
}

/** Scale and minimum of part `j` of a block: 6 bits each, of which 12 bytes hold eight pairs. */
function packedScale(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j]! & 63 : (bytes[at + j + 4]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}
function packedLeast(bytes: Uint8Array, at: number, j: number): number {
  return j < 4 ? bytes[at + j + 4]! & 63 : (bytes[at + j + 4]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}

const blocks: Readonly<Record<GgmlType, Block>> = {
  F32(bytes, at, out, to) {
    for (let i = 0; i < 4; i++) scratch.setUint8(i, bytes[at + i]!);
    out[to] = scratch.getFloat32(0, true);
  },
  F16(bytes, at, out, to) {
    out[to] = half(bytes, at);
  },
  BF16(bytes, at, out, to) {
    scratch.setUint32(0, (bytes[at]! | (bytes[at + 1]! << 8)) << 16);
    out[to] = scratch.getFloat32(0);
  },
  Q4_0(bytes, at, out, to) {
    nibbles(bytes, at + 2, out, to, aroundZero, half(bytes, at));
  },
  Q4_1(bytes, at, out, to) {
    nibbles(bytes, at + 4, out, to, fromZero, half(bytes, at), half(bytes, at + 2));
  },
  Q5_0(bytes, at, out, to) {
    const d = half(bytes, at);
    fiveBits(bytes, at + 2, out, to, d, -16 * d);
  },
  Q5_1(bytes, at, out, to) {
    fiveBits(bytes, at + 4, out, to, half(bytes, at), half(bytes, at + 2));
  },
  Q8_0(bytes, at, out, to) {
    const d = half(bytes, at);
    for (let j = 0; j < 32; j++) out[to + j] = d * ((bytes[at + 2 + j]! << 24) >> 24);
  },
  Q2_K(bytes, at, out, to) {
    const [codes, d, dLeast] = [at + 16, half(bytes, at + 80), half(bytes, at + 82)];
    for (let part = 0; part < 16; part++) {
      const scales = bytes[at + part]!;
      const [scale, least] = [d * (scales & 15), dLeast * (scales >> 4)];
      const from = codes + 32 * (part >> 3) + 16 * (part & 1);
      const shift = 2 * ((part >> 1) & 3);
      for (let l = 0; l < 16; l++) out[to + 16 * part + l] = scale * ((bytes[from + l]! >> shift) & 3) - least;
    }
  },
  Q3_K(bytes, at, out, to) {
    const [codes, scales, d] = [at + 32, at + 96, half(bytes, at + 108)];
    for (let part = 0; part < 16; part++) {
      const low = part < 8 ? bytes[scales + part]! & 15 : bytes[scales + part - 8]! >> 4;
      const high = (bytes[scales + 8 + (part & 3)]! >> (2 * (part >> 2))) & 3;
      const scale = d * ((low | (high << 4)) - 32);
      const [from, masks] = [codes + 32 * (part >> 3) + 16 * (part & 1), at + 16 * (part & 1)];
      const [shift, bit] = [2 * ((part >> 1) & 3), part >> 1];
      for (let l = 0; l < 16; l++) {
        const code = ((bytes[from + l]! >> shift) & 3) | (((bytes[masks + l]! >> bit) & 1) << 2);
        out[to + 16 * part + l] = scale * (code - 4);
      }
    }
  },
  Q4_K(bytes, at, out, to) {
    const [d, dLeast] = [half(bytes, at), half(bytes, at + 2)];
    for (let part = 0; part < 8; part++) {
      const scale = d * packedScale(bytes, at + 4, part);
      const least = dLeast * packedLeast(bytes, at + 4, part);
      const [from, shift] = [at + 16 + 32 * (part >> 1), 4 * (part & 1)];
      for (let l = 0; l < 32; l++) out[to + 32 * part + l] = scale * ((bytes[from + l]! >> shift) & 15) - least;
    }
  },
  Q5_K(bytes, at, out, to) {
    const [d, dLeast] = [half(bytes, at), half(bytes, at + 2)];
    for (let part = 0; part < 8; part++) {
      const scale = d * packedScale(bytes, at + 4, part);
      const least = dLeast * packedLeast(bytes, at + 4, part);
      const [from, shift] = [at + 48 + 32 * (part >> 1), 4 * (part & 1)];
      for (let l = 0; l < 32; l++) {
        const code = ((bytes[from + l]! >> shift) & 15) | (((bytes[at + 16 + l]! >> part) & 1) << 4);
        out[to + 32 * part + l] = scale * code - least;
      }
    }
  },
  Q6_K(bytes, at, out, to) {
    const d = half(bytes, at + 208);
    for (let part = 0; part < 8; part++) {
      const [half128, quarter] = [part >> 2, part & 3];
      const low = at + 64 * half128 + 32 * (quarter & 1);
      const high = at + 128 + 32 * half128;
      for (let l = 0; l < 32; l++) {
        const scale = (bytes[at + 192 + 2 * part + (l >> 4)]! << 24) >> 24;
        const four = (bytes[low + l]! >> (4 * (quarter >> 1))) & 15;
        const two = (bytes[high + l]! >> (2 * quarter)) & 3;
        out[to + 32 * part + l] = d * scale * ((four | (two << 4)) - 32);
      }
    }
  },
  IQ4_NL(bytes, at, out, to) {
    nibbles(bytes, at + 2, out, to, iq4Values, half(bytes, at));
  },
  IQ4_XS(bytes, at, out, to) {
    const d = half(bytes, at);
    const highs = bytes[at + 2]! | (bytes[at + 3]! << 8);
    for (let part = 0; part < 8; part++) {
      const low = (bytes[at + 4 + (part >> 1)]! >> (4 * (part & 1))) & 15;
      const scale = d * ((low | (((highs >> (2 * part)) & 3) << 4)) - 32);
      nibbles(bytes, at + 8 + 16 * part, out, to + 32 * part, iq4Values, scale);
    }
  },
  MXFP4(bytes, at, out, to) {
    nibbles(bytes, at + 1, out, to, fp4Doubled, 2 ** (bytes[at]! - 128));
  },
};
