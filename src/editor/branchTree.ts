/**
 * Alternatives at a place as a tree: each branch with the likeliest tokens after it and their probabilities. A list shows the
 * branches seen so far; the chosen one can be opened, continued or inspected.
 */

import * as vscode from 'vscode';
import { pick } from '../messages';
import type { Continuation, ContinuedToken } from '../shared/interventions';
import { visibleToken } from '../shared/labels';

const nAlternatives = 5;

interface Branch {
  /** Tokens from the place on. */
  readonly ids: readonly number[];
  /** Readable text of the last one. */
  readonly label: string;
  /** Of the last token after those before it, and of all of them together. */
  readonly probability: number;
  readonly jointly: number;
  /** Likeliest tokens after it, once it was chosen. */
  next: readonly Branch[] | null;
}

type Action = 'open' | 'continue' | 'inspect';

/** Continues the text by tokens of a branch and `nTokens` greedily chosen ones. */
export type AskBranch = (
  firstIds: readonly number[],
  nTokens: number,
  topK: number,
) => Promise<Continuation & { readonly tokens: readonly ContinuedToken[] }>;

/**
 * @param nTokens that a branch is continued by.
 * @returns a branch's text from its beginning on, and whether it is to be inspected; undefined when the reader leaves.
 */
export async function walkBranches(
  ask: AskBranch,
  before: string,
  nTokens: number,
): Promise<{ readonly text: string; readonly isInspected: boolean } | undefined> {
  const root: Branch = { ids: [], label: '', probability: 1, jointly: 1, next: null };
  for (let current = root; ; ) {
    current.next ??= await nextOf(ask, current);
    const choice = await pick(itemsOf(root, current, nTokens), { title: vscode.l10n.t('Alternatives at This Place') });
    if (!choice) return undefined;
    if (choice.branch) {
      current = choice.branch;
      continue;
    }
    const written = await ask(current.ids, choice.action === 'continue' ? nTokens : 1, 0);
    const start = written.prompt ?? before;
    // What the last token adds is all that the branch itself has not.
    const own = written.text.slice(0, written.text.length - written.tokens[0]!.text.length);
    const isWhole = choice.action === 'continue';
    return { text: start + (isWhole ? written.text : own), isInspected: choice.action === 'inspect' };
  }
}

async function nextOf(ask: AskBranch, { ids, jointly }: Branch): Promise<Branch[]> {
  const { tokens } = await ask(ids, 1, nAlternatives);
  return tokens[0]!.top.map(({ id, text, probability }) => ({
    ...{ ids: [...ids, id], label: visibleToken(text), probability, jointly: jointly * probability, next: null },
  }));
}

interface Item extends vscode.QuickPickItem {
  readonly branch?: Branch;
  readonly action?: Action;
}

/** What can be done with the current branch, then the tree. */
function itemsOf(root: Branch, current: Branch, nTokens: number): Item[] {
  const items: Item[] = [];
  if (current !== root) {
    const name = textOf(root, current);
    const add = (action: Action, label: string) => items.push({ action, label, description: name });
    add('open', vscode.l10n.t('Open this branch'));
    add('continue', vscode.l10n.t('Continue this branch by {0} tokens', nTokens));
    add('inspect', vscode.l10n.t('Inspect this branch'));
  }
  const visit = (branch: Branch) => {
    const { ids, label, probability, jointly } = branch;
    if (branch !== root) {
      const together = ids.length > 1 ? vscode.l10n.t('{0} together', percent(jointly)) : '';
      const mark = branch === current ? '▸ ' : '';
      items.push({
        branch,
        label: `${'│ '.repeat(ids.length - 1)}${mark}${label}`,
        description: [percent(probability), together].filter(Boolean).join(', '),
      });
    }
    branch.next?.forEach(visit);
  };
  visit(root);
  return items;
}

/** The labels of a branch's tokens. */
function textOf(root: Branch, { ids }: Branch): string {
  let text = '';
  let branch = root;
  for (const id of ids) {
    branch = branch.next!.find(next => next.ids.at(-1) === id)!;
    text += branch.label;
  }
  return text;
}

function percent(probability: number): string {
  return vscode.l10n.t(
    '{0}%',
    (probability * 100).toLocaleString(vscode.env.language, { maximumSignificantDigits: 3 }),
  );
}
