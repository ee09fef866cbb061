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

/** Rounds to fp16, as bytes. */
export function float16Bytes(values: Float32Array): Uint8Array {
  return new Uint8Array(Uint16Array.from(values, toFloat16Bits).buffer);
}

/** Decodes little-endian bytes of a safetensors dtype (F32, F16 or BF16). @throws RangeError for another dtype. */
export function decodeFloats(dtype: string, bytes: Uint8Array): Float32Array {
  const aligned = bytes.slice().buffer; // typed arrays need aligned offsets, files do not give them
  if (dtype === 'F32') return new Float32Array(aligned);
  if (dtype === 'F16') return Float32Array.from(new Uint16Array(aligned), fromFloat16Bits);
  if (dtype === 'BF16') {
    return new Float32Array(Uint32Array.from(new Uint16Array(aligned), bits => bits << 16).buffer);
  }
  throw new RangeError(`cannot decode dtype ${dtype}; F32, F16 and BF16 are known`);
}
