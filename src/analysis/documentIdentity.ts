/**
 * Follows a document through what makes VS Code give it another object or another name: closing and reopening, renaming it or
 * a folder around it, saving an untitled one, moving a cell of a notebook.
 */

import * as vscode from 'vscode';
import { DisposableStore } from '../lifecycle';

export interface FollowedDocument {
  /** The document that is followed; perhaps closed. */
  readonly document: vscode.TextDocument | undefined;
  /** The document goes on as this one: another object, or the same one under another name. */
  replace(document: vscode.TextDocument): void;
}

export class DocumentIdentity implements vscode.Disposable {
  private readonly store = new DisposableStore();
  /** Where a renamed document will be opened. */
  private awaited: string | undefined;

  constructor(private readonly followed: FollowedDocument) {
    this.store.add(vscode.workspace.onDidOpenTextDocument(document => this.onOpen(document)));
    this.store.add(vscode.workspace.onDidCloseTextDocument(document => this.onClose(document)));
    this.store.add(vscode.workspace.onDidRenameFiles(({ files }) => this.onRename(files)));
    this.store.add(vscode.workspace.onDidChangeNotebookDocument(change => this.onNotebook(change)));
  }

  dispose(): void {
    this.store.dispose();
  }

  private onOpen(opened: vscode.TextDocument): void {
    const { document } = this.followed;
    const uri = opened.uri.toString();
    const isAgain = document?.isClosed && uri === document.uri.toString();
    if (document && opened !== document && (isAgain || uri === this.awaited)) this.take(opened);
  }

  /** An untitled document that is saved closes, and the file is in the editor in its place. */
  private onClose(closed: vscode.TextDocument): void {
    if (closed !== this.followed.document || !closed.isUntitled) return;
    const text = closed.getText();
    const saved = vscode.window.visibleTextEditors.find(
      ({ document }) => document !== closed && !document.isUntitled && document.getText() === text,
    );
    if (saved && text !== '') this.take(saved.document);
  }

  private onRename(files: readonly { readonly oldUri: vscode.Uri; readonly newUri: vscode.Uri }[]): void {
    const { document } = this.followed;
    const before = document?.uri.toString();
    for (const { oldUri, newUri } of files) {
      const old = oldUri.toString();
      if (before !== old && !before?.startsWith(`${old}/`)) continue;
      this.awaited = newUri.toString() + before.slice(old.length);
      const there = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === this.awaited);
      if (there) this.take(there);
    }
  }

  /** Cells keep their document when they are moved, not when they are cut and pasted or the move is undone. */
  private onNotebook({ contentChanges }: vscode.NotebookDocumentChangeEvent): void {
    const { document } = this.followed;
    if (!document || contentChanges.length === 0) return;
    const added = contentChanges.flatMap(({ addedCells }) => addedCells.map(cell => cell.document));
    const isRemoved = contentChanges.some(({ removedCells }) => removedCells.some(cell => cell.document === document));
    const text = isRemoved ? document.getText() : null;
    const same = added.includes(document) ? document : added.find(cell => cell.getText() === text);
    if (same) this.take(same);
    else if (!isRemoved && document.uri.scheme === 'vscode-notebook-cell') this.take(document); // its number may be another
  }

  private take(document: vscode.TextDocument): void {
    this.awaited = undefined;
    this.followed.replace(document);
  }
}
