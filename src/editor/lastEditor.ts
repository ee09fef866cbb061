/** Which document a command is about where no text editor has the focus: the panel, the walkthrough or a dialog has it. */

import * as vscode from 'vscode';
import { DisposableStore } from '../lifecycle';

/** A document with the selection to start from. */
export interface InspectedEditor {
  readonly document: vscode.TextDocument;
  readonly selection: vscode.Selection;
}

export class LastEditor implements vscode.Disposable {
  private readonly store = new DisposableStore();
  private last: vscode.TextEditor | undefined = textEditor(vscode.window.activeTextEditor);

  /** @param onFront another text came to the front, or was there from the start. */
  constructor(onFront: (document: vscode.TextDocument) => void = () => {}) {
    if (this.last) onFront(this.last.document);
    this.store.add(
      vscode.window.onDidChangeActiveTextEditor(editor => {
        const active = textEditor(editor);
        this.last = active ?? this.last;
        if (active) onFront(active.document);
      }),
    );
  }

  /**
   * The editor with the focus, else the last one that had it, else one that can be seen, else the document of a tab,
   * which is shown. Undefined where no text is open, or where the file in front gives extensions none (a binary file, a
   * large one): another file would be a wrong answer.
   */
  async find(): Promise<InspectedEditor | undefined> {
    const { activeTextEditor, visibleTextEditors } = vscode.window;
    const active = textEditor(activeTextEditor);
    if (active) return active;
    if (!activeTextEditor && isFile(vscode.window.tabGroups.activeTabGroup.activeTab?.input)) return undefined;
    const { last } = this;
    const visible = visibleTextEditors.find(editor => editor.document === last?.document);
    if (visible) return visible;
    if (last && !last.document.isClosed) return this.show(last.document, last.viewColumn);
    const seen = visibleTextEditors.find(editor => textEditor(editor));
    if (seen) return seen;
    const tabs = vscode.window.tabGroups.all.flatMap(group =>
      [...group.tabs].sort((a, b) => Number(b.isActive) - Number(a.isActive)),
    );
    for (const { input, group } of tabs) {
      if (input instanceof vscode.TabInputText) return this.show(input.uri, group.viewColumn);
    }
    return undefined;
  }

  dispose(): void {
    this.store.dispose();
  }

  private async show(place: vscode.TextDocument | vscode.Uri, viewColumn: vscode.ViewColumn | undefined) {
    const document = 'scheme' in place ? await vscode.workspace.openTextDocument(place) : place;
    return vscode.window.showTextDocument(document, viewColumn === undefined ? {} : { viewColumn });
  }
}

/** Whether a tab is of a file, as against a panel, a walkthrough or a terminal. */
function isFile(input: unknown): boolean {
  return input instanceof vscode.TabInputText || input instanceof vscode.TabInputCustom;
}

/** An editor of a text, not of the output of programs. */
function textEditor(editor: vscode.TextEditor | undefined): vscode.TextEditor | undefined {
  return editor && !['output', 'debug'].includes(editor.document.uri.scheme) ? editor : undefined;
}
