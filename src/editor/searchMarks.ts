/** Marks the most relevant lines of the document search beside the scroll bar; the commands that start and cancel a search. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { DocumentSearch } from '../analysis/documentSearch';
import { shadeOf } from '../attention/topKeys';
import { colors, commands, contextKeys, formerCommands, formerContextKeys } from '../contributionIds';
import { DisposableStore } from '../lifecycle';
import { withProgress } from '../messages';
import { selectAtCursor } from './cursorSelection';
import { editorOf } from './reveal';

export class SearchMarks implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly shades: readonly vscode.TextEditorDecorationType[];

  constructor(
    private readonly search: DocumentSearch,
    private readonly analysis: Analysis,
    runReported: (run: () => Promise<void>) => Promise<void>,
    showPanel: () => void,
  ) {
    this.shades = colors.search.map(color =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          overviewRulerColor: new vscode.ThemeColor(color),
          overviewRulerLane: vscode.OverviewRulerLane.Right,
        }),
      ),
    );
    this.store.add(
      vscode.commands.registerCommand(commands.searchDocument, () => runReported(() => this.start(showPanel))),
    );
    this.store.add(vscode.commands.registerCommand(commands.cancelSearch, () => search.cancel()));
    for (const [id, current] of Object.entries(formerCommands)) {
      this.store.add(vscode.commands.registerCommand(id, () => vscode.commands.executeCommand(current)));
    }
    this.store.add(
      search.onDidChange(state => {
        const isSearching = state?.status === 'reading' || state?.status === 'running';
        for (const key of [contextKeys.isSearching, ...Object.keys(formerContextKeys)]) {
          void vscode.commands.executeCommand('setContext', key, isSearching);
        }
        this.draw();
      }),
    );
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(() => this.draw()));
  }

  dispose(): void {
    this.store.dispose();
  }

  private async start(showPanel: () => void): Promise<void> {
    showPanel();
    const editor = editorOf(this.analysis);
    const { isStale, tokens } = this.analysis.snapshot;
    // Where nothing is selected, what the cursor is on is meant.
    if (this.analysis.selectedRange === null && editor && tokens && !isStale) selectAtCursor(this.analysis, editor);
    const title = vscode.l10n.t('Searching the document');
    const progress = { location: vscode.ProgressLocation.Window, title };
    await withProgress(progress, async report => {
      const listening = this.search.onDidChange(state => {
        if (!state) return;
        const { total, done, nTokens } = state;
        const message =
          total > 0
            ? vscode.l10n.t('{0} of {1} windows', done, total)
            : vscode.l10n.t('reading, {0} tokens so far', nTokens);
        report.report({ message });
      });
      try {
        await this.search.start();
      } finally {
        listening.dispose();
      }
    });
  }

  private draw(): void {
    const { snapshot, searchedDocument } = this.search;
    const lines = snapshot && !snapshot.isStale ? snapshot.lines.filter(({ isBlank }) => !isBlank) : [];
    const largest = lines[0]?.meanWeight ?? 0;
    for (const editor of vscode.window.visibleTextEditors) {
      const isOurs = editor.document === searchedDocument;
      for (const [shade, type] of this.shades.entries()) {
        const inShade = isOurs
          ? lines.filter(({ meanWeight }) => shadeOf(meanWeight, largest, this.shades.length) === shade)
          : [];
        const ranges = inShade.map(({ strongestAt }) => {
          const place = editor.document.positionAt(strongestAt);
          return new vscode.Range(place, place);
        });
        editor.setDecorations(type, ranges);
      }
    }
  }
}
