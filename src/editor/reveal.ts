import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';

/** Scrolls the document to a token without moving the cursor or taking the focus. */
export function revealToken(analysis: Analysis, tokenIdx: number): void {
  const editor = editorOf(analysis);
  const { tokens } = analysis.snapshot;
  if (!editor || !tokens) return;
  const position = editor.document.positionAt(tokens.offsets[tokenIdx]!);
  editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

/** The same for a line, from 0; it is brought to the middle. */
export function revealLine(analysis: Analysis, lineIdx: number): void {
  const editor = editorOf(analysis);
  if (!editor || lineIdx >= editor.document.lineCount) return;
  editor.revealRange(new vscode.Range(lineIdx, 0, lineIdx, 0), vscode.TextEditorRevealType.InCenter);
}

/** Brings a place of a document to the middle of an editor that shows it, or shows it in one. */
export async function revealOffset(document: vscode.TextDocument | undefined, offset: number): Promise<void> {
  if (!document || document.isClosed) return;
  const visible = vscode.window.visibleTextEditors.find(candidate => candidate.document === document);
  const editor = visible ?? (await vscode.window.showTextDocument(document, { preserveFocus: true }));
  const place = document.positionAt(offset);
  editor.revealRange(new vscode.Range(place, place), vscode.TextEditorRevealType.InCenter);
}

/** An editor that shows the inspected document. */
export function editorOf(analysis: Analysis): vscode.TextEditor | undefined {
  const { activeTextEditor, visibleTextEditors } = vscode.window;
  if (activeTextEditor && analysis.isOf(activeTextEditor.document)) return activeTextEditor;
  return visibleTextEditors.find(candidate => analysis.isOf(candidate.document));
}
