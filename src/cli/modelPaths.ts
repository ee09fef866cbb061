/** Where models live and how the command line names them. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { surroundings } from '../inference/stores/findModels';
import { cachedSnapshot } from '../inference/stores/huggingFaceCache';
import { huggingFaceCache } from '../shared/modelPlaces';
import { parseRepository } from '../shared/repository';
import { Failure } from '../shared/tools/failure';

/** The folder of bundled models: beside this program, wherever it was bundled to. */
export function bundledModelsDirectory(): string {
  let directory = __dirname;
  while (!existsSync(join(directory, 'models', 'bundled')) && dirname(directory) !== directory) {
    directory = dirname(directory);
  }
  return join(directory, 'models', 'bundled');
}

/** Directories of bundled models, language models first, toys last, each by size of vocabulary and name. */
export function bundledModels(bundled = bundledModelsDirectory()): string[] {
  const names = existsSync(bundled) ? readdirSync(bundled).sort() : [];
  const directories = names.map(name => join(bundled, name)).filter(path => existsSync(join(path, 'config.json')));
  const vocabulary = new Map(directories.map(path => [path, vocabularySize(path)]));
  return directories.sort((a, b) => vocabulary.get(b)! - vocabulary.get(a)!);
}

/**
 * A model by its name: a bundled one, one of those beside them in a checkout that the README compares, or a repository in
 * the Hugging Face cache, `OWNER/NAME` or `OWNER/NAME@REVISION`.
 * @throws Failure listing what is installed when `name` is neither of these nor a folder.
 */
export async function resolveModel(name: string | undefined): Promise<string> {
  const models = bundledModels();
  if (name === undefined && models[0]) return models[0];
  const compared = bundledModels(join(dirname(bundledModelsDirectory()), 'comparison'));
  const byName = [...models, ...compared].find(path => basename(path) === name);
  if (byName) return byName;
  if (name && existsSync(name)) return resolve(name); // opening it says what is wrong with it
  const repository = name?.includes('/') ? parseRepository(name) : null;
  if (repository) return cachedSnapshot(huggingFaceCache(surroundings()), repository);
  const installed = [...models, ...compared].map(path => basename(path)).join(', ') || 'none';
  throw new Failure(
    'no-model',
    `There is no model "${name ?? ''}". Name a model folder, OWNER/NAME of a repository in the Hugging Face cache, or an ` +
      `installed model: ${installed}.`,
  );
}

function vocabularySize(directory: string): number {
  try {
    return Number(JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')).vocab_size) || 0;
  } catch {
    return 0; // a broken model is listed last; opening it says what is wrong
  }
}
