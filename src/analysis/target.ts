/** What a run works on, and the text of it that goes to the model. */

import * as vscode from 'vscode';
import { failures } from '../errors';
import type { AnalyzeArgs } from '../inference/protocol';
import { questionSuffix } from '../shared/panel/question';
import { partOf, sliceAround, sliceFrom, textReach, withSuffix } from '../shared/tools/documentText';
import type { TextSource } from '../shared/tools/textPieces';

export interface Target {
  readonly document: vscode.TextDocument;
  /** Range of the document that is analysed, UTF-16; null for all of it. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** Where the window must be when not everything fits. */
  readonly anchor: number;
  /** Where the window should begin: always when it is pinned, else while the anchor has enough context there. */
  readonly windowStart?: number | undefined;
  readonly isPinned?: boolean;
  /** Text that goes to the model behind the document's end; the document itself stays as it is. */
  readonly question?: string;
  /** Name of the bundled model to run in place of the setting's. */
  readonly model?: string;
}

/** The request to the inference process about a target's text. */
export type TargetText = Pick<
  AnalyzeArgs,
  'text' | 'textStart' | 'documentLength' | 'anchor' | 'windowStart' | 'isPinned'
>;

/**
 * What of the target goes to the model, and how long the document is without the question. Of a large document only
 * what is around the anchor, or behind the window's start, is read.
 * @param maxTokens of the requested window.
 * @throws Failure `empty` or `binary`, which name the document by its label.
 */
export function textOf(
  { document, range, anchor, question, windowStart, isPinned = false }: Target,
  label: string,
  maxTokens: number,
): TargetText & { readonly ownLength: number } {
  const written = sourceOf(document);
  const whole = question === undefined ? written : withSuffix(written, questionSuffix(written, question));
  const inspected = range ? partOf(whole, range.start, range.end) : whole;
  const from = range?.start ?? 0;
  const reach = textReach(maxTokens);
  const slice =
    windowStart === undefined
      ? sliceAround(inspected, Math.max(0, anchor - from), reach)
      : sliceFrom(inspected, windowStart, reach);
  if (slice.text.length === inspected.length && !/\S/.test(slice.text)) {
    throw range ? failures.emptySelection() : failures.empty(label);
  }
  if (slice.text.includes('\0')) throw failures.binary(label);
  return {
    ...{ text: slice.text, textStart: from + slice.start, documentLength: whole.length, anchor },
    ...{ windowStart, isPinned, ownLength: written.length },
  };
}

/** A document's text, of which VS Code joins only the lines that are read. */
export function sourceOf(document: vscode.TextDocument): TextSource {
  const length = lengthOf(document);
  return {
    length,
    slice: (start, end) =>
      start === 0 && end >= length
        ? document.getText()
        : document.getText(new vscode.Range(document.positionAt(start), document.positionAt(end))),
  };
}

/** UTF-16 units of the whole document. */
export function lengthOf(document: vscode.TextDocument): number {
  return document.offsetAt(document.lineAt(document.lineCount - 1).range.end);
}

/** What a person calls the document: its path in the workspace, and of a notebook the cell's number. */
export function labelOf(document: vscode.TextDocument): string {
  for (const notebook of vscode.workspace.notebookDocuments) {
    const cell = notebook.getCells().find(candidate => candidate.document === document);
    if (cell) return vscode.l10n.t('{0}, cell {1}', pathLabel(notebook.uri), cell.index + 1);
  }
  return pathLabel(document.uri);
}

/** The path in the workspace; where two folders of it have the same name, with the folder that this one lies in. */
function pathLabel(uri: vscode.Uri): string {
  const path = vscode.workspace.asRelativePath(uri, false);
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  const named = vscode.workspace.workspaceFolders?.filter(({ name }) => name === folder?.name) ?? [];
  return folder && named.length > 1 ? `${folder.uri.path.split('/').slice(-2).join('/')}/${path}` : path;
}
