/** Random maps, and their overviews and tiles made the plain way. */

import type { Rect } from '../../../../src/shared/address';
import type { HeadOverview } from '../../../../src/shared/attentionMap';
import type { Random } from '../../../random';

/** Values [query, key] of a map; masked cells hold 0, as in what the engine sends. */
export function randomMap(nTokens: number, random: Random): Float32Array {
  return random.floats(nTokens * nTokens).map((value, i) => (i % nTokens > Math.floor(i / nTokens) ? 0 : value));
}

/** The value of largest magnitude, with its sign, of a block of cells. */
export function strongestOfBlock(map: Float32Array, nTokens: number, blockSize: number, I: number, J: number): number {
  let strongest = 0;
  for (let i = I * blockSize; i < Math.min(nTokens, (I + 1) * blockSize); i++) {
    for (let j = J * blockSize; j < Math.min(nTokens, (J + 1) * blockSize); j++) {
      const value = map[i * nTokens + j]!;
      if (Math.abs(value) > Math.abs(strongest)) strongest = value;
    }
  }
  return strongest;
}

export function overviewOf(map: Float32Array, nTokens: number, blockSize: number): HeadOverview {
  const size = Math.ceil(nTokens / blockSize);
  const scale = map.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const cells = Int8Array.from({ length: size * size }, (_, at) =>
    Math.round((strongestOfBlock(map, nTokens, blockSize, Math.floor(at / size), at % size) / scale) * 127),
  );
  return { layerIdx: 0, headIdx: 0, stage: 'pattern', nTokens, blockSize, size, scale, cells };
}

export function tileOf(map: Float32Array, nTokens: number, rect: Rect): Float32Array {
  const { queryStart, keyStart, nQueries, nKeys } = rect;
  return Float32Array.from(
    { length: nQueries * nKeys },
    (_, at) => map[(queryStart + Math.floor(at / nKeys)) * nTokens + keyStart + (at % nKeys)]!,
  );
}
