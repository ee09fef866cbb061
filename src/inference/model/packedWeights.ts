/** Quantized matrices of a model whose parts exist in memory only, each as a file of its own name that is read when it is used. */

import type { BlockNumbers, PackedBits, PackedWeight, Weight } from '../../graph/graphBuilder';
import type { ModelFolder } from './folder';
import type { SpareBuffers } from './spareBuffers';

/** What a packed tensor consists of: see `PackedWeight`. */
export type PackedPart = 'codes' | 'scales' | 'scaleFactors' | 'leasts' | 'leastFactors';

export const packedParts = [
  'codes',
  'scales',
  'scaleFactors',
  'leasts',
  'leastFactors',
] as const satisfies readonly PackedPart[];

export interface Packing {
  /** Values that share a scale. */
  readonly partSize: number;
  readonly bits: PackedBits;
  readonly hasLeasts: boolean;
  /** Of the numbers of a block. */
  readonly baseType: 'float16' | 'float32';
  /** What codes are raised by, beside the half of their range. */
  readonly lift: number;
  /** Parts of a block: more than one have factors. */
  readonly nParts: number;
  /** Bytes that each part takes for a block. */
  readonly bytes: Readonly<Record<PackedPart, number>>;
}

export type Contents = Uint8Array<ArrayBuffer>;

/** Weights of more than this as fp32 are kept as fp16, whose rounding is small beside that of their quantization. */
export const maxFp32Bytes = 2 ** 32;

/** Name of a file that exists in memory only. */
export const partOf = (tensor: string, part: PackedPart) => `${tensor}:${part}`;

/** A matrix whose parts are in files that exist in memory only. */
export function packedWeight(name: string, packing: Packing, [nRows, nColumns]: readonly number[]): PackedWeight {
  const { bits, partSize, nParts, lift, hasLeasts, baseType, bytes } = packing;
  const nBases = nColumns! / (partSize * nParts);
  const stored = (part: PackedPart, elementType: Weight['elementType'], ...shape: number[]): Weight => ({
    elementType,
    shape: [nRows!, ...shape],
    source: { file: partOf(name, part), offset: 0, length: nRows! * nBases * bytes[part] },
  });
  const numbers = (bases: 'scales' | 'leasts', factors: 'scaleFactors' | 'leastFactors'): BlockNumbers => ({
    bases: stored(bases, baseType, nBases),
    factors: bytes[factors] > 0 ? stored(factors, 'int8', nBases, nParts) : undefined,
  });
  return {
    ...{ bits, blockSize: partSize, lift },
    codes: stored('codes', 'uint8', nBases * nParts, (partSize * bits) / 8),
    scales: numbers('scales', 'scaleFactors'),
    leasts: hasLeasts ? numbers('leasts', 'leastFactors') : undefined,
  };
}

/** Bytes that a matrix takes in memory. */
export function packedSize({ partSize, nParts, bytes }: Packing, [nRows, nColumns]: readonly number[]): number {
  const nBlocks = (nRows! * nColumns!) / (partSize * nParts);
  return packedParts.reduce((sum, part) => sum + bytes[part] * nBlocks, 0);
}

/** @param readWholes contents of the files that are on the disk, by name. */
export function weightsOf(
  name: string,
  weights: ReadonlyMap<string, Weight>,
  inMemory: ReadonlyMap<string, () => Promise<Contents>>,
  readWholes: ReadonlyMap<string, () => Promise<Contents>>,
  spares: SpareBuffers,
): Pick<ModelFolder, 'weights' | 'inMemory' | 'takeBack'> {
  return {
    weights: key => {
      const weight = weights.get(key);
      if (!weight) throw new RangeError(`the configuration of model "${name}" has no tensor ${key}`);
      return weight;
    },
    inMemory: async (readsAll, files) => {
      const contents = new Map<string, Contents>();
      for (const file of files) {
        const read = inMemory.get(file) ?? (readsAll ? readWholes.get(file) : undefined);
        if (read) contents.set(file, await read());
      }
      return contents;
    },
    takeBack: contents => {
      for (const bytes of contents.values()) spares.add(bytes);
    },
  };
}
