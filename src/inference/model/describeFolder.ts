/** A few words about a model folder, for lists of models; reads config.json alone. */

import type { FolderDescription } from '../../shared/analysis';
import { shorten } from '../../shared/tools/plainText';
import { folderName, isOnnx, readJson, regularFile } from './folderFiles';

/** @throws Failure if there is no readable config.json, in our layout or Hugging Face's, or no such ONNX file. */
export async function describeFolder(directory: string): Promise<FolderDescription> {
  const common = { name: shorten(folderName(directory), 200), directory };
  if (isOnnx(directory)) {
    await (await regularFile(directory)).close();
    return { ...common, description: 'ONNX file, attention patterns only', vocabSize: 0 };
  }
  const config = ((await readJson(directory, 'config.json')) ?? {}) as Readonly<Record<string, unknown>>;
  const number = (...keys: readonly string[]) => {
    const value = keys.map(key => config[key]).find(value => value !== undefined);
    return typeof value === 'number' ? String(value) : '?';
  };
  const [nLayers, nHeads] = [number('n_layers', 'num_hidden_layers'), number('n_heads', 'num_attention_heads')];
  return {
    ...common,
    description: `${nLayers} layers, ${nHeads} heads, context ${number('max_seqlen', 'max_position_embeddings')}`,
    vocabSize: Number(number('vocab_size')) || 0,
  };
}
