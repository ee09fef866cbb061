/** A tool for assistants: what does the model attend to at a place of a file or notebook? Changes nothing on screen. */

import { isAbsolute } from 'node:path';
import * as vscode from 'vscode';
import type { Analysis, Model } from '../../api/mtaInspector';
import { labelOf } from '../analysis/target';
import { tools } from '../contributionIds';
import { failures } from '../errors';
import { markdown } from '../messages';
import type { HeadRef } from '../shared/address';
import { rangeBetween } from '../shared/relevance';
import { codeSpan } from '../shared/tools/markdown';
import { fileInWorkspace } from '../workspaceFiles';
import type { AnalysisRuns } from './analysisRuns';
import {
  type Replacement,
  tokensOfLines,
  writeContinuation,
  writeKnockOuts,
  writeLens,
  writePatch,
} from './experimentAnswers';
import {
  type Answered,
  type AttentionQuestion,
  checkQuestion,
  type FoundHeads,
  linesByWeight,
  strongestCell,
  writeAnswer,
  writeExplanation,
  writeSplit,
} from './toolAnswer';

/** Lines that are knocked out; each costs about half a run. */
const maxKnockOuts = 20;

/** @param chosenFor heads that the user chose for a model because they find context; null where none are. */
export function registerAttentionTool(
  runs: AnalysisRuns,
  chosenFor: (model: Model) => readonly HeadRef[] | null,
): vscode.Disposable {
  return vscode.lm.registerTool<unknown>(tools.attendedContext, new AttentionTool(runs, chosenFor));
}

class AttentionTool implements vscode.LanguageModelTool<unknown> {
  constructor(
    private readonly runs: AnalysisRuns,
    private readonly chosenFor: (model: Model) => readonly HeadRef[] | null,
  ) {}

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
      const found = question.heads === 'retrieval' ? await this.findHeads(document, analysis, cancellation) : null;
      const heads = found?.heads ?? (question.head ? [question.head] : 'all');
      const weights = await analysis.relevance(range, { method: question.method, heads });
      const lines = Array.from({ length: document.lineCount }, (_, lineIdx) => document.lineAt(lineIdx).text);
      const lineOf = (offset: number) => document.positionAt(offset).line;
      const answered = { analysis, question, label: labelOf(document), lines, range, weights, found, lineOf };
      const text = writeAnswer(answered) + (await this.experiments(document, answered, anchor, cancellation));
      return new vscode.LanguageModelToolResult([new vscode.LanguageModelTextPart(text)]);
    } finally {
      analysis.dispose();
    }
  }

  /** Heads that find context: those the user chose for the model, or those that the text's repeated words choose. */
  private async findHeads(
    document: vscode.TextDocument,
    { model, window }: Analysis,
    cancellation: vscode.CancellationToken,
  ): Promise<FoundHeads> {
    const chosen = this.chosenFor(model);
    if (chosen) return { heads: chosen, chosenBy: 'user' };
    return {
      heads: await this.runs.chooseHeads(document, { range: window }, cancellation),
      chosenBy: 'repeated words',
    };
  }

  /** What the question asks besides where the model looks. @param anchor where the place ends. */
  private async experiments(
    document: vscode.TextDocument,
    { analysis, question, lines, range, weights, lineOf }: Answered & { readonly analysis: Analysis },
    anchor: number,
    cancellation: vscode.CancellationToken,
  ): Promise<string> {
    const { tokens, model } = analysis;
    const { maxLines, continueTokens: nTokens } = question;
    const continued = async () => {
      if (nTokens === undefined) return '';
      return writeContinuation(
        await this.runs.continueText(document.getText().slice(0, anchor), { nTokens }, cancellation),
      );
    };
    const row = range.first - 1;
    const { replace, by } = question;
    const asksRow = question.explain || question.lens || question.knockOut || replace !== undefined;
    if (row < 0) return `${asksRow ? '\n\nNothing predicts the first token of the text.' : ''}${await continued()}`;
    const parts: string[] = [];
    if (question.explain) {
      const found = await analysis.explain(row);
      parts.push(writeExplanation(found, tokens, model.nHeads, lineOf, maxLines));
      if (question.splitHead) {
        const cell = strongestCell(found, question.splitHead, model);
        const { splits } = await analysis.explain(row, { cells: [cell] });
        parts.push(writeSplit(splits![0]!, tokens, lineOf, maxLines));
      }
    }
    if (question.lens) parts.push(writeLens(await analysis.lens({ first: row, end: row + 1 })));
    if (question.knockOut) {
      const attended = linesByWeight({ analysis, lines, range, weights, lineOf }).slice(0, maxKnockOuts);
      const lineIdxs = attended.map(({ lineIdx }) => lineIdx);
      const cuts = tokensOfLines(tokens, lineIdxs, row, lineOf);
      const found = await analysis.knockOut({ first: row, end: range.end - 1 }, cuts);
      const cutLines = cuts.map(({ lineIdx }) => ({ lineIdx, text: (lines[lineIdx] ?? '').trim() }));
      parts.push(writeKnockOuts(found, cutLines, maxLines));
    }
    if (replace !== undefined && by !== undefined) {
      parts.push(await this.patch(document, analysis, row, { replace, by }, maxLines, cancellation));
    }
    return parts.join('') + (await continued());
  }

  /** Which heads carry the difference that a replacement before the row's next token makes. */
  private async patch(
    document: vscode.TextDocument,
    analysis: Analysis,
    row: number,
    change: Replacement,
    maxHeads: number,
    cancellation: vscode.CancellationToken,
  ): Promise<string> {
    const text = document.getText();
    const place = analysis.tokens[row + 1]!;
    const { replace, by } = change;
    const { start, end } = analysis.window;
    const at = place.start < replace.length ? -1 : text.lastIndexOf(replace, place.start - replace.length);
    if (at < start) {
      throw new RangeError(`"replace" is ${JSON.stringify(replace)}, which is not in the text before the place.`);
    }
    const changed = text.slice(start, at) + by + text.slice(at + replace.length, end);
    const moved = place.start - start + by.length - replace.length;
    const other = await this.runs.analyze(changed, { anchor: moved }, cancellation);
    try {
      const otherRow = (other.tokenAt(moved) ?? 0) - 1;
      const { layers } = await other.lens({ first: otherRow, end: otherRow + 1 }, { k: 2 });
      const likeliest = Array.from(layers.at(-1)!.topIds);
      const minus = likeliest.find(id => id !== place.id)!;
      const options = { what: 'head', from: analysis, target: place.id, minus, align: true } as const;
      return writePatch(await other.patch(otherRow, options), change, maxHeads);
    } finally {
      other.dispose();
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
