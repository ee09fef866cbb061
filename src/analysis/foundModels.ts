/** Models that other programs have put on this machine, each opened in the process that may die. */

import type { FoundModel, ModelFacts } from '../shared/foundModels';
import { toFailureData } from '../shared/tools/failure';
import type { FolderReader } from './folderReader';

/** How long listing the stores may take, and opening one model. */
const maxListMs = 10_000;
const maxOpenMs = 5000;

export interface DescribedModel extends FoundModel {
  readonly facts: ModelFacts;
}

const unknown = { family: null, nParameters: null, sizeBytes: null, memoryBytes: null, fitsInMemory: null };

/** In the order of the stores, one after the other. A model that cannot be opened has a problem. @param home folder */
export async function* describedModels(
  folders: Pick<FolderReader, 'read'>,
  home: string,
): AsyncGenerator<DescribedModel> {
  for (const model of await folders.read('findModels', home, maxListMs)) {
    const facts =
      model.problem === null
        ? await folders
            .read('modelFacts', model.path, maxOpenMs)
            .catch((error: unknown): ModelFacts => ({ ...unknown, problem: toFailureData(error).message }))
        : { ...unknown, problem: model.problem };
    yield { ...model, facts };
  }
}
