/** The models that are there, as a list under the attention view. */

import * as vscode from 'vscode';
import type { AddedModels } from '../analysis/addedModels';
import type { Analysis } from '../analysis/analysis';
import type { InstalledModel } from '../analysis/installedModels';
import { commands, views } from '../contributionIds';
import type { Settings } from '../contributions';
import { DisposableStore } from '../lifecycle';
import { treeItem } from '../messages';
import { installedText } from './modelTexts';

export class ModelTree implements vscode.Disposable, vscode.TreeDataProvider<InstalledModel> {
  private readonly store = new DisposableStore();
  private readonly changed = this.store.add(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changed.event;
  /** What runs where no setting says otherwise. */
  private first: InstalledModel | undefined;

  constructor(
    private readonly models: AddedModels,
    private readonly analysis: Pick<Analysis, 'snapshot' | 'onDidChange'>,
    private readonly readSettings: () => Settings,
    use: (model: InstalledModel) => Promise<void>,
  ) {
    this.store.add(models.onDidChange(() => this.changed.fire()));
    let shown = analysis.snapshot.model?.directory;
    this.store.add(
      analysis.onDidChange(({ model }) => {
        if (model?.directory === shown) return;
        shown = model?.directory;
        this.changed.fire();
      }),
    );
    const register = (id: string, run: (model: InstalledModel) => unknown) =>
      this.store.add(vscode.commands.registerCommand(id, (model?: InstalledModel) => model && run(model)));
    this.store.add(vscode.window.registerTreeDataProvider(views.models, this));
    this.store.add(vscode.commands.registerCommand(commands.refreshModels, () => this.changed.fire()));
    register(commands.useModel, use);
    register(commands.revealModel, ({ directory }) => {
      // What the system's own file manager shows; over a remote connection there is none.
      return vscode.env.openExternal(vscode.Uri.file(directory));
    });
    this.store.add(
      vscode.workspace.onDidChangeConfiguration(change => {
        if (change.affectsConfiguration('mtaInspector.model')) this.changed.fire();
      }),
    );
  }

  getTreeItem(model: InstalledModel): vscode.TreeItem {
    const isUsed = this.isUsed(model);
    const text = installedText(model);
    const description = isUsed ? vscode.l10n.t('{0}, in use', text) : text;
    const item = treeItem(model.name, description, model.directory);
    item.iconPath = new vscode.ThemeIcon(isUsed ? 'check' : 'package');
    // What `when` clauses of package.json look at.
    item.contextValue = `model${isUsed ? 'InUse' : ''}${this.models.directories.includes(model.directory) ? 'Added' : ''}`;
    return item;
  }

  async getChildren(): Promise<InstalledModel[]> {
    const models = await this.models.list();
    this.first = models[0];
    return models;
  }

  /** The model of the current run; before there is one, the model that would run. */
  private isUsed({ directory, setting }: InstalledModel): boolean {
    const { model } = this.analysis.snapshot;
    if (model) return directory === model.directory;
    const { model: chosen } = this.readSettings();
    return chosen === '' ? directory === this.first?.directory : setting === chosen;
  }

  dispose(): void {
    this.store.dispose();
  }
}
