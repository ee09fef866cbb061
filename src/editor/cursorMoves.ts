/** Tells the moves of the cursor that this extension makes from those of the reader: ours select nothing. */

import * as vscode from 'vscode';
import { DisposableStore } from '../lifecycle';

export class CursorMoves implements vscode.Disposable {
  private readonly store = new DisposableStore();
  /** Where we put the cursor last, until it moves on. */
  private own: { readonly document: vscode.TextDocument; readonly place: vscode.Position } | undefined;

  constructor() {
    this.store.add(
      vscode.window.onDidChangeTextEditorSelection(event => {
        if (!this.isOwn(event)) this.own = undefined;
      }),
    );
  }

  /** Puts the cursor somewhere and shows it there. */
  moveTo(editor: vscode.TextEditor, place: vscode.Position, end = place): void {
    this.own = { document: editor.document, place };
    editor.selection = new vscode.Selection(place, place);
    editor.revealRange(new vscode.Range(place, end), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  /** Whether a change of the selection is the move that we made. */
  isOwn({ textEditor }: { readonly textEditor: vscode.TextEditor }): boolean {
    const { document, selection, selections } = textEditor;
    const { own } = this;
    const isOne = selections.length === 1 && selection.isEmpty;
    return own !== undefined && isOne && document === own.document && selection.active.isEqual(own.place);
  }

  dispose(): void {
    this.store.dispose();
  }
}
