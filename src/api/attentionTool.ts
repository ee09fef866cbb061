/** A tool for assistants: what does the model attend to at a place of a file or notebook? Changes nothing on screen. */

import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import { labelOf } from '../analysis/target';
import { tools } from '../contributionIds';
import { failures } from '../errors';
import { rangeBetween } from '../shared/relevance';
import { fileInWorkspace } from '../workspaceFiles';
import type { AnalysisRuns } from './analysisRuns';
import { type AttentionQuestion, checkQuestion, writeAnswer } from './toolAnswer';

export function registerAttentionTool(runs: AnalysisRuns): vscode.Disposable {
  return vscode.lm.registerTool<unknown>(tools.attendedContext, new AttentionTool(runs));
}

class AttentionTool implements vscode.LanguageModelTool<unknown> {
  constructor(private readonly runs: AnalysisRuns) {}

  prepareInvocation(): vscode.PreparedToolInvocation {
    return { invocationMessage: vscode.l10n.t('Looking at what the model attends to') };
  }

  async invoke(
    { input }: vscode.LanguageModelToolInvocationOptions<unknown>,
    cancellation: vscode.CancellationToken,
  ): Promise<vscode.LanguageModelToolResult> {
    const question = checkQuestion(input);
    const document = await documentOf(question);
    const place = placeOf(document, question);
    const anchor = document.offsetAt(place.end);
    const analysis = await this.runs.analyze(document, { anchor }, cancellation);
    try {
      const first = analysis.tokenAt(document.offsetAt(place.start));
      const last = analysis.tokenAt(anchor - 1);
      if (first === undefined || last === undefined) throw failures.noSelection();
      const range = rangeBetween(first, last);
      const heads = question.head ? [question.head] : 'all';
      const weights = await analysis.relevance(range, { method: question.method, heads });
      const lines = Array.from({ length: document.lineCount }, (_, lineIdx) => document.lineAt(lineIdx).text);
      const lineOf = (offset: number) => document.positionAt(offset).line;
      const answer = writeAnswer({ analysis, question, label: labelOf(document), lines, range, weights, lineOf });
      return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(answer)]);
    } finally {
      analysis.dispose();
    }
  }
}

/**
 * The named document, or the one with the cursor. Anything that is neither open in a tab nor inside the workspace is refused
 * rather than asked about: a call does not show whether a person or a setting approved it.
 */
async function documentOf({ file, cell }: AttentionQuestion): Promise<vscode.TextDocument> {
  if (file === undefined) {
    const active = vscode.window.activeTextEditor?.document;
    if (!active) throw failures.noEditor();
    return active;
  }
  const named = uriOf(file);
  const uri = named && (isOpenTab(named) ? named : await fileInWorkspace(named, vscode.workspace));
  if (!uri) throw failures.notReadable(file);
  if (cell === undefined) return vscode.workspace.openTextDocument(uri);
  const notebook = await vscode.workspace.openNotebookDocument(uri);
  const cells = notebook.getCells();
  const found = cells[cell - 1];
  if (!found) throw new RangeError(`"${file}" has no cell ${cell}. It has cells 1 to ${cells.length}.`);
  return found.document;
}

/** Whether a person has it open; what an earlier call opened has no tab. */
function isOpenTab(uri: vscode.Uri): boolean {
  const address = uri.toString();
  return vscode.window.tabGroups.all.some(({ tabs }) =>
    tabs.some(({ input }) => (input as { uri?: vscode.Uri } | undefined)?.uri?.toString() === address),
  );
}

function uriOf(file: string): vscode.Uri | undefined {
  if (/^[a-z][\w+.-]+:\/\//i.test(file)) return vscode.Uri.parse(file);
  const folder = vscode.workspace.workspaceFolders?.[0];
  if (isAbsolute(file)) return folder ? folder.uri.with({ path: vscode.Uri.file(file).path }) : vscode.Uri.file(file);
  return folder && vscode.Uri.joinPath(folder.uri, file);
}

/** The word on the line, or the line without its indentation; without a line, where the cursor is. */
function placeOf(document: vscode.TextDocument, { line, word }: AttentionQuestion): vscode.Range {
  const editor = vscode.window.visibleTextEditors.find(candidate => candidate.document === document);
  const lineIdx = line === undefined ? (editor?.selection.active.line ?? 0) : line - 1;
  if (lineIdx >= document.lineCount) {
    throw new RangeError(`${labelOf(document)} has no line ${line}. It has lines 1 to ${document.lineCount}.`);
  }
  const { text, firstNonWhitespaceCharacterIndex: indent } = document.lineAt(lineIdx);
  if (word === undefined) {
    if (text.trim() === '') throw new RangeError(`Line ${lineIdx + 1} of ${labelOf(document)} is blank.`);
    return new vscode.Range(lineIdx, indent, lineIdx, text.trimEnd().length);
  }
  const at = text.indexOf(word);
  if (at < 0) throw new RangeError(`Line ${lineIdx + 1} of ${labelOf(document)} does not contain "${word}".`);
  return new vscode.Range(lineIdx, at, lineIdx, at + word.length);
}
