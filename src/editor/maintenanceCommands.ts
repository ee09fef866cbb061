/** Commands about the extension itself: its settings, its walkthrough, its process, a report of a problem; and one to a head. */

import { arch, platform, release } from 'node:os';
import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { commands, extensionId } from '../contributionIds';
import type { Settings } from '../contributions';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { askText, showStatus } from '../messages';
import type { PanelTab } from '../panel/panelTab';
import { parseHead } from '../shared/address';
import { issueText } from './issueText';
import { type RunReported, registerReported } from './reported';

export function registerMaintenanceCommands(
  analysis: Analysis,
  restartInference: () => void,
  tab: PanelTab,
  readSettings: () => Settings,
  runReported: RunReported,
  showPanel: () => void,
): vscode.Disposable {
  const store = new DisposableStore();
  const register = registerReported(store, runReported);
  register(commands.openSettings, openSettings);
  register(commands.openWalkthrough, async () => {
    await vscode.commands.executeCommand('workbench.action.openWalkthrough', `${extensionId}#start`, false);
  });
  register(commands.restartInference, async () => {
    restartInference();
    showStatus(`MTA: ${vscode.l10n.t('The inference process was restarted. Inspect again.')}`, 6000);
  });
  register(commands.reportIssue, async () => {
    const content = issueText({
      version: String(vscode.extensions.getExtension(extensionId)?.packageJSON.version),
      editor: `${vscode.version}, ${vscode.env.appName}${vscode.env.remoteName ? `, ${vscode.env.remoteName}` : ''}`,
      system: `${platform()} ${release()} ${arch()}`,
      snapshot: analysis.snapshot,
      settings: readSettings(),
    });
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: 'markdown', content }));
  });
  register(commands.goToHead, () => goToHead(analysis, tab, showPanel));
  register(commands.viewTable, async () => {
    if (!analysis.snapshot.model) throw failures.noAnalysis();
    showPanel();
    tab.show('table');
  });
  register(commands.toggleHighlights, async () => {
    const configuration = vscode.workspace.getConfiguration('mtaInspector');
    const isInWorkspace = configuration.inspect('highlight.enabled')?.workspaceValue !== undefined;
    const { Global, Workspace } = vscode.ConfigurationTarget;
    const target = isInWorkspace ? Workspace : Global;
    await configuration.update('highlight.enabled', !readSettings().highlightEnabled, target);
  });
  return store;
}

/** The settings of this extension, and no others. */
export async function openSettings(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.openSettings', `@ext:${extensionId}`);
}

async function goToHead(analysis: Analysis, tab: PanelTab, showPanel: () => void): Promise<void> {
  const { model, view } = analysis.snapshot;
  if (!model) throw failures.noAnalysis();
  const { nLayers, nHeads } = model;
  const text = await askText({
    title: vscode.l10n.t('Go to Head'),
    value: `L${view.layerIdx}H${view.headIdx}`,
    prompt: vscode.l10n.t('Layer and head, from L0H0 to L{0}H{1}', nLayers - 1, nHeads - 1),
    validateInput: given =>
      parseHead(given, nLayers, nHeads)
        ? undefined
        : vscode.l10n.t('"{0}" is not a head of this model. Enter one like L2H3.', given),
  });
  const head = text === undefined ? null : parseHead(text, nLayers, nHeads);
  if (!head) return;
  analysis.setView({ ...analysis.snapshot.view, ...head });
  showPanel();
  tab.show('map');
}
