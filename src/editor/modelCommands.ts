/** Choosing the model that runs, and adding one's own. */

import * as vscode from 'vscode';
import type { AddedModels } from '../analysis/addedModels';
import type { FolderReader } from '../analysis/folderReader';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { pick, showInformation } from '../messages';
import type { ModelSummary } from '../shared/analysis';

/** Lets the user pick the model and inspects again with it. @throws Failure with a message for the user. */
export async function selectModel(models: AddedModels, folders: FolderReader): Promise<void> {
  const items = (await models.list()).map(({ name, description, setting }) => ({ label: name, description, setting }));
  const add = { label: vscode.l10n.t('Add a model…'), setting: null };
  const picked = await pick([...items, add], {
    placeHolder: vscode.l10n.t('Model that runs on the document'),
  });
  if (!picked) return;
  if (picked.setting === null) await addModel(models, folders);
  else await useModel(picked.setting);
}

/** Asks for a model folder, one of its files, a GGUF or an ONNX file, and runs that model from now on. @throws Failure if it is none. */
export async function addModel(models: AddedModels, folders: FolderReader): Promise<void> {
  const model = await pickModelFolder(folders);
  if (!model) return;
  await models.add(model.directory);
  await useModel(model.directory);
  const millions = Math.round(model.nParameters / 1e6);
  const { name, nLayers, nHeads } = model;
  void showInformation(
    vscode.l10n.t(
      'Added the model "{0}": {1} million parameters, {2} layers, {3} heads.',
      ...[name, millions, nLayers, nHeads],
    ),
  );
}

/** How long opening a folder may take; headers of the largest models take a second. */
const maxOpenMs = 20_000;

/** What a person picks, checked: a folder in our layout or Hugging Face's, or a file in one. */
export async function pickModelFolder(folders: FolderReader): Promise<ModelSummary | undefined> {
  if (!vscode.workspace.isTrusted) throw failures.untrustedFolders();
  const [picked] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: true,
      canSelectFolders: true,
      title: vscode.l10n.t(
        'Model folder with config.json, tokenizer.json and safetensors weights, a GGUF file, or an ONNX file with attention outputs',
      ),
      openLabel: vscode.l10n.t('Add Model'),
    })) ?? [];
  return picked && folders.read('summarizeFolder', picked.fsPath, maxOpenMs);
}

/** Writes the setting and inspects again. @param setting a bundled model's name or a folder's path. */
export async function useModel(setting: string): Promise<void> {
  const configuration = vscode.workspace.getConfiguration('mtaInspector');
  // A workspace's own setting would win over the one for all.
  const isInWorkspace = configuration.inspect('model')?.workspaceValue !== undefined;
  const { Global, Workspace } = vscode.ConfigurationTarget;
  await configuration.update('model', setting, isInWorkspace ? Workspace : Global);
  if (vscode.window.activeTextEditor) await vscode.commands.executeCommand(commands.inspectDocument);
}
