/** Models of people's own that were added once: kept over restarts, listed beside the bundled ones. */

import platformPath, { type PlatformPath } from 'node:path';
import type { Memento } from 'vscode';
import type { Disposable } from '../lifecycle';
import { bundledModels, describeModel, type InstalledModel } from './installedModels';

const key = 'mtaInspector.addedModels';

export class AddedModels {
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly state: Memento,
    /** The folder of bundled models. */
    private readonly bundled: string,
    private readonly paths: Pick<PlatformPath, 'relative'> = platformPath,
  ) {}

  /** Bundled models, then added ones, latest first; folders that can no longer be read are left out. */
  async list(): Promise<InstalledModel[]> {
    const bundled = await bundledModels(this.bundled);
    const added = await Promise.all(this.directories.map(directory => describeModel(directory).catch(() => null)));
    return [...bundled, ...added.filter(model => model !== null)];
  }

  /** Hears of models that are added. */
  onDidChange(listener: () => void): Disposable {
    this.listeners.add(listener);
    return { dispose: () => this.listeners.delete(listener) };
  }

  async add(directory: string): Promise<void> {
    // On Windows one folder is written in many ways.
    const others = this.directories.filter(other => this.paths.relative(other, directory) !== '');
    await this.state.update(key, [directory, ...others].slice(0, 50));
    for (const listener of this.listeners) listener();
  }

  private get directories(): string[] {
    const stored = this.state.get<unknown>(key);
    return Array.isArray(stored) ? stored.filter(path => typeof path === 'string') : [];
  }
}
