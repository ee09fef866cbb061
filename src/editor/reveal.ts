import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';

/** Scrolls the document to a token without moving the cursor or taking the focus. */
export function revealToken(analysis: Analysis, tokenIdx: number): void {
  const editor = vscode.window.visibleTextEditors.find(candidate => analysis.isOf(candidate.document));
  const { tokens } = analysis.snapshot;
  if (!editor || !tokens) return;
  const position = editor.document.positionAt(tokens.offsets[tokenIdx]!);
  editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}
