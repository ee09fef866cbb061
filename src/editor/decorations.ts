/** Shades the places of the document that are relevant for the selected tokens, and says which they are. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import type { RelevantContext } from '../analysis/relevantContext';
import { type Place, relevantPlaces, strongestTokens } from '../attention/lines';
import { shadeOf } from '../attention/topKeys';
import { colors } from '../contributionIds';
import type { Settings } from '../contributions';
import { DisposableStore } from '../lifecycle';
import type { TokenRange } from '../shared/address';

export class AttentionDecorations implements vscode.Disposable {
  private readonly store = new DisposableStore();
  /** One type per sign and shade: a fixed set, whatever is shown. */
  private readonly shades: readonly { readonly sign: 1 | -1; readonly types: vscode.TextEditorDecorationType[] }[];
  private readonly selected: vscode.TextEditorDecorationType;
  private isCleared = false;
  private shownRange: TokenRange | null = null;

  constructor(
    private readonly analysis: Analysis,
    private readonly context: RelevantContext,
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
      context.onDidChange(({ weights, range }) => {
        if (weights === last && weights !== null) return; // the progress of a check, for example
        if (range !== this.shownRange) this.isCleared = false;
        this.shownRange = range;
        last = weights;
        this.draw();
      }),
    );
    this.store.add(vscode.window.onDidChangeVisibleTextEditors(() => this.draw()));
    this.store.add(
      vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
        // Only what the reader did: our own reveals and edits by others select nothing.
        if (!analysis.isOf(textEditor.document) || kind === vscode.TextEditorSelectionChangeKind.Command) return;
        if (analysis.snapshot.isStale) return;
        this.selectAt(textEditor);
      }),
    );
  }

  /** Selects what the cursor is on, or the tokens that a selection of the editor touches. */
  selectAt({ document, selection }: vscode.TextEditor): void {
    const token = (position: vscode.Position) => this.analysis.tokenAtOffset(document.offsetAt(position));
    if (selection.isEmpty) {
      this.analysis.selectToken(token(selection.active));
      return;
    }
    // The end of a selection is behind its last character.
    const last = token(document.positionAt(document.offsetAt(selection.end) - 1));
    const first = token(selection.start);
    if (selection.isReversed) this.analysis.selectToken(first, last);
    else this.analysis.selectToken(last, first);
  }

  /** The shaded places in document order, neighbouring tokens joined. */
  places(): Place[] {
    const { weights } = this.context.snapshot;
    return weights ? relevantPlaces(weights, this.readSettings().highlightCount, idx => this.isCandidate(idx)) : [];
  }

  clear(): void {
    this.isCleared = true;
    this.draw();
  }

  dispose(): void {
    this.store.dispose();
  }

  /** Text of the document outside the selection: not the begin token, and no question behind the document's end. */
  private isCandidate(tokenIdx: number): boolean {
    const { offsets } = this.analysis.snapshot.tokens!;
    const { range } = this.context.snapshot;
    const isSelected = range !== null && tokenIdx >= range.first && tokenIdx < range.end;
    return !isSelected && offsets[tokenIdx + 1]! > offsets[tokenIdx]! && offsets[tokenIdx]! < this.analysis.textEnd;
  }

  private draw(): void {
    const { tokens } = this.analysis.snapshot;
    const { range: selected, weights } = this.context.snapshot;
    const isShown = tokens !== null && selected !== null && weights !== null && !this.isCleared;
    const count = this.readSettings().highlightCount;
    const strongest = isShown ? strongestTokens(weights, count, idx => this.isCandidate(idx)) : [];
    const largest = Math.abs(strongest[0]?.weight ?? 0);
    for (const editor of vscode.window.visibleTextEditors) {
      const place = (first: number, end: number) =>
        new vscode.Range(
          editor.document.positionAt(tokens!.offsets[first]!),
          editor.document.positionAt(tokens!.offsets[end]!),
        );
      const isOurs = isShown && this.analysis.isOf(editor.document);
      for (const { sign, types } of this.shades) {
        for (const [shade, type] of types.entries()) {
          const inShade = strongest.filter(
            ({ weight }) => Math.sign(weight) === sign && shadeOf(weight, largest, types.length) === shade,
          );
          editor.setDecorations(type, isOurs ? inShade.map(({ tokenIdx }) => place(tokenIdx, tokenIdx + 1)) : []);
        }
      }
      // A question is behind the document's end, where nothing can be marked.
      const isInDocument = isOurs && tokens.offsets[selected.first]! < this.analysis.textEnd;
      editor.setDecorations(this.selected, isInDocument ? [place(selected.first, selected.end)] : []);
    }
  }
}
