/** Models of real shapes with random weights, for measurements: what they say is worth nothing, their work is real. */

import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseHuggingFaceConfig } from '../graph/huggingFaceConfig';
import { placeOf } from '../graph/huggingFaceWeights';
import { expectedWeights } from '../graph/modelGraphs';

/** As Hugging Face's library writes it, of a family whose weights have Llama's names. */
export type LlamaConfig = Readonly<Record<string, unknown>> & { readonly model_type: string };

/**
 * Writes a model folder: small numbers of either sign, the same block again and again.
 * @param tokenizerFile any tokenizer.json whose ids the vocabulary has.
 * @returns bytes of the weights.
 */
export function writeRandomModel(
  directory: string,
  config: LlamaConfig,
  dtype: 'BF16' | 'F16',
  tokenizerFile: string,
): number {
  mkdirSync(directory, { recursive: true });
  copyFileSync(tokenizerFile, join(directory, 'tokenizer.json'));
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
  const header: Record<string, unknown> = {};
  let offset = 0;
  const parsed = parseHuggingFaceConfig(config, 'config.json', null);
  for (const [key, shape] of expectedWeights(parsed)) {
    const length = 2 * shape.reduce((product, n) => product * n, 1);
    header[placeOf('llama', 'model.', key, parsed).name] = { dtype, shape, data_offsets: [offset, offset + length] };
    offset += length;
  }
  const block = new Uint16Array(1 << 22);
  let state = 1;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const magnitude = state >>> 16; // 0.0078 to 0.031
    block[i] = (state & 0x8000) | (dtype === 'BF16' ? 0x3c00 + (magnitude & 0xff) : 0x2000 + (magnitude & 0x7ff));
  }
  const bytes = new Uint8Array(block.buffer);
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = openSync(join(directory, 'model.safetensors'), 'w');
  try {
    writeSync(file, new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer));
    writeSync(file, json);
    for (let left = offset; left > 0; left -= bytes.length) writeSync(file, bytes, 0, Math.min(left, bytes.length));
  } finally {
    closeSync(file);
  }
  return offset;
}
