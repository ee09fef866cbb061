/** The models that are there, as lists of them show them. */

import { access, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isOnnx } from '../inference/model/folderFiles';

export interface InstalledModel {
  readonly name: string;
  readonly directory: string;
  /** What the setting says to choose it: a bundled model's name, another one's path. */
  readonly setting: string;
  readonly description: string;
  readonly vocabSize: number;
}

/** Bundled models, language models (the larger vocabularies) first. Folders without a readable config are left out. */
export async function bundledModels(bundled: string): Promise<InstalledModel[]> {
  const names = await readdir(bundled).catch(() => []);
  const models = await Promise.all(names.map(name => describeModel(join(bundled, name)).catch(() => null)));
  return models
    .filter(model => model !== null)
    .map(model => ({ ...model, setting: model.name }))
    .sort((a, b) => b.vocabSize - a.vocabSize);
}

/** A model folder's own words, in our layout or Hugging Face's. @throws if it has no readable config.json, or is no file. */
export async function describeModel(directory: string): Promise<InstalledModel> {
  const common = { name: basename(directory), directory, setting: directory };
  if (isOnnx(directory)) {
    await access(directory);
    return { ...common, description: 'ONNX file, attention patterns only', vocabSize: 0 };
  }
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  const [nLayers, nHeads] = [config.n_layers ?? config.num_hidden_layers, config.n_heads ?? config.num_attention_heads];
  return {
    ...common,
    description: `${nLayers} layers, ${nHeads} heads, context ${config.max_seqlen ?? config.max_position_embeddings}`,
    vocabSize: Number(config.vocab_size) || 0,
  };
}
