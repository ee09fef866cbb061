/**
 * Continues a text from the cursor, into an untitled document: the file itself is never written. Where text is selected, it
 * asks what if it had been another; alternatives are a tree of the likeliest tokens. A model with a chat
 * template can be given the text as a message.
 */

import * as vscode from 'vscode';
import { commands } from '../contributionIds';
import { failures } from '../errors';
import { DisposableStore } from '../lifecycle';
import { askText, pick, withProgress } from '../messages';
import type { ChatMessage, Continuation, ContinuedToken, ContinueOptions } from '../shared/interventions';
import { type AskBranch, walkBranches } from './branchTree';
import { LastEditor } from './lastEditor';

/** Greedily unless options say otherwise. */
export type ContinueText = (
  source: string | readonly ChatMessage[],
  options: Pick<ContinueOptions, 'nTokens'> &
    Partial<Omit<ContinueOptions, 'firstIds'>> & {
      firstIds?: readonly number[];
      onToken?: (token: ContinuedToken) => void;
    },
  cancellation: vscode.CancellationToken,
) => Promise<Continuation & { readonly tokens: readonly ContinuedToken[] }>;

/** How tokens are chosen. */
type Sampling = Pick<ContinueOptions, 'temperature' | 'topP' | 'seed'>;

const greedy: Sampling = { temperature: 0, topP: 1, seed: 0 };
/** Usual values for prose. */
const drawn: Sampling = { temperature: 0.8, topP: 0.95, seed: 0 };
const usualTokens = 40;
const mostTokens = 2048;

export function registerContinueText(
  continueText: ContinueText,
  hasChatTemplate: () => Promise<boolean>,
  runReported: (run: () => Promise<void>) => Promise<void>,
): vscode.Disposable {
  const store = new DisposableStore();
  const editors = store.add(new LastEditor());
  const command = vscode.commands.registerCommand(commands.continueText, () =>
    runReported(async () => {
      const editor = await editors.find();
      if (!editor) throw failures.noEditor();
      const { document, selection } = editor;
      const start = new vscode.Range(document.positionAt(0), selection.start);
      const instead = await replacement(document.getText(selection));
      if (instead === undefined) return;
      const nTokens = await askNumber();
      if (nTokens === undefined) return;
      const how = await pickSampling();
      if (how === undefined) return;
      const source = await pickSource(document.getText(start) + instead, hasChatTemplate);
      if (source === undefined) return;
      const result =
        how === 'alternatives'
          ? await alternatives(continueText, source, nTokens)
          : { text: await write(continueText, source, nTokens, how), isInspected: false };
      if (!result?.text) return;
      const { languageId } = document;
      const untitled = await vscode.workspace.openTextDocument({ content: result.text, language: languageId });
      await vscode.window.showTextDocument(untitled);
      if (result.isInspected) await vscode.commands.executeCommand(commands.inspectDocument);
    }),
  );
  store.add(command);
  return store;
}

/** What stands in place of the selection; the text up to the cursor is as it is where nothing is selected. */
async function replacement(selected: string): Promise<string | undefined> {
  if (selected === '') return '';
  return askText({
    title: vscode.l10n.t('Continue the Text'),
    prompt: vscode.l10n.t('What if it had been this? The text goes on after what you write in place of the selection.'),
    value: selected,
  });
}

/** The text, or a conversation with it as the user's message where the model has a template for those. */
async function pickSource(
  text: string,
  hasChatTemplate: () => Promise<boolean>,
): Promise<string | readonly ChatMessage[] | undefined> {
  if (!(await hasChatTemplate())) return text;
  const items = [
    {
      label: vscode.l10n.t('The text as it is'),
      detail: vscode.l10n.t('The model writes what follows it.'),
      isChat: false,
    },
    {
      label: vscode.l10n.t('The text as a message'),
      detail: vscode.l10n.t('The model answers it, in the form of its chat template.'),
      isChat: true,
    },
  ];
  const title = vscode.l10n.t('Continue the Text');
  const picked = await pick(items, { title });
  if (!picked?.isChat) return picked && text;
  const prompt = vscode.l10n.t('System message before the text; leave it empty for none.');
  const system = await askText({ title, prompt, value: '' });
  if (system === undefined) return undefined;
  const user: ChatMessage = { role: 'user', content: text };
  return system.trim() === '' ? [user] : [{ role: 'system', content: system }, user];
}

async function askNumber(): Promise<number | undefined> {
  const answer = await askText({
    title: vscode.l10n.t('Continue the Text'),
    prompt: vscode.l10n.t('How many tokens?'),
    value: String(usualTokens),
    validateInput: text =>
      wholeFrom(text, 1, mostTokens) === undefined
        ? vscode.l10n.t('"{0}" is not a whole number from {1} to {2}.', text, 1, mostTokens)
        : undefined,
  });
  return answer === undefined ? undefined : wholeFrom(answer, 1, mostTokens);
}

/** How tokens are chosen, or that the alternatives are shown. */
async function pickSampling(): Promise<Sampling | 'alternatives' | undefined> {
  const items: { label: string; detail: string; how: Sampling | 'alternatives' | 'own' }[] = [
    {
      label: vscode.l10n.t('The likeliest token each time'),
      detail: vscode.l10n.t('Greedy: the same text every time.'),
      how: greedy,
    },
    {
      label: vscode.l10n.t('Drawn'),
      detail: vscode.l10n.t('Temperature {0}, top-p {1}, seed {2}.', drawn.temperature, drawn.topP, drawn.seed),
      how: drawn,
    },
    {
      label: vscode.l10n.t('Drawn with other values…'),
      detail: vscode.l10n.t('Temperature, top-p and seed.'),
      how: 'own',
    },
    {
      label: vscode.l10n.t('Alternatives at this place'),
      detail: vscode.l10n.t('A tree of the likeliest tokens; a branch can be opened, continued or inspected.'),
      how: 'alternatives',
    },
  ];
  const picked = await pick(items, { title: vscode.l10n.t('Continue the Text') });
  return picked?.how === 'own' ? askSampling() : picked?.how;
}

async function askSampling(): Promise<Sampling | undefined> {
  const answer = await askText({
    title: vscode.l10n.t('Continue the Text'),
    prompt: vscode.l10n.t('Temperature from 0 to 100, top-p from 0 to 1 and a seed, with blanks between them.'),
    value: `${drawn.temperature} ${drawn.topP} ${drawn.seed}`,
    validateInput: text =>
      samplingOf(text) === undefined
        ? vscode.l10n.t('"{0}" is not three numbers such as 0.8 0.95 1: temperature, top-p, seed.', text)
        : undefined,
  });
  return answer === undefined ? undefined : samplingOf(answer);
}

/** @returns undefined for what is not three numbers in their ranges. */
export function samplingOf(text: string): Sampling | undefined {
  const parts = text.trim().split(/\s+/);
  const [temperature, topP, seed] = parts.map(part => (/^\d+(\.\d+)?$/.test(part) ? Number(part) : Number.NaN));
  const isFine = parts.length === 3 && temperature! <= 100 && topP! <= 1 && Number.isInteger(seed) && seed! < 2 ** 32;
  return isFine ? { temperature: temperature!, topP: topP!, seed: seed! } : undefined;
}

function wholeFrom(text: string, least: number, most: number): number | undefined {
  const value = /^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}

/** A branch that was chosen from the tree of alternatives; undefined when the reader leaves or cancels. */
async function alternatives(
  continueText: ContinueText,
  source: string | readonly ChatMessage[],
  nTokens: number,
): Promise<Awaited<ReturnType<typeof walkBranches>>> {
  let isCanceled = false;
  const ask: AskBranch = async (firstIds, n, topK) =>
    withTokens(n, async (onToken, cancellation) => {
      try {
        return await continueText(source, { nTokens: n, topK, firstIds, onToken }, cancellation);
      } finally {
        isCanceled = cancellation.isCancellationRequested;
      }
    });
  try {
    return await walkBranches(ask, typeof source === 'string' ? source : '', nTokens);
  } catch (error) {
    if (isCanceled) return undefined;
    throw error;
  }
}

/** @returns the document's text with what follows it; what came before a cancel is kept, nothing where none came. */
async function write(
  continueText: ContinueText,
  source: string | readonly ChatMessage[],
  nTokens: number,
  how: Sampling,
): Promise<string> {
  let written = '';
  const before = typeof source === 'string' ? source : '';
  return withTokens(nTokens, async (onToken, cancellation) => {
    const hear = (token: ContinuedToken) => {
      written += token.text;
      onToken();
    };
    try {
      const { prompt, text } = await continueText(source, { nTokens, ...how, onToken: hear }, cancellation);
      return (prompt ?? before) + text;
    } catch (error) {
      if (cancellation.isCancellationRequested) return written === '' ? '' : before + written;
      throw error;
    }
  });
}

/** Runs work that reports `total` tokens, with a notification that can cancel it. */
function withTokens<T>(
  total: number,
  work: (onToken: () => void, cancellation: vscode.CancellationToken) => Promise<T>,
): Thenable<T> {
  const progress = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Continuing the text'),
    cancellable: true,
  };
  return withProgress(progress, (report, cancellation) => {
    let done = 0;
    const onToken = () => {
      done++;
      report.report({ message: vscode.l10n.t('{0} of {1} tokens', done, total), increment: 100 / total });
    };
    return work(onToken, cancellation);
  });
}
