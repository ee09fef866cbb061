/** Which model folder is used: the setting's, else the first bundled language model. Also the picker's list. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { failures } from '../errors';

export interface InstalledModel {
  readonly name: string;
  readonly directory: string;
  readonly description: string;
  readonly vocabSize: number;
}

/** Bundled models, language models (the larger vocabularies) first. Folders without a readable config are left out. */
export async function bundledModels(bundled: string): Promise<InstalledModel[]> {
  const names = await readdir(bundled).catch(() => []);
  const models = await Promise.all(names.map(name => describe(join(bundled, name)).catch(() => null)));
  return models.filter(model => model !== null).sort((a, b) => b.vocabSize - a.vocabSize);
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

async function describe(directory: string): Promise<InstalledModel> {
  const config = JSON.parse(await readFile(join(directory, 'config.json'), 'utf8'));
  return {
    name: basename(directory),
    directory,
    description: `${config.n_layers} layers, ${config.n_heads} heads, context ${config.max_seqlen}`,
    vocabSize: Number(config.vocab_size) || 0,
  };
}
