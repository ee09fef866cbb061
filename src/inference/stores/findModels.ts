/** All models that other programs have put on this machine. */

import { homedir } from 'node:os';
import { join } from 'node:path';
import type { FoundModel } from '../../shared/foundModels';
import {
  huggingFaceCache,
  llamaCppFolder,
  lmStudioFolders,
  ollamaStores,
  type Surroundings,
} from '../../shared/modelPlaces';
import { llamaCppModels, lmStudioModels } from './ggufFolders';
import { cachedModels } from './huggingFaceCache';
import { ollamaModels } from './ollama';

/** More than a list can show. */
const maxModels = 1000;

/** Of this process. */
export function surroundings(): Surroundings {
  return { env: process.env, home: homedir(), platform: process.platform, join };
}

/** In the order of the stores, each by name. A store that is not there, or cannot be read, has none. */
export async function findModels(here: Surroundings = surroundings()): Promise<FoundModel[]> {
  const lists = await Promise.all([
    cachedModels(huggingFaceCache(here)),
    ...ollamaStores(here).map(ollamaModels),
    ...lmStudioFolders(here).map(lmStudioModels),
    llamaCppModels(llamaCppFolder(here)),
  ]);
  return lists.flat().slice(0, maxModels);
}
