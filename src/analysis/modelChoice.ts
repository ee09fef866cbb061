/** Which model folder is used: the setting's, else the first bundled language model. */

import platformPath, { type PlatformPath } from 'node:path';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import type { LoadArgs } from '../inference/protocol';
import type { ContributedModel } from './contributedModels';
import { bundledModels } from './installedModels';

/** A model and what runs it. */
export type ChosenModel = Omit<LoadArgs, 'protocolVersion' | 'slot'>;

/** What tells two choices apart whose runs take different times. */
export function modelKey({ modelDirectory, provider, nThreads, remote }: ChosenModel): string {
  return [remote ? remote.url : modelDirectory, provider, nThreads].join(' ');
}

/**
 * @param setting a bundled model's name, one that an extension brings, an absolute path, or '' for the default.
 * @throws Failure when there is no such model, or it may not be used in an untrusted workspace.
 */
export async function chooseModelDirectory(
  setting: string,
  bundled: string,
  isTrusted: boolean,
  { basename, isAbsolute }: Pick<PlatformPath, 'basename' | 'isAbsolute'> = platformPath,
  contributed: readonly ContributedModel[] = [],
): Promise<string> {
  const models = await bundledModels(bundled);
  const chosen = setting === '' ? models[0] : models.find(({ directory }) => basename(directory) === setting);
  if (chosen) return chosen.directory;
  const brought = contributed.find(model => model.setting === setting);
  if (!brought && !isAbsolute(setting)) throw failures.noModel(setting);
  if (!isTrusted) throw failures.untrustedModel(setting);
  return brought?.directory ?? setting;
}

/** What the inference process is to load, as the settings say. @throws as `chooseModelDirectory`. */
export async function chooseModel(
  settings: Settings,
  bundled: string,
  isTrusted: boolean,
  token: () => Thenable<string | undefined>,
  contributed: readonly ContributedModel[] = [],
): Promise<ChosenModel> {
  const { model, provider, threads: nThreads, quantizedWeights, remote } = settings;
  if (remote) {
    if (!isTrusted) throw failures.untrustedRemote();
    return { modelDirectory: '', provider, nThreads, remote: { ...remote, token: (await token()) ?? null } };
  }
  const modelDirectory = await chooseModelDirectory(model, bundled, isTrusted, undefined, contributed);
  return { modelDirectory, provider, nThreads, quantizedWeights };
}
