/** Asks what the shown run is to be compared with: another model, or another version of its text. */

import * as vscode from 'vscode';
import type { AddedModels } from '../analysis/addedModels';
import type { Analysis } from '../analysis/analysis';
import type { Comparison, Counterpart } from '../analysis/comparison';
import type { FolderReader } from '../analysis/folderReader';
import { failures } from '../errors';
import { pick } from '../messages';
import { type LinkedComparison, linkedModel } from '../shared/link';
import { pickModelFolder } from './modelCommands';

interface Item extends vscode.QuickPickItem {
  /** Absent for separators. */
  readonly choose?: () => Promise<Counterpart | undefined>;
}

/**
 * @param showResult brings the page of the result into view.
 * @throws Failure with a message for the user.
 */
export async function compare(
  analysis: Analysis,
  comparison: Comparison,
  models: AddedModels,
  folders: FolderReader,
  showResult: () => void,
): Promise<void> {
  const { document } = analysis;
  if (!document || !analysis.trainedRun) throw failures.nothingToCompare();
  const items = [...(await modelItems(analysis, models, folders)), ...(await textItems(document))];
  const picked = await pick(items, {
    placeHolder: vscode.l10n.t('Compare the shown maps with …'),
  });
  const counterpart = await picked?.choose?.();
  if (!counterpart) return;
  showResult();
  await comparison.start(counterpart);
}

async function modelItems({ snapshot }: Analysis, added: AddedModels, folders: FolderReader): Promise<Item[]> {
  const { model } = snapshot;
  const others = (await added.list()).filter(({ directory }) => directory !== model?.directory);
  // Those with the same vocabulary first: their tokens have counterparts.
  const models = others.sort(
    (a, b) => Number(b.vocabSize === model?.vocabSize) - Number(a.vocabSize === model?.vocabSize),
  );
  return [
    { label: vscode.l10n.t('Another model'), kind: vscode.QuickPickItemKind.Separator },
    ...models.map(({ name, description, directory }) => ({
      label: name,
      description,
      choose: async () => modelCounterpart(name, directory),
    })),
    { label: vscode.l10n.t('Browse for a model folder…'), choose: () => browse(folders) },
  ];
}

function modelCounterpart(name: string, modelDirectory: string): Counterpart {
  return { label: name, modelDirectory, ...linkedModel(name) };
}

function savedCounterpart({ uri }: vscode.TextDocument): Counterpart {
  return { label: vscode.l10n.t('The saved file'), text: () => readFile(uri), link: { kind: 'saved' } };
}

async function commitCounterpart({ uri }: vscode.TextDocument): Promise<Counterpart | undefined> {
  const text = await gitHead(uri);
  return text && { label: vscode.l10n.t('The last commit'), text, link: { kind: 'commit' } };
}

/** What a link names, where it is there. @throws Failure where it is not. */
export async function linkedCounterpart(
  link: LinkedComparison,
  document: vscode.TextDocument,
  models: AddedModels,
): Promise<Counterpart> {
  switch (link.kind) {
    case 'saved':
      return savedCounterpart(document);
    case 'commit': {
      const counterpart = await commitCounterpart(document);
      if (!counterpart) throw failures.cannotCompareWith(vscode.l10n.t('The last commit'));
      return counterpart;
    }
    case 'model': {
      const model = (await models.list()).find(({ name }) => name === link.name);
      if (!model) throw failures.cannotCompareWith(link.name);
      return modelCounterpart(model.name, model.directory);
    }
  }
}

async function browse(folders: FolderReader): Promise<Counterpart | undefined> {
  const model = await pickModelFolder(folders);
  return model && { label: model.name, modelDirectory: model.directory };
}

async function textItems(document: vscode.TextDocument): Promise<Item[]> {
  const items: Item[] = [
    { label: vscode.l10n.t('Another version of the text'), kind: vscode.QuickPickItemKind.Separator },
  ];
  const add = (counterpart: Counterpart, description = '') => {
    items.push({ label: counterpart.label, description, choose: async () => counterpart });
  };
  if (!document.isUntitled) {
    const state = document.isDirty ? vscode.l10n.t('without the unsaved edits') : vscode.l10n.t('follows your edits');
    add(savedCounterpart(document), state);
    const commit = await commitCounterpart(document);
    if (commit) add(commit, 'git HEAD');
  }
  items.push({
    label: vscode.l10n.t('The clipboard'),
    choose: async () => {
      const text = await vscode.env.clipboard.readText(); // as it is now, not at a later run
      return { label: vscode.l10n.t('The clipboard'), text: async () => text };
    },
  });
  for (const other of vscode.workspace.textDocuments) {
    const isText = other.uri.scheme === 'file' || other.isUntitled || other.uri.scheme === 'vscode-remote';
    if (other === document || !isText) continue;
    add({ label: vscode.workspace.asRelativePath(other.uri, false), text: async () => other.getText() });
  }
  return items;
}

/** As the editor would read it, byte-order mark and all. */
async function readFile(uri: vscode.Uri): Promise<string> {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(await vscode.workspace.fs.readFile(uri));
}

/** The part of the git extension's interface that is used here; see its `git.d.ts`. */
interface GitApi {
  getRepository(uri: vscode.Uri): { show(ref: string, path: string): Promise<string> } | null;
}

/** Reads the committed version of a file; undefined without git or outside a repository. */
async function gitHead(uri: vscode.Uri): Promise<(() => Promise<string>) | undefined> {
  const extension = vscode.extensions.getExtension<{ getAPI(version: 1): GitApi }>('vscode.git');
  try {
    const repository = (await extension?.activate())?.getAPI(1).getRepository(uri);
    return repository ? () => repository.show('HEAD', uri.fsPath) : undefined;
  } catch {
    return undefined; // git is switched off
  }
}
