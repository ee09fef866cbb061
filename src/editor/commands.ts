/** The user's commands: what they work on, how they show progress, how they report failures. */

import * as vscode from 'vscode';
import type { Ablations } from '../analysis/ablations';
import type { AddedModels } from '../analysis/addedModels';
import type { Analysis } from '../analysis/analysis';
import type { FolderReader } from '../analysis/folderReader';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { showError, withProgress } from '../messages';
import type { PanelTab } from '../panel/panelTab';
import { Cancelled, type FailureAction, toFailureData } from '../shared/tools/failure';
import { selectWord } from './cursorSelection';
import type { AttentionDecorations } from './decorations';
import { LastEditor } from './lastEditor';
import { addModel, selectModel } from './modelCommands';
import { revealToken } from './reveal';

export function registerCommands(
  analysis: Analysis,
  ablations: Ablations,
  decorations: AttentionDecorations,
  showPanel: () => void,
  tab: PanelTab,
  log: vscode.LogOutputChannel,
  models: AddedModels,
  folders: FolderReader,
): vscode.Disposable {
  const store = new DisposableStore();
  const register = (id: string, run: (...args: unknown[]) => unknown) =>
    store.add(vscode.commands.registerCommand(id, run));
  const editors = store.add(new LastEditor(document => analysis.setFront(document)));
  register(commands.inspectDocument, () => withErrorReporting(log, () => inspect(analysis, editors, false, showPanel)));
  register(commands.inspectSelection, () => withErrorReporting(log, () => inspect(analysis, editors, true, showPanel)));
  register(commands.cancel, id => analysis.cancel(typeof id === 'number' ? id : undefined));
  register(commands.selectModel, () =>
    withErrorReporting(log, () => selectModel(models, folders, analysis.chosenModel?.modelDirectory)),
  );
  register(commands.addModel, () => withErrorReporting(log, () => addModel(models, folders)));
  register(commands.clearHighlights, () => decorations.clear());
  /** Links of the hover name the run that they were made for: what they lead to may be gone. */
  const isThere = (analysisId: unknown, tokenIdx: unknown): tokenIdx is number =>
    analysisId === analysis.snapshot.analysisId &&
    Number.isInteger(tokenIdx) &&
    analysis.snapshot.tokens?.labels[tokenIdx as number] !== undefined;
  register(commands.showToken, (analysisId, tokenIdx) => {
    if (isThere(analysisId, tokenIdx)) revealToken(analysis, tokenIdx);
  });
  register(commands.explainToken, (analysisId, tokenIdx) => {
    if (!isThere(analysisId, tokenIdx)) return;
    selectWord(analysis, tokenIdx);
    showPanel();
    tab.show('tokens');
  });
  register(commands.resetAblation, () => ablations.step('reset'));
  register(commands.undoAblation, () => ablations.step('undo'));
  register(commands.redoAblation, () => ablations.step('redo'));
  register(commands.showLog, () => log.show());
  return store;
}

async function inspect(
  analysis: Analysis,
  editors: LastEditor,
  isSelection: boolean,
  showPanel: () => void,
): Promise<void> {
  const editor = await editors.find();
  if (!editor) throw failures.noEditor();
  const { document, selection } = editor;
  const [start, end] = [document.offsetAt(selection.start), document.offsetAt(selection.end)];
  if (isSelection && start === end) throw failures.emptySelection();
  const target = { document, range: isSelection ? { start, end } : null, anchor: document.offsetAt(selection.active) };
  showPanel();
  const progress = { location: vscode.ProgressLocation.Window, title: 'MTA Inspector' };
  await withProgress(progress, () => analysis.inspect(target));
}

/** Runs a user's command and shows its failure, with buttons that help. */
export async function withErrorReporting(log: vscode.LogOutputChannel, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Cancelled) return;
    const failure = toFailureData(error);
    log.error(failure.code === 'internal' ? (failure.stack ?? failure.message) : failure.message);
    const buttons = failure.actions.map(action => ({ title: actionTitle(action), action }));
    // Not awaited: the command is done when its work is, whenever the message is closed.
    void showError(failure.message, ...buttons).then(chosen => chosen && act(chosen.action));
  }
}

function actionTitle(action: FailureAction): string {
  switch (action) {
    case 'showLog':
      return vscode.l10n.t('Show Log');
    case 'openSettings':
      return vscode.l10n.t('Open Settings');
    case 'selectModel':
      return vscode.l10n.t('Select Model');
    case 'retry':
      return vscode.l10n.t('Try Again');
  }
}

function act(action: FailureAction): Thenable<unknown> {
  switch (action) {
    case 'showLog':
      return vscode.commands.executeCommand(commands.showLog);
    case 'openSettings':
      return vscode.commands.executeCommand(commands.openSettings);
    case 'selectModel':
      return vscode.commands.executeCommand(commands.selectModel);
    case 'retry':
      return vscode.commands.executeCommand(commands.inspectDocument);
  }
}
