/** Models of people's own that were added once: kept over restarts, listed beside the bundled ones. */

import platformPath, { type PlatformPath } from 'node:path';
import type { Memento } from 'vscode';
import { describeFolder } from '../inference/model/describeFolder';
import type { Disposable } from '../lifecycle';
import type { FolderDescription } from '../shared/analysis';
import type { ContributedModel } from './contributedModels';
import { bundledModels, type InstalledModel } from './installedModels';

const key = 'mtaInspector.addedModels';
/** How long the list waits for one folder, on a slow network drive for example, and for all of them. */
const maxEntryMs = 2000;
const maxListMs = 10_000;

export class AddedModels {
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly state: Memento,
    /** The folder of bundled models. */
    private readonly bundled: string,
    private readonly paths: Pick<PlatformPath, 'relative'> = platformPath,
    /** Reads a folder of others, in the extension by another process. */
    private readonly describe: (directory: string, maxMs: number) => Promise<FolderDescription> = describeFolder,
    /** Those that other extensions bring. */
    private readonly contributed: () => Promise<readonly ContributedModel[]> = async () => [],
  ) {}

  /**
   * Bundled models, those of other extensions, then added ones, latest first; folders that cannot be read, or not in time,
   * are left out.
   */
  async list(): Promise<InstalledModel[]> {
    const bundled = await bundledModels(this.bundled);
    const added: InstalledModel[] = [];
    const until = performance.now() + maxListMs;
    const folders = this.directories.map(directory => ({ directory, setting: directory }));
    for (const { directory, ...own } of [...(await this.contributed()), ...folders]) {
      const maxMs = Math.min(maxEntryMs, until - performance.now());
      const described = maxMs > 0 ? await this.describe(directory, maxMs).catch(() => null) : null;
      if (described) added.push({ ...described, ...own });
    }
    return [...bundled, ...added];
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
    this.refresh();
  }

  /** Takes a folder off the list; its files stay. */
  async remove(directory: string): Promise<void> {
    const others = this.directories.filter(other => this.paths.relative(other, directory) !== '');
    await this.state.update(key, others);
    this.refresh();
  }

  /** The list is to be read again: extensions came or went. */
  refresh(): void {
    for (const listener of this.listeners) listener();
  }

  /** Folders and files that the user added, also those that cannot be read now; latest first. */
  get directories(): string[] {
    const stored = this.state.get<unknown>(key);
    return Array.isArray(stored) ? stored.filter(path => typeof path === 'string') : [];
  }
}
