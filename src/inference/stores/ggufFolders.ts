/** Models as LM Studio keeps them, PUBLISHER/MODEL/FILE.gguf, and llama.cpp, one folder of GGUF files. */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoundModel, ModelSource } from '../../shared/foundModels';
import { ggufModels, ggufSize, liesIn, namesIn, sizeOf } from './storeFiles';

export async function lmStudioModels(root: string): Promise<FoundModel[]> {
  const found: FoundModel[] = [];
  for (const publisher of await namesIn(root)) {
    for (const model of await namesIn(join(root, publisher))) {
      const directory = join(root, publisher, model);
      const names = await namesIn(directory);
      found.push(...(await ggufModelsIn('lmstudio', root, directory, `${publisher}/${model}/`)));
      // Models for MLX are folders as Hugging Face's libraries write them.
      const weights = names.filter(name => name.endsWith('.safetensors'));
      if (!names.includes('config.json') || weights.length === 0) continue;
      const sizes = await Promise.all(weights.map(name => sizeOf(join(directory, name))));
      const sizeBytes = sizes.reduce((sum, size) => sum + size, 0);
      found.push(await inStore(root, { ...entry('lmstudio', `${publisher}/${model}`, directory), sizeBytes }));
    }
  }
  return found;
}

export function llamaCppModels(folder: string): Promise<FoundModel[]> {
  return ggufModelsIn('llamacpp', folder, folder, '');
}

async function ggufModelsIn(
  source: ModelSource,
  root: string,
  directory: string,
  prefix: string,
): Promise<FoundModel[]> {
  const names = await namesIn(directory);
  return Promise.all(
    ggufModels(names).map(async name => {
      const sizeBytes = await ggufSize(directory, name, names);
      return inStore(root, { ...entry(source, `${prefix}${name}`, join(directory, name)), sizeBytes });
    }),
  );
}

function entry(source: ModelSource, name: string, path: string) {
  return { source, name, path, revision: null, problem: null };
}

async function inStore(root: string, model: FoundModel): Promise<FoundModel> {
  // What is not there is refused where it is opened, which says so.
  const isThere = await access(model.path).then(
    () => true,
    () => false,
  );
  if (!isThere || (await liesIn(root, model.path))) return model;
  return {
    ...model,
    problem: `Cannot load ${model.name}: it is a link that leads out of ${root}. Add its file itself.`,
  };
}
