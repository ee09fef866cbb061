/** The types of GGUF tensors and files: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */

export interface BlockLayout {
  readonly blockValues: number;
  readonly blockBytes: number;
}

/** Codes of the tensor types that are read. */
export const ggmlTypes = {
  ...{ F32: 0, F16: 1, BF16: 30 },
  ...{ Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8 },
  ...{ Q2_K: 10, Q3_K: 11, Q4_K: 12, Q5_K: 13, Q6_K: 14 },
  ...{ IQ4_NL: 20, IQ4_XS: 23, MXFP4: 39 },
} as const;
export type GgmlType = keyof typeof ggmlTypes;

/** Values of a block and the bytes they take, by type. */
const layouts: Readonly<Record<GgmlType, readonly [number, number]>> = {
  ...{ F32: [1, 4], F16: [1, 2], BF16: [1, 2] },
  ...{ Q4_0: [32, 18], Q4_1: [32, 20], Q5_0: [32, 22], Q5_1: [32, 24], Q8_0: [32, 34] },
  ...{ Q2_K: [256, 84], Q3_K: [256, 110], Q4_K: [256, 144], Q5_K: [256, 176], Q6_K: [256, 210] },
  ...{ IQ4_NL: [32, 18], IQ4_XS: [256, 136], MXFP4: [32, 17] },
};

/** Types that are named in messages only. */
const otherTypes: Readonly<Record<number, string>> = {
  ...{ 9: 'Q8_1', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 21: 'IQ3_S', 22: 'IQ2_S' },
  ...{ 24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0' },
};

const byCode = new Map(Object.entries(ggmlTypes).map(([name, code]) => [code as number, name as GgmlType]));

/** @returns undefined for a type that is not read. */
export function ggmlType(code: number): GgmlType | undefined {
  return byCode.get(code);
}

export function typeName(code: number): string {
  return byCode.get(code) ?? otherTypes[code] ?? String(code);
}

/** @returns undefined for a type that is not read. */
export function layoutOf(code: number): BlockLayout | undefined {
  const type = byCode.get(code);
  if (!type) return undefined;
  const [blockValues, blockBytes] = layouts[type];
  return { blockValues, blockBytes };
}

/** `general.file_type`: what the file is called after, though it mixes types. */
export const fileTypes: Readonly<Record<number, string>> = {
  ...{ 0: 'F32', 1: 'F16', 2: 'Q4_0', 3: 'Q4_1', 7: 'Q8_0', 8: 'Q5_0', 9: 'Q5_1', 10: 'Q2_K' },
  ...{ 11: 'Q3_K_S', 12: 'Q3_K_M', 13: 'Q3_K_L', 14: 'Q4_K_S', 15: 'Q4_K_M', 16: 'Q5_K_S', 17: 'Q5_K_M', 18: 'Q6_K' },
  ...{ 21: 'Q2_K_S', 25: 'IQ4_NL', 30: 'IQ4_XS', 32: 'BF16', 38: 'MXFP4' },
};
