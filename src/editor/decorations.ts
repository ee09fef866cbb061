/** Shades the places of the document that the selected token attends to. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { shadeOf } from '../attention/topKeys';
import { colors } from '../contributionIds';
import type { Settings } from '../contributions';
import { DisposableStore } from '../lifecycle';

export class AttentionDecorations implements vscode.Disposable {
  private readonly store = new DisposableStore();
  /** One type per sign and shade: a fixed set, whatever is shown. */
  private readonly shades: readonly { readonly sign: 1 | -1; readonly types: vscode.TextEditorDecorationType[] }[];
  private readonly selected: vscode.TextEditorDecorationType;
  private isCleared = false;

  constructor(
    private readonly analysis: Analysis,
    private readonly readSettings: () => Settings,
  ) {
    const typeOf = (color: string, isNegative: boolean) =>
      this.store.add(
        vscode.window.createTextEditorDecorationType({
          backgroundColor: new vscode.ThemeColor(color),
          overviewRulerColor: new vscode.ThemeColor(color),
          overviewRulerLane: vscode.OverviewRulerLane.Center,
          // Sign must not rest on colour alone.
          ...(isNegative ? { textDecoration: 'underline dotted' } : {}),
        }),
      );
    this.shades = [
      { sign: 1, types: colors.positive.map(color => typeOf(color, false)) },
      { sign: -1, types: colors.negative.map(color => typeOf(color, true)) },
    ];
    this.selected = this.store.add(
      vscode.window.createTextEditorDecorationType({
        border: '1px solid',
        borderColor: new vscode.ThemeColor(colors.selected),
        overviewRulerColor: new vscode.ThemeColor(colors.selected),
        overviewRulerLane: vscode.OverviewRulerLane.Full,
      }),
    );
    let last: unknown;
    this.store.add(
      analysis.onDidChange(({ selectedToken, view, analysisId, isStale, layersDone }) => {
        const shown = JSON.stringify([selectedToken, view, analysisId, isStale, layersDone > view.layerIdx]);
        if (shown === last) return;
        last = shown;
        this.isCleared = false;
        void this.draw();
      }),
    );
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(() => void this.draw()));
    this.store.add(
      vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind, selections }) => {
        // Only what the reader did: our own reveals and edits by others select nothing.
        if (!analysis.isOf(textEditor.document) || kind === vscode.TextEditorSelectionChangeKind.Command) return;
        if (analysis.snapshot.isStale) return;
        analysis.selectToken(analysis.tokenAtOffset(textEditor.document.offsetAt(selections[0]!.active)));
      }),
    );
  }

  clear(): void {
    this.isCleared = true;
    void this.draw();
  }

  dispose(): void {
    this.store.dispose();
  }

  private async draw(): Promise<void> {
    const { tokens, selectedToken, analysisId, isStale } = this.analysis.snapshot;
    const isShown = tokens !== null && selectedToken !== null && !isStale && !this.isCleared;
    const keys = isShown
      ? await this.analysis.attendedBy(selectedToken, this.readSettings().highlightCount).catch(() => [])
      : [];
    const now = this.analysis.snapshot;
    if (now.analysisId !== analysisId || now.selectedToken !== selectedToken) return; // a newer draw is under way
    const largest = Math.max(...keys.map(({ weight }) => Math.abs(weight)));
    for (const editor of vscode.window.visibleTextEditors) {
      const range = (token: number) =>
        new vscode.Range(
          editor.document.positionAt(tokens!.offsets[token]!),
          editor.document.positionAt(tokens!.offsets[token + 1]!),
        );
      const isOurs = isShown && this.analysis.isOf(editor.document);
      for (const { sign, types } of this.shades) {
        for (const [shade, type] of types.entries()) {
          const inShade = keys.filter(
            ({ weight }) => Math.sign(weight) === sign && shadeOf(weight, largest, types.length) === shade,
          );
          editor.setDecorations(type, isOurs ? inShade.map(({ keyIdx }) => range(keyIdx)) : []);
        }
      }
      editor.setDecorations(this.selected, isOurs ? [range(selectedToken)] : []);
    }
  }
}
