/** Which model folder is used: the setting's, else the first bundled language model. Also the picker's list. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { LoadArgs } from '../inference/protocol';

export interface InstalledModel {
  readonly name: string;
  readonly directory: string;
  /** What the setting says to choose it: a bundled model's name, another one's path. */
  readonly setting: string;
  readonly description: string;
  readonly vocabSize: number;
}

/** A model and what runs it. */
export type ChosenModel = Omit<LoadArgs, 'protocolVersion' | 'slot'>;

/** Bundled models, language models (the larger vocabularies) first. Folders without a readable config are left out. */
export async function bundledModels(bundled: string): Promise<InstalledModel[]> {
  const names = await readdir(bundled).catch(() => []);
  const models = await Promise.all(names.map(name => describeModel(join(bundled, name)).catch(() => null)));
  return models
    .filter(model => model !== null)
    .map(model => ({ ...model, setting: model.name }))
    .sort((a, b) => b.vocabSize - a.vocabSize);
}

/**
 * @param setting a bundled model's name, an absolute path, or '' for the default.
 * @throws Failure when there is no such model, or it may not be used in an untrusted workspace.
 */
export async function chooseModelDirectory(setting: string, bundled: string, isTrusted: boolean): Promise<string> {
  const models = await bundledModels(bundled);
  const chosen = setting === '' ? models[0] : models.find(({ directory }) => basename(directory) === setting);
  if (chosen) return chosen.directory;
  if (!isAbsolute(setting)) throw failures.noModel(setting);
  if (!isTrusted) throw failures.untrustedModel(setting);
  return setting;
}

/** What the inference process is to load, as the settings say. @throws as `chooseModelDirectory`. */
export async function chooseModel(
  settings: Settings,
  bundled: string,
  isTrusted: boolean,
  token: () => Thenable<string | undefined>,
): Promise<ChosenModel> {
  const { model, provider, threads: nThreads, remote } = settings;
  if (remote) {
    if (!isTrusted) throw failures.untrustedRemote();
    return { modelDirectory: '', provider, nThreads, remote: { ...remote, token: (await token()) ?? null } };
  }
  return { modelDirectory: await chooseModelDirectory(model, bundled, isTrusted), provider, nThreads };
}

/** A model folder's own words, in our layout or Hugging Face's. @throws if it has no readable config.json. */
export async function describeModel(directory: string): Promise<InstalledModel> {
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  const [nLayers, nHeads] = [config.n_layers ?? config.num_hidden_layers, config.n_heads ?? config.num_attention_heads];
  return {
    name: basename(directory),
    directory,
    setting: directory,
    description: `${nLayers} layers, ${nHeads} heads, context ${config.max_seqlen ?? config.max_position_embeddings}`,
    vocabSize: Number(config.vocab_size) || 0,
  };
}
