/** Frames the two tokens of a place on a map, the one that looks and the one looked at, and shows both. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { DisposableStore } from '../lifecycle';
import type { Cell } from '../shared/address';
import { editorOf } from './reveal';

export class PlaceMarks implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private readonly frame: vscode.TextEditorDecorationType;
  private marked: {
    readonly editor: vscode.TextEditor;
    readonly analysisId: number;
    readonly queryIdx: number;
  } | null = null;

  constructor(private readonly analysis: Analysis) {
    const borderColor = new vscode.ThemeColor('focusBorder');
    this.frame = this.store.add(
      vscode.window.createTextEditorDecorationType({ borderStyle: 'solid', borderWidth: '1px', borderColor }),
    );
    this.store.add(
      analysis.onDidChange(({ analysisId, selectedToken, isStale }) => {
        const { marked } = this;
        if (!marked) return;
        if (isStale || analysisId !== marked.analysisId || selectedToken !== marked.queryIdx) this.clear();
      }),
    );
  }

  /** Frames query and key, and scrolls to them: to the query where they are too far apart. */
  show({ queryIdx, keyIdx }: Cell): void {
    this.clear();
    const editor = editorOf(this.analysis);
    const { tokens, analysisId } = this.analysis.snapshot;
    if (!editor || !tokens) return;
    const rangeOf = (token: number) =>
      new vscode.Range(
        editor.document.positionAt(tokens.offsets[token]!),
        editor.document.positionAt(tokens.offsets[token + 1]!),
      );
    const [query, key] = [rangeOf(queryIdx), rangeOf(keyIdx)];
    editor.setDecorations(this.frame, [query, key]);
    this.marked = { editor, analysisId, queryIdx };
    const [first] = editor.visibleRanges;
    const height = first ? first.end.line - first.start.line : 0;
    const both = new vscode.Range(key.start, query.end);
    const target = both.end.line - both.start.line <= height ? both : query;
    editor.revealRange(target, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  dispose(): void {
    this.clear();
    this.store.dispose();
  }

  private clear(): void {
    this.marked?.editor.setDecorations(this.frame, []);
    this.marked = null;
  }
}
