/** Sessions of graphs whose weights are in a model folder. */

import { weightFilesOf } from '../../graph/graphFile';
import type { ModelFolder } from '../model/folder';
import { isWasm, Session, type SessionOptions } from './session';

/** @throws as `Session.create`; Failure if a file of the folder cannot be read. */
export async function folderSession(
  folder: Pick<ModelFolder, 'weightFolder' | 'inMemory'>,
  graph: Uint8Array,
  options: Omit<SessionOptions, 'weightFolder' | 'weightsInMemory'>,
): Promise<Session> {
  const { weightFolder } = folder;
  const weightsInMemory = await folder.inMemory(await isWasm(), weightFilesOf(graph));
  return Session.create(graph, { ...options, weightFolder, weightsInMemory });
}
