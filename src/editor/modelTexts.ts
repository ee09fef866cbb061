/** What lists and dialogs show of a model: family, size, memory. */

import * as vscode from 'vscode';
import type { InstalledModel } from '../analysis/installedModels';
import type { ModelFacts } from '../shared/foundModels';

/** Sizes, and where it comes from: "30 layers, 9 heads, context 2048, from publisher.extension". */
export function installedText({ description, origin }: InstalledModel): string {
  return origin === undefined ? description : vscode.l10n.t('{0}, from {1}', description, origin);
}

export function megabytes(bytes: number): string {
  const options = { maximumFractionDigits: bytes < 10e6 ? 1 : 0 };
  return vscode.l10n.t('{0} MB', (bytes / 1e6).toLocaleString(vscode.env.language, options));
}

/** One line: "llama, 135 million parameters, 269 MB". */
export function modelText({
  family,
  nParameters,
  sizeBytes,
}: Pick<ModelFacts, 'family' | 'nParameters' | 'sizeBytes'>): string {
  const millions = nParameters === null ? null : nParameters / 1e6;
  const options = { maximumFractionDigits: (millions ?? 0) < 10 ? 1 : 0 };
  return [
    ...(family === null ? [] : [family]),
    ...(millions === null
      ? []
      : [vscode.l10n.t('{0} million parameters', millions.toLocaleString(vscode.env.language, options))]),
    ...(sizeBytes === null ? [] : [megabytes(sizeBytes)]),
  ].join(', ');
}

/**
 * Whether it fits in memory; nothing where that is not known.
 * @param budgetMb the setting; 0 for the budget that this machine has without one.
 */
export function memoryText({ memoryBytes, fitsInMemory }: ModelFacts, budgetMb: number): string | undefined {
  if (memoryBytes === null) return undefined;
  const needed = megabytes(memoryBytes);
  if (budgetMb > 0 && memoryBytes > budgetMb * 1e6) {
    const budget = megabytes(budgetMb * 1e6);
    return vscode.l10n.t(
      'Needs {0} of memory, more than mtaInspector.inference.memoryBudgetMb allows ({1}).',
      needed,
      budget,
    );
  }
  return fitsInMemory || budgetMb > 0
    ? vscode.l10n.t('Needs {0} of memory.', needed)
    : vscode.l10n.t('Needs {0} of memory, more than the memory budget of this machine.', needed);
}
