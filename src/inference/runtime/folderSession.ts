/** Sessions of graphs whose weights are in a model folder. */

import { feedWeights, weightFilesOf } from '../../graph/graphFile';
import { type ModelFolder, mappedFromBytes } from '../model/folder';
import { isWasm, Session, type SessionOptions } from './session';
import { fedType, WeightStore } from './weightStore';

/** By folder: its weights that sessions on the CPU use. */
const stores = new WeakMap<object, WeightStore>();

type Folder = Pick<ModelFolder, 'weightFolder' | 'inMemory' | 'sizeBytes' | 'summary' | 'takeBack'>;

export interface FolderSessionOptions extends Omit<SessionOptions, 'weightFolder' | 'weightsInMemory'> {
  /** Whether the runtime lays out matrices of the session's own. */
  readonly laysOut?: boolean;
}

/**
 * On the CPU all sessions of a folder use the same memory for its matrices, but for those that `laysOut`: they have the
 * runtime lay out matrices of their own, which makes products of few rows faster.
 * @throws as `Session.create`; Failure if a file of the folder cannot be read.
 */
export async function folderSession(
  folder: Folder,
  graph: Uint8Array,
  { laysOut = false, ...options }: FolderSessionOptions,
): Promise<Session> {
  const { weightFolder } = folder;
  if (laysOut || options.provider !== 'cpu' || (await isWasm())) {
    const weightsInMemory = await folder.inMemory(await isWasm(), weightFilesOf(graph));
    return Session.create(graph, { ...options, weightFolder, weightsInMemory });
  }
  // Beside packed weights, what is in halves are scales, which graphs widen.
  const widens = folder.sizeBytes <= mappedFromBytes && folder.summary.weightsKeptAs !== 'packed';
  const store = stores.get(folder) ?? new WeightStore(folder, widens);
  stores.set(folder, store);
  const { graph: unweighted, fed } = feedWeights(graph, stored => fedType(stored, store.widens));
  const sharedWeights = new Map([...(options.sharedWeights ?? []), ...(await store.load(fed))]);
  const weightsInMemory = await folder.inMemory(false, weightFilesOf(unweighted));
  try {
    return await Session.create(unweighted, { ...options, weightFolder, weightsInMemory, sharedWeights });
  } finally {
    folder.takeBack?.(weightsInMemory);
  }
}
