/** Marks the heaviest lines of the document map beside the scroll bar; the commands that start and cancel a map. */

import * as vscode from 'vscode';
import type { DocumentMap } from '../analysis/documentSearch';
import { shadeOf } from '../attention/topKeys';
import { colors, commands, contextKeys } from '../contributionIds';
import { DisposableStore } from '../lifecycle';
import { withProgress } from '../messages';

export class MapMarks implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly shades: readonly vscode.TextEditorDecorationType[];

  constructor(
    private readonly map: DocumentMap,
    tell: (run: () => Promise<void>) => Promise<void>,
    showPanel: () => void,
  ) {
    this.shades = colors.map.map(color =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          overviewRulerColor: new vscode.ThemeColor(color),
          overviewRulerLane: vscode.OverviewRulerLane.Right,
        }),
      ),
    );
    this.store.add(vscode.commands.registerCommand(commands.mapDocument, () => tell(() => this.start(showPanel))));
    this.store.add(vscode.commands.registerCommand(commands.cancelMap, () => map.cancel()));
    this.store.add(
      map.onDidChange(state => {
        const isMapping = state?.status === 'reading' || state?.status === 'running';
        void vscode.commands.executeCommand('setContext', contextKeys.isMapping, isMapping);
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
    const title = vscode.l10n.t('Mapping the document');
    const progress = { location: vscode.ProgressLocation.Window, title };
    await withProgress(progress, async report => {
      const listening = this.map.onDidChange(state => {
        if (!state) return;
        const { total, done, nTokens } = state;
        const message =
          total > 0
            ? vscode.l10n.t('{0} of {1} windows', done, total)
            : vscode.l10n.t('reading, {0} tokens so far', nTokens);
        report.report({ message });
      });
      try {
        await this.map.start();
      } finally {
        listening.dispose();
      }
    });
  }

  private draw(): void {
    const { snapshot, mappedDocument } = this.map;
    const lines = snapshot && !snapshot.isStale ? snapshot.lines.filter(({ isBlank }) => !isBlank) : [];
    const largest = lines[0]?.meanWeight ?? 0;
    for (const editor of vscode.window.visibleTextEditors) {
      const isOurs = editor.document === mappedDocument;
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
