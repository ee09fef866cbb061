/** What the compare view says in words and tables. */

import type { keysOfRow } from '../../src/attention/topKeys';
import type { PanelComparison } from '../../src/shared/comparison';
import type { PanelState } from '../../src/shared/panelMessages';
import { meanSurprisal, type Sides } from '../counterpart';
import { h } from '../dom';
import type { Cell } from '../heatmap/hitTest';
import type { MapRef } from '../heatmap/mapData';
import { formatPlain, formatValue, stageLabels, visibleToken } from '../labels';

/** Where the comparison stands, in a sentence. */
export function sayComparison(panel: PanelState, comparison: PanelComparison | null): string {
  if (!comparison) {
    return panel.ablation.shown.edits.length > 0
      ? 'The ablated model beside the model as trained.'
      : 'Compare with another model, or with another version of the text. What is ablated is compared with the model as trained.';
  }
  const { status, label, layersDone, model, failure } = comparison;
  switch (status) {
    case 'waiting':
      return `${label}: follows once the analysis is done.`;
    case 'loading':
      return `${label}: loading the model …`;
    case 'running':
      return `${label}: layer ${layersDone} of ${model?.nLayers ?? '?'} …`;
    case 'failed':
      return failure?.message ?? `${label}: failed.`;
    case 'done':
      return panel.status === 'done' ? `Compared with ${label}.` : `${label}: the shown run is not done.`;
  }
}

/** What has to be known to read the two maps. */
export function factsOf({ left, right, isSame, toRight }: Sides, hasDifference: boolean): string[] {
  const facts = [left, right].map(({ label, tokens }) => {
    const { perToken, perCharacter } = meanSurprisal(tokens);
    return `${label}: ${tokens.labels.length} tokens, surprisal ${formatPlain(perToken)} bits per token, ${formatPlain(perCharacter)} bits per character.`;
  });
  if (!isSame) {
    const nAligned = toRight.reduce((count, token) => count + (token >= 0 ? 1 : 0), 0);
    facts.push(
      `The tokens differ: ${nAligned} of ${toRight.length} have a counterpart, and there is no difference map.`,
    );
  } else if (!hasDifference) {
    facts.push('One side shows scores, the other weights: there is no difference map.');
  }
  return facts;
}

/** A cell's tokens, and those of its counterpart where they are others. */
export function sayCell(cell: Cell, across: Cell | null, { left, right }: Sides): string {
  const say = ({ tokens }: Sides['left'], { queryIdx, keyIdx }: Cell) =>
    `query ${queryIdx} ${visibleToken(tokens.labels[queryIdx] ?? '')}, key ${keyIdx} ${visibleToken(tokens.labels[keyIdx] ?? '')}`;
  if (!across) return `${say(left, cell)} · no counterpart on the right`;
  const isSame = across.queryIdx === cell.queryIdx && across.keyIdx === cell.keyIdx;
  return isSame ? say(left, cell) : `${say(left, cell)} · right: ${say(right, across)}`;
}

export function paneTitle(label: string, { layerIdx, headIdx, stage }: MapRef): string {
  return `${label} · layer ${layerIdx}, head ${headIdx}, ${stageLabels[stage].toLowerCase()}`;
}

/** The strongest keys of one side's query. */
export function keyTable(side: Sides['left'], query: number, keys: ReturnType<typeof keysOfRow>): HTMLElement {
  const { labels } = side.tokens;
  const rows = keys.map(({ keyIdx, weight }) =>
    h(
      'tr',
      {},
      h('td', { class: 'token-cell' }, visibleToken(labels[keyIdx] ?? '')),
      h('td', { class: 'number' }, String(keyIdx)),
      h('td', { class: 'number' }, formatValue(weight)),
    ),
  );
  const caption = h('caption', {}, `${side.label}: ${visibleToken(labels[query] ?? '')} (${query}) attends to`);
  return h('table', { class: 'fact-table' }, caption, h('tbody', {}, ...rows));
}
