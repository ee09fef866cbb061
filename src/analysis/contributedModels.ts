/** Models that come in extensions of their own: they name folders under `contributes` of their package.json. */

import { realpath } from 'node:fs/promises';
import platformPath, { type PlatformPath } from 'node:path';
import { isInside } from '../shared/tools/isInside';

/** The key under `contributes`: a list of `{ "path": "./folder", "name": "…" }`. */
export const contributionKey = 'mtaInspector.models';

/** What is needed of `vscode.Extension`. */
export interface ContributingExtension {
  readonly id: string;
  readonly extensionPath: string;
  /** As its author wrote it. */
  readonly packageJSON: unknown;
}

export interface ContributedModel {
  readonly name: string;
  readonly directory: string;
  /** The extension's id, PUBLISHER.NAME. */
  readonly origin: string;
  /** What the setting says to choose it: it stays the same when the extension is updated. */
  readonly setting: string;
}

/** A model whose folder has not been looked at. */
export interface NamedModel extends ContributedModel {
  /** Where the extension is installed. */
  readonly extensionPath: string;
}

const maxModels = 100;

/** Entries that are not as described, or lead out of their extension, are left out. */
export function contributedModels(
  extensions: readonly ContributingExtension[],
  paths: Pick<PlatformPath, 'isAbsolute' | 'join' | 'relative' | 'sep'> = platformPath,
): NamedModel[] {
  return extensions.flatMap(({ id, extensionPath, packageJSON }) => {
    const { contributes } = (packageJSON ?? {}) as { contributes?: Record<string, unknown> | null };
    const entries = contributes?.[contributionKey];
    if (!Array.isArray(entries)) return [];
    return entries.slice(0, maxModels).flatMap((entry): NamedModel[] => {
      const { path, name } = (entry ?? {}) as { path?: unknown; name?: unknown };
      if (typeof path !== 'string' || typeof name !== 'string') return [];
      if (path.length > 1000 || path.includes('\0') || !/^[^/\\\p{C}]{1,100}$/u.test(name)) return [];
      const directory = paths.join(extensionPath, path);
      if (paths.isAbsolute(path) || !isInside(extensionPath, directory, paths)) return [];
      return [{ name, directory, origin: id, extensionPath, setting: `${id}/${name}` }];
    });
  });
}

/** Those whose folder is there and inside of their extension, links followed; of several with one name, the first. */
export async function withinExtensions(models: readonly NamedModel[]): Promise<ContributedModel[]> {
  const kept = new Map<string, ContributedModel>();
  for (const { extensionPath, ...model } of models) {
    const [root, directory] = await Promise.all(
      [extensionPath, model.directory].map(path => realpath(path).catch(() => null)),
    );
    if (!root || !directory || !isInside(root, directory, platformPath)) continue;
    if (!kept.has(model.setting)) kept.set(model.setting, model);
  }
  return [...kept.values()];
}
