/** What the compare view says in words and tables. */

import type { keysOfRow } from '../../src/attention/topKeys';
import type { Cell } from '../../src/shared/address';
import { formatValue, stageInText, visibleToken } from '../../src/shared/labels';
import type { PanelComparison } from '../../src/shared/panel/comparison';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { meanSurprisal, type Sides } from '../counterpart';
import { h } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import { formatPlain } from '../labels';
import { placesIn } from '../places';

/** Where the comparison stands, in a sentence. */
export function sayComparison(panel: PanelState, comparison: PanelComparison | null): string {
  if (!comparison) return t('Choose another model, or another version of the text, to see what differs.');
  const { status, label, layersDone, model, failure } = comparison;
  switch (status) {
    case 'waiting':
      return t('{0}: follows once the analysis is done.', label);
    case 'loading':
      return t('{0}: loading the model …', label);
    case 'running':
      return t('{0}: layer {1} of {2} …', label, layersDone, model?.nLayers ?? '?');
    case 'failed':
      return failure?.message ?? t('{0}: failed.', label);
    case 'done':
      return panel.status === 'done' ? t('Compared with: {0}', label) : t('{0}: the shown run is not done.', label);
  }
}

/** What has to be known to read the two sides where their tokens differ. */
export function factsOf({ left, right, toRight }: Sides): string[] {
  const nAligned = toRight.reduce((count, token) => count + (token >= 0 ? 1 : 0), 0);
  return [
    ...[right, left].map(({ label, tokens }) => {
      const { perToken, perCharacter } = meanSurprisal(tokens);
      return t(
        '{0}: {1} tokens, surprisal {2} bits per token, {3} bits per character.',
        label,
        tokens.labels.length,
        formatPlain(perToken),
        formatPlain(perCharacter),
      );
    }),
    t('The tokens differ: {0} of {1} have a counterpart, and changes are of those.', nAligned, toRight.length),
  ];
}

/** A cell's tokens, and those of its counterpart where they are others. */
export function sayCell(panel: PanelState, cell: Cell, across: Cell | null, { left, right }: Sides): string {
  const say = ({ tokens }: Sides['left'], shown: Cell) => placesIn(panel, tokens).nameOfCell(shown);
  if (!across) return t('{0} · no counterpart', say(left, cell));
  const isSame = across.queryIdx === cell.queryIdx && across.keyIdx === cell.keyIdx;
  return isSame ? say(left, cell) : t('{0} · {1}: {2}', say(left, cell), right.label, say(right, across));
}

export function paneTitle(label: string, { layerIdx, headIdx, stage }: MapRef): string {
  return t('{0} · layer {1}, head {2}, {3}', label, layerIdx, headIdx, stageInText(stage));
}

/** The strongest keys of one side's query. */
export function keyTable(
  panel: PanelState,
  side: Sides['left'],
  query: number,
  keys: ReturnType<typeof keysOfRow>,
): HTMLElement {
  const places = placesIn(panel, side.tokens);
  const rows = keys.map(({ keyIdx, weight }) =>
    h(
      'tr',
      {},
      h('td', { class: 'token-cell' }, visibleToken(places.labels[keyIdx] ?? '')),
      h('td', { class: 'number' }, String(places.lineOf(keyIdx) ?? '–')),
      h('td', { class: 'number' }, formatValue(weight)),
    ),
  );
  const caption = h('caption', {}, t('{0}: {1} attends to', side.label, places.nameOf(query)));
  return h('table', { class: 'fact-table' }, caption, h('tbody', {}, ...rows));
}
