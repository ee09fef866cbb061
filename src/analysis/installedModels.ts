/** The models that are there, as lists of them show them. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFolder } from '../inference/model/describeFolder';
import type { FolderDescription } from '../shared/analysis';

export interface InstalledModel extends FolderDescription {
  /** What the setting says to choose it: a bundled model's name, another one's path. */
  readonly setting: string;
  /** The extension that brings it. */
  readonly origin?: string;
}

/** Bundled models, language models (the larger vocabularies) first. Folders without a readable config are left out. */
export async function bundledModels(bundled: string): Promise<InstalledModel[]> {
  const names = await readdir(bundled).catch(() => []);
  const models = await Promise.all(names.map(name => describeFolder(join(bundled, name)).catch(() => null)));
  return models
    .filter(model => model !== null)
    .map(model => ({ ...model, setting: model.name }))
    .sort((a, b) => b.vocabSize - a.vocabSize);
}
