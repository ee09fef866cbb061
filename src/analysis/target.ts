/** What a run works on, and the text of it that goes to the model. */

import * as vscode from 'vscode';
import { failures } from '../errors';
import type { AnalyzeArgs } from '../inference/protocol';
import { withQuestion } from '../shared/question';
import { sliceAround } from './documentText';

export interface Target {
  readonly document: vscode.TextDocument;
  /** Range of the document that is analysed, UTF-16; null for all of it. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** Where the window must be when not everything fits. */
  readonly anchor: number;
  /** Text that goes to the model behind the document's end; the document itself stays as it is. */
  readonly question?: string;
}

/**
 * What of the target goes to the model, and how long the document is without the question.
 * @throws Failure `empty` or `binary`, which name the document by its label.
 */
export function textOf(
  { document, range, anchor, question }: Target,
  label: string,
): Pick<AnalyzeArgs, 'text' | 'textStart' | 'documentLength' | 'anchor'> & { readonly ownLength: number } {
  const written = document.getText();
  const whole = question === undefined ? written : withQuestion(written, question);
  const inspected = range ? whole.slice(range.start, range.end) : whole;
  if (!/\S/.test(inspected)) throw range ? failures.emptySelection() : failures.empty(label);
  if (inspected.includes('\0')) throw failures.binary(label);
  const from = range?.start ?? 0;
  const { text, start } = sliceAround(inspected, Math.max(0, anchor - from));
  return { text, textStart: from + start, documentLength: whole.length, anchor, ownLength: written.length };
}

/** What a person calls the document: its path in the workspace, and of a notebook the cell's number. */
export function labelOf(document: vscode.TextDocument): string {
  for (const notebook of vscode.workspace.notebookDocuments) {
    const cell = notebook.getCells().find(candidate => candidate.document === document);
    const name = vscode.workspace.asRelativePath(notebook.uri, false);
    if (cell) return vscode.l10n.t('{0}, cell {1}', name, cell.index + 1);
  }
  return vscode.workspace.asRelativePath(document.uri, false);
}
