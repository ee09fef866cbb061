/** A tool for assistants: what does the model attend to at a place of a file or notebook? Changes nothing on screen. */

import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import { labelOf } from '../analysis/target';
import { tools } from '../contributionIds';
import { failures } from '../errors';
import { markdown } from '../messages';
import { rangeBetween } from '../shared/relevance';
import { codeSpan } from '../shared/tools/markdown';
import { fileInWorkspace } from '../workspaceFiles';
import type { AnalysisRuns } from './analysisRuns';
import { type AttentionQuestion, checkQuestion, writeAnswer, writeExplanation } from './toolAnswer';

export function registerAttentionTool(runs: AnalysisRuns): vscode.Disposable {
  return vscode.lm.registerTool<unknown>(tools.attendedContext, new AttentionTool(runs));
}

class AttentionTool implements vscode.LanguageModelTool<unknown> {
  constructor(private readonly runs: AnalysisRuns) {}

  /** Asks the user first where the tool would read what lies outside the workspace. */
  async prepareInvocation({
    input,
  }: vscode.LanguageModelToolInvocationPrepareOptions<unknown>): Promise<vscode.PreparedToolInvocation> {
    const invocationMessage = vscode.l10n.t('Looking at what the model attends to');
    const found = await findFile(input).catch(() => null); // what is wrong with the input is the invocation's to say
    if (!found || found.isInside) return { invocationMessage };
    const { scheme, fsPath } = found.uri;
    const title = vscode.l10n.t('Let the assistant read from outside the workspace?');
    const where = codeSpan(scheme === 'file' ? fsPath : found.uri.toString());
    const message = markdown([vscode.l10n.t('{0} is open in a tab outside the workspace.', where)]);
    return { invocationMessage, confirmationMessages: { title, message } };
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
      const { tokens, model } = analysis;
      const predictedBy = range.first - 1;
      const explain = async () => {
        if (!question.explain) return '';
        if (predictedBy < 0) return '\n\nNothing predicts the first token of the text.';
        const found = await analysis.explain(predictedBy);
        return writeExplanation(found, tokens, model.nHeads, lineOf, question.maxLines);
      };
      const explanation = await explain();
      return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(answer + explanation)]);
    } finally {
      analysis.dispose();
    }
  }
}

/** The named document, or the one with the cursor. */
async function documentOf(question: AttentionQuestion): Promise<vscode.TextDocument> {
  const { file, cell } = question;
  const { uri, document } = await findFile(question);
  if (document) return document;
  if (cell === undefined) return vscode.workspace.openTextDocument(uri);
  const notebook = await vscode.workspace.openNotebookDocument(uri);
  const cells = notebook.getCells();
  const found = cells[cell - 1];
  if (!found) throw new RangeError(`"${file}" has no cell ${cell}. It has cells 1 to ${cells.length}.`);
  return found.document;
}

interface Found {
  readonly uri: vscode.Uri;
  /** The one with the cursor, where no file is named. */
  readonly document: vscode.TextDocument | undefined;
  /** Whether it lies in the workspace, where an assistant may read without asking. */
  readonly isInside: boolean;
}

/**
 * The file that a question is about. What is neither open in a tab nor inside the workspace is refused rather than asked
 * about: settings of VS Code may answer in the user's place.
 */
async function findFile(input: unknown): Promise<Found> {
  const { file } = checkQuestion(input);
  const document = file === undefined ? vscode.window.activeTextEditor?.document : undefined;
  const named = document ? fileOf(document) : file === undefined ? undefined : uriOf(file);
  const inside = named ? await fileInWorkspace(named, vscode.workspace) : null;
  const uri = inside ?? (named && (document || isOpenTab(named)) ? named : null);
  if (!uri) throw file === undefined ? failures.noEditor() : failures.notReadable(file);
  return { uri, document, isInside: inside !== null };
}

/** Of a notebook's cell, the notebook. */
function fileOf(document: vscode.TextDocument): vscode.Uri {
  const isIts = (notebook: vscode.NotebookDocument) => notebook.getCells().some(cell => cell.document === document);
  return vscode.workspace.notebookDocuments.find(isIts)?.uri ?? document.uri;
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
