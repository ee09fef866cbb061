/** Shows which part of a longer document is analysed: a bracket beside its lines, and a status bar item that pins it. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { colors, commands } from '../contributionIds';
import { DisposableStore } from '../lifecycle';
import { setStatusItem } from '../messages';
import { formatLines } from '../shared/labels';
import type { PanelState } from '../shared/panel/panelMessages';

export class WindowMarks implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly item: vscode.StatusBarItem;
  /** The bracket's side, and its ends. */
  private readonly side: vscode.TextEditorDecorationType;
  private readonly top: vscode.TextEditorDecorationType;
  private readonly bottom: vscode.TextEditorDecorationType;
  private shown: PanelState | undefined;
  private document: vscode.TextDocument | undefined;

  constructor(private readonly analysis: Analysis) {
    this.item = this.store.add(
      vscode.window.createStatusBarItem('mtaInspector.window', vscode.StatusBarAlignment.Right, 89),
    );
    this.item.name = vscode.l10n.t('MTA Inspector: window');
    const color = new vscode.ThemeColor(colors.window);
    const bracket = (borderWidth: string, isOnRuler = false) =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          ...{ isWholeLine: true, borderStyle: 'solid', borderColor: color, borderWidth },
          ...(isOnRuler ? { overviewRulerColor: color, overviewRulerLane: vscode.OverviewRulerLane.Left } : {}),
        }),
      );
    this.side = bracket('0 0 0 2px', true);
    this.top = bracket('1px 0 0 0');
    this.bottom = bracket('0 0 1px 0');
    this.store.add(analysis.onDidChange(state => this.show(state)));
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(() => this.draw()));
    this.store.add(
      analysis.onDidReplaceDocument(() => {
        this.document = analysis.document;
        this.draw();
      }),
    );
  }

  dispose(): void {
    this.store.dispose();
  }

  private show(state: PanelState): void {
    const { document } = this.analysis;
    // Between two runs, and while the text changes, what was shown last stays: VS Code moves it with the text.
    const isUnderWay = !state.window && state.status !== 'failed' && state.status !== 'cancelled';
    if (isUnderWay && document === this.document) return;
    if (state.window === this.shown?.window && state.isPinned === this.shown?.isPinned) return;
    this.shown = state;
    this.document = document;
    const { windowLines, isPinned } = state;
    if (windowLines && (isPartial(state) || isPinned)) {
      const { first, last, of } = windowLines;
      const text = formatLines(first, last, of);
      const mode = isPinned
        ? vscode.l10n.t('The analysed window is pinned. Click to let it follow the cursor.')
        : vscode.l10n.t('The analysed window follows the cursor. Click to pin it.');
      const { rangeReason } = state;
      const rest = isPartial(state)
        ? `\n${[vscode.l10n.t('The rest of the document was left out.'), ...(rangeReason ? [rangeReason] : [])].join(' ')}`
        : '';
      setStatusItem(this.item, isPinned ? 'pinned' : 'pin', text, mode + rest);
      this.item.accessibilityInformation = { label: `MTA Inspector: ${text}. ${mode}`, role: 'button' };
      this.item.command = isPinned ? commands.followCursor : commands.pinWindow;
      this.item.show();
    } else this.item.hide();
    this.draw();
  }

  private draw(): void {
    const state = this.shown;
    for (const editor of vscode.window.visibleTextEditors) {
      const isOurs = state && isPartial(state) && this.analysis.isOf(editor.document);
      const range = isOurs ? lines(editor.document, state) : undefined;
      editor.setDecorations(this.side, range ? [range] : []);
      editor.setDecorations(this.top, range ? [new vscode.Range(range.start, range.start)] : []);
      editor.setDecorations(this.bottom, range ? [new vscode.Range(range.end, range.end)] : []);
    }
  }
}

/** Whether some of the document is outside the window. */
function isPartial({ window }: PanelState): boolean {
  return window !== null && (window.start > 0 || window.end < window.documentLength);
}

function lines(document: vscode.TextDocument, { windowLines }: PanelState): vscode.Range | undefined {
  if (!windowLines || windowLines.first > document.lineCount) return undefined;
  const last = Math.min(windowLines.last, document.lineCount) - 1;
  return new vscode.Range(windowLines.first - 1, 0, last, 0);
}
