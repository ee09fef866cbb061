/** The command that takes relevance from heads that find context, and chooses them where none are chosen yet. */

import * as vscode from 'vscode';
import type { RelevantContext } from '../analysis/relevantContext';
import type { RetrievalHeads } from '../analysis/retrievalHeads';
import { commands } from '../contributionIds';
import { pick, showStatus, withProgress } from '../messages';
import type { HeadRef } from '../shared/address';

export function registerRetrievalHeads(
  heads: RetrievalHeads,
  context: RelevantContext,
  runReported: (run: () => Promise<void>) => Promise<void>,
): vscode.Disposable {
  return vscode.commands.registerCommand(commands.useRetrievalHeads, () =>
    runReported(async () => {
      const { chosen } = heads;
      const used = (chosen && (await pickChosen(chosen))) ?? (chosen ? undefined : 'choose');
      if (used === undefined) return;
      const found = used === 'choose' ? await choose(heads) : used;
      context.setOptions({ ...context.snapshot.options, method: 'mean', heads: found });
      showStatus(`MTA: ${vscode.l10n.t('Relevance is the mean of {0}', namesOf(found))}`, 6000);
    }),
  );
}

/** The chosen heads, or whether to choose again. */
async function pickChosen(chosen: readonly HeadRef[]): Promise<readonly HeadRef[] | 'choose' | undefined> {
  const items: { label: string; detail: string; heads: readonly HeadRef[] | 'choose' }[] = [
    { label: vscode.l10n.t('Use the chosen heads'), detail: namesOf(chosen), heads: chosen },
    {
      label: vscode.l10n.t('Choose again by this document'),
      detail: vscode.l10n.t(
        'By the words that it repeats: which heads look back at the line where a word stood first.',
      ),
      heads: 'choose',
    },
  ];
  return (await pick(items, { title: vscode.l10n.t('Heads That Find Context') }))?.heads;
}

function choose(heads: RetrievalHeads): Thenable<readonly HeadRef[]> {
  const progress = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Choosing heads that find context'),
    cancellable: true,
  };
  return withProgress(progress, (_, cancellation) => {
    const controller = new AbortController();
    cancellation.onCancellationRequested(() => controller.abort());
    return heads.choose(controller.signal);
  });
}

function namesOf(heads: readonly HeadRef[]): string {
  return heads.map(({ layerIdx, headIdx }) => `L${layerIdx}H${headIdx}`).join(', ');
}
