/** Selects the tokens that the cursor of an editor is on: those of the word, or of the text that is selected. */

import * as vscode from 'vscode';
import type { Analysis } from '../analysis/analysis';
import { wordAt } from '../shared/places';

/**
 * Selects what the newest cursor is on: with an empty selection the word, else the tokens that the selection touches.
 * @param isOneToken takes the one token at the cursor, not the word around it.
 */
export function selectAtCursor(analysis: Analysis, { document, selections }: vscode.TextEditor, isOneToken = false) {
  const selection = selections.at(-1)!;
  if (selection.isEmpty) {
    const offset = document.offsetAt(selection.active);
    const token = analysis.tokenAtOffset(isOneToken || !isBehindWord(document, selection.active) ? offset : offset - 1);
    if (token === null || isOneToken) analysis.selectToken(token);
    else selectWord(analysis, token);
    return;
  }
  // The end of a selection is behind its last character.
  const last = analysis.tokenAtOffset(document.offsetAt(selection.end) - 1);
  const first = analysis.tokenAtOffset(document.offsetAt(selection.start));
  if (selection.isReversed) analysis.selectToken(first, last);
  else analysis.selectToken(last, first);
}

/** Selects the word that a token belongs to. */
export function selectWord(analysis: Analysis, tokenIdx: number): void {
  const { first, end } = wordAt(analysis.snapshot.tokens?.labels ?? [], tokenIdx);
  analysis.selectToken(end - 1, first);
}

/** Behind the last character of a word the cursor is on that word, as the editor sees it. */
function isBehindWord(document: vscode.TextDocument, { line, character }: vscode.Position): boolean {
  const around = document.getText(new vscode.Range(line, Math.max(0, character - 1), line, character + 1));
  return /^[\p{L}\p{N}\p{M}_$](?![\p{L}\p{N}\p{M}_$])/u.test(around) && character > 0;
}
