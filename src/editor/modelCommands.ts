/** Choosing the model that runs, and adding one's own. */

import { homedir } from 'node:os';
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { AddedModels } from '../analysis/addedModels';
import type { FolderReader } from '../analysis/folderReader';
import { describedModels } from '../analysis/foundModels';
import { commands } from '../contributionIds';
import { readSettings } from '../contributions';
import { failures } from '../errors';
import { pick, pickGrowing, showInformation, showStatus } from '../messages';
import type { FolderDescription, ModelSummary } from '../shared/analysis';
import { type ModelSource, sourceNames } from '../shared/foundModels';
import { Failure } from '../shared/tools/failure';
import { installedText, memoryText, modelText } from './modelTexts';

/** Models of the toy task know a few letters; they come last. */
const maxToyVocabulary = 256;

interface ModelItem extends vscode.QuickPickItem {
  /** Runs when it is picked. */
  readonly use?: () => Promise<unknown>;
}

/**
 * Lets the user pick the model and inspects again with it. @throws Failure with a message for the user.
 * @param current folder of the model in use; it is listed first.
 */
export async function selectModel(models: AddedModels, folders: FolderReader, current?: string): Promise<void> {
  const rank = ({ directory, vocabSize }: FolderDescription) =>
    directory === current ? 0 : vocabSize > maxToyVocabulary ? 1 : 2;
  const listed = (await models.list()).sort((a, b) => rank(a) - rank(b));
  const installed = listed.map((model): ModelItem => {
    const { name, setting, directory } = model;
    const description = installedText(model);
    const isCurrent = directory === current;
    return {
      label: name,
      description: isCurrent ? vscode.l10n.t('in use · {0}', description) : description,
      ...(isCurrent ? { iconPath: new vscode.ThemeIcon('check') } : {}),
      use: () => useModel(setting),
    };
  });
  const add = { label: vscode.l10n.t('Add a model…'), use: () => addModel(models, folders) };
  const fetched = {
    label: vscode.l10n.t('Add a model from Hugging Face…'),
    use: async () => vscode.commands.executeCommand(commands.addModelFromHub),
  };
  const items: ModelItem[] = [...installed, add, fetched];
  const placeholder = vscode.l10n.t('Model that runs on the document');
  const picked = await pickGrowing(items, foundItems(folders), placeholder);
  await picked?.use?.();
}

/** Models of other programs, under a heading for each; none in an untrusted workspace, where they would not run. */
async function* foundItems(folders: FolderReader): AsyncGenerator<ModelItem> {
  if (!vscode.workspace.isTrusted) return;
  let heading: ModelSource | undefined;
  for await (const model of describedModels(folders, homedir())) {
    const { name, revision, path, source, sizeBytes, facts } = model;
    if (source !== heading) yield { label: sourceNames[source], kind: vscode.QuickPickItemKind.Separator };
    heading = source;
    const { problem } = facts;
    const detail = problem ?? memoryText(facts, readSettings().memoryBudgetMb);
    yield {
      label: revision === null || revision === 'main' ? name : `${name}@${revision}`,
      description: modelText({ ...facts, sizeBytes: sizeBytes || facts.sizeBytes }),
      ...(detail === undefined ? {} : { detail }),
      use: async () => {
        if (problem !== null) throw new Failure('bad-model-file', problem, ['selectModel']);
        await useModel(path);
      },
    };
  }
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

/**
 * Takes a model off the list of added ones; its files stay. A model in use gives way to the bundled one.
 * @param directory of the model; undefined asks, which lists folders that cannot be read any more as well.
 */
export async function removeModel(models: AddedModels, directory: string | undefined): Promise<void> {
  if (models.directories.length === 0) throw failures.noAddedModels();
  const items = models.directories.map(path => ({ label: basename(path), description: path, path }));
  const placeHolder = vscode.l10n.t('Model to take off the list; its files stay');
  const chosen = directory ?? (await pick(items, { placeHolder }))?.path;
  if (chosen === undefined) return;
  await models.remove(chosen);
  if (readSettings().model === chosen) await useModel('');
  showStatus(`MTA: ${vscode.l10n.t('Took "{0}" off the list of models; its files stay.', basename(chosen))}`, 6000);
}

/** Writes the setting and inspects again. @param setting a bundled model's name or a folder's path. */
export async function useModel(setting: string): Promise<void> {
  const configuration = vscode.workspace.getConfiguration('mtaInspector');
  // A workspace's own setting would win over the one for all.
  const isInWorkspace = configuration.inspect('model')?.workspaceValue !== undefined;
  const { Global, Workspace } = vscode.ConfigurationTarget;
  await configuration.update('model', setting, isInWorkspace ? Workspace : Global);
  if (vscode.window.visibleTextEditors.length > 0) await vscode.commands.executeCommand(commands.inspectDocument);
}
