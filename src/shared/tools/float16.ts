/** Half-precision and bfloat16 numbers, which JavaScript of Node 20 has no arrays for. */

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** fp16 bits of the nearest half-precision number, ties to even. */
export function toFloat16Bits(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00); // NaN, infinity
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds above 65504
  if (magnitude < 0x38800000) {
    // Subnormal: count in steps of 2^-24; adding 0.5 with its unit in the last place at 2^-24 rounds to even.
    floatView[0] = Math.abs(floatView[0]!) + 0.5;
    return sign | (bitsView[0]! - 0x3f000000);
  }
  return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
}

export function fromFloat16Bits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** fp16 numbers by their bits, made at the first use. */
let halves: Float32Array | undefined;

/** The numbers of all fp16 bits, in order: a look-up is much faster than arithmetic. */
export function float16Numbers(): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromFloat16Bits(bits));
  return halves;
}

/** The top bit of both halves of a pair. */
const tops = 0x80008000 | 0;

/**
 * bf16 numbers as fp16, which has all digits of theirs above 2^-18 and rounds smaller ones by 2^-25 at most.
 * @param bytes little-endian, at an offset that is a multiple of 4.
 * @returns null where that loses something that counts: one is above 65504 or not finite, or all are below 2^-7; also for an
 * odd number of values, which are taken in pairs.
 */
export function narrowFloats(bytes: Uint8Array): Uint16Array<ArrayBuffer> | null {
  if (bytes.length % 4 !== 0) return null;
  const pairs = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const narrow = new Int32Array(pairs.length);
  const halves = new Uint16Array(narrow.buffer);
  let large = 0;
  for (let i = 0; i < pairs.length; i++) {
    const signs = pairs[i]! & tops;
    const magnitudes = pairs[i]! & ~tops;
    large |= (magnitudes | tops) - 0x3c003c00; // keeps the top bit of each half that is 2^-7 or more
    const areNormal = (magnitudes | tops) - 0x38803880; // 2^-14
    const areFinite = (0x477f477f | tops) - magnitudes; // 65280
    if ((areNormal & areFinite & tops) === tops) {
      narrow[i] = signs | ((magnitudes - 0x38003800) << 3);
      continue;
    }
    if ((areFinite & tops) !== tops) return null;
    for (const half of [0, 1]) {
      bitsView[0] = half === 0 ? pairs[i]! << 16 : pairs[i]! & 0xffff0000;
      halves[2 * i + half] = toFloat16Bits(floatView[0]!);
    }
  }
  return large & tops ? halves : null;
}

/** fp16 or bf16 numbers as fp32. @param bytes little-endian; copied where they do not lie as arrays need it. */
export function widenFloats(type: 'float16' | 'bfloat16', bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  const stored = new Uint16Array(buffer, byteOffset, length / 2);
  const wide = new Float32Array(stored.length);
  if (type === 'float16') {
    const numbers = float16Numbers();
    for (let i = 0; i < stored.length; i++) wide[i] = numbers[stored[i]!]!;
    return wide;
  }
  const bits = new Uint32Array(wide.buffer);
  for (let i = 0; i < stored.length; i++) bits[i] = stored[i]! << 16;
  return wide;
}

/** Rounds to fp16, as bytes. */
export function float16Bytes(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint16Array.from(values, toFloat16Bits).buffer);
}

/** Decodes little-endian bytes of a safetensors dtype (F32, F16 or BF16). @throws RangeError for another dtype. */
export function decodeFloats(dtype: string, bytes: Uint8Array): Float32Array {
  if (dtype === 'F32') return new Float32Array(bytes.slice().buffer); // arrays need aligned offsets
  if (dtype === 'F16') return widenFloats('float16', bytes);
  if (dtype === 'BF16') return widenFloats('bfloat16', bytes);
  throw new RangeError(`cannot decode dtype ${dtype}; F32, F16 and BF16 are known`);
}
