/** Choosing the relevance measure with the keyboard, and its description in words. */

import * as vscode from 'vscode';
import { askText, pick } from '../messages';
import type { ModelSummary } from '../shared/analysis';
import type { View } from '../shared/panel/panelMessages';
import {
  type Direction,
  formatHeads,
  parseHeads,
  type RelevanceMethod,
  type RelevanceOptions,
  type RowKind,
} from '../shared/relevance';

/** One sentence on what the numbers are. */
export function describeRelevance(options: RelevanceOptions, view: View): string {
  const from =
    options.direction === 'attends'
      ? options.row === 'predicting'
        ? vscode.l10n.t('what the tokens that predict the selection attend to')
        : vscode.l10n.t('what the selection attends to')
      : vscode.l10n.t('what attends to the selection');
  return `${describeHeads(options, view)}: ${from}`;
}

/** Which heads a measure reads, and how. */
export function describeHeads({ method, heads }: RelevanceOptions, view: View): string {
  const which =
    heads === 'layer'
      ? vscode.l10n.t('the heads of layer {0}', view.layerIdx)
      : heads === 'all'
        ? vscode.l10n.t('all heads of the model')
        : vscode.l10n.t('heads {0}', formatHeads(heads));
  switch (method) {
    case 'head':
      return vscode.l10n.t('Layer {0}, head {1}', view.layerIdx, view.headIdx);
    case 'mean':
      return vscode.l10n.t('Mean over {0}', which);
    case 'max':
      return vscode.l10n.t('Strongest of {0}', which);
    case 'rollout':
      return vscode.l10n.t('Rollout through {0}', which);
  }
}

/** Asks for method, direction and heads, one after the other. @returns undefined when the reader leaves. */
export async function pickRelevance(
  now: RelevanceOptions,
  model: ModelSummary | null,
  view: View,
): Promise<RelevanceOptions | undefined> {
  const title = vscode.l10n.t('How Relevance Is Measured');
  const methods: { label: string; detail: string; method: RelevanceMethod }[] = [
    {
      label: vscode.l10n.t('One head'),
      detail: vscode.l10n.t('The current head and stage: layer {0}, head {1}.', view.layerIdx, view.headIdx),
      method: 'head',
    },
    {
      label: vscode.l10n.t('Mean of heads'),
      detail: vscode.l10n.t('Of the weights that multiply the values.'),
      method: 'mean',
    },
    {
      label: vscode.l10n.t('Strongest head'),
      detail: vscode.l10n.t('For each token the weight of largest magnitude, with its sign.'),
      method: 'max',
    },
    {
      label: vscode.l10n.t('Rollout'),
      detail: vscode.l10n.t('Magnitudes multiplied through the layers, half of each layer passing by; not signed.'),
      method: 'rollout',
    },
  ];
  const method = await pick(methods, { title });
  if (!method) return undefined;
  const directions: { label: string; detail: string; direction: Direction; row: RowKind }[] = [
    {
      label: vscode.l10n.t('What the selection attends to'),
      detail: vscode.l10n.t('The rows of its own tokens, which read it.'),
      ...{ direction: 'attends', row: 'reading' },
    },
    {
      label: vscode.l10n.t('What the tokens that predict the selection attend to'),
      detail: vscode.l10n.t('The rows one token earlier.'),
      ...{ direction: 'attends', row: 'predicting' },
    },
    {
      label: vscode.l10n.t('What attends to the selection'),
      detail: vscode.l10n.t('The rows of later tokens.'),
      ...{ direction: 'attendedBy', row: 'reading' },
    },
  ];
  const direction = await pick(directions, { title });
  if (!direction) return undefined;
  const chosen = { method: method.method, direction: direction.direction, row: direction.row };
  if (chosen.method === 'head' || !model) return { ...chosen, heads: now.heads };
  const text = await askText({
    title,
    prompt: vscode.l10n.t('Heads: layer (the current one), all, or a list such as 2.0, 3.5, 4.*'),
    value: formatHeads(now.heads),
    validateInput: value => {
      try {
        parseHeads(value, model.nLayers, model.nHeads);
        return null;
      } catch (error) {
        return (error as Error).message;
      }
    },
  });
  return text === undefined ? undefined : { ...chosen, heads: parseHeads(text, model.nLayers, model.nHeads) };
}
