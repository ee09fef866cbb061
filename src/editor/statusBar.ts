/** What runs and where, in one status bar item; a click cancels, shows the log, or inspects. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { commands } from '../contributionIds';
import { DisposableStore } from '../lifecycle';
import { setStatusItem } from '../messages';
import { describeAblation } from '../shared/ablation';
import { providerNames } from '../shared/analysis';
import type { PanelState } from '../shared/panel/panelMessages';

export class StatusBar implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly item: vscode.StatusBarItem;

  constructor(private readonly analysis: Analysis) {
    this.item = this.store.add(
      vscode.window.createStatusBarItem('mtaInspector.status', vscode.StatusBarAlignment.Right, 90),
    );
    this.item.name = 'MTA Inspector';
    this.store.add(analysis.onDidChange(state => this.show(state)));
  }

  dispose(): void {
    this.store.dispose();
  }

  private show(state: PanelState): void {
    const [icon, text, command] = describe(state);
    setStatusItem(this.item, icon, `MTA: ${text}`, tooltip(state, this.analysis.providerNote));
    this.item.accessibilityInformation = { label: `MTA Inspector: ${text}`, role: 'button' };
    // VS Code may hold a click back, for one while it activates the command: it names the run that it was meant for.
    this.item.command = { command, title: text, arguments: [state.analysisId] };
    const isSpecial = state.status === 'failed' || state.ablation.shown.edits.length > 0;
    this.item.backgroundColor = isSpecial ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    if (state.status !== 'idle') this.item.show();
  }
}

function describe(state: PanelState): [icon: string, text: string, command: string] {
  const provider = state.provider ? providerNames[state.provider] : '';
  const isAblated = state.ablation.shown.edits.length > 0;
  switch (state.status) {
    case 'idle':
      return ['eye', vscode.l10n.t('ready'), commands.inspectDocument];
    case 'loading':
      return ['loading~spin', vscode.l10n.t('loading model'), commands.cancel];
    case 'running':
      return [
        'loading~spin',
        vscode.l10n.t('layer {0} of {1}, {2}', state.layersDone, state.model?.nLayers ?? 0, provider),
        commands.cancel,
      ];
    case 'done':
      if (state.isStale) {
        const text = isAblated
          ? vscode.l10n.t('older version, ablated, {0}', provider)
          : vscode.l10n.t('older version, {0}', provider);
        return ['history', text, commands.inspectDocument];
      }
      if (isAblated) return ['beaker', vscode.l10n.t('ablated, {0}', provider), commands.resetAblation];
      return ['eye', provider, commands.inspectDocument];
    case 'cancelled':
      return ['circle-slash', vscode.l10n.t('cancelled'), commands.inspectDocument];
    case 'failed':
      return ['warning', vscode.l10n.t('failed'), commands.showLog];
  }
}

function tooltip(state: PanelState, providerNote: string): string {
  const { model, windowLines, window, tokens, durationMs } = state;
  const lines: string[] = [];
  const { shown } = state.ablation;
  if (shown.edits.length > 0) {
    lines.push(vscode.l10n.t('Ablated: {0}. Not the model as trained.', describeAblation(shown)));
  }
  if (state.failure) lines.push(state.failure.message);
  if (model) lines.push(`${model.name}, ${state.documentLabel}`);
  if (windowLines && window && tokens) {
    lines.push(
      vscode.l10n.t(
        '{0} tokens, lines {1} to {2} of {3}',
        tokens.labels.length,
        windowLines.first,
        windowLines.last,
        windowLines.of,
      ),
    );
    if (window.end - window.start < window.documentLength) {
      lines.push(vscode.l10n.t('The rest of the document was left out.'));
    }
    if (state.rangeReason) lines.push(state.rangeReason);
  }
  if (durationMs !== null) lines.push(vscode.l10n.t('{0} ms', Math.round(durationMs)));
  if (providerNote) lines.push(providerNote);
  return lines.join('\n');
}
