/** What has to be known to read a map, in sentences. */

import { isPreSoftmax } from '../src/shared/attentionMap';
import { formatValue, stageInText, stageLabel } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';
import type { MapLoader } from './heatmap/mapLoader';
import type { State } from './state';

/** The sentences under the scale. @param part what the loader has of the part on screen. */
export function legendNotes(
  { panel, map, selection }: State,
  { isExact, isTooLarge }: Pick<MapLoader, 'isExact' | 'isTooLarge'>,
): string[] {
  if (!map) return [];
  const { ref, blockSize } = map;
  const notes: string[] = [];
  if (ref.minus) {
    notes.push(t('{0} minus {1}.', stageLabel(ref.stage), stageInText(ref.minus)));
    if (isTooLarge) notes.push(t('Zoom in to see the difference: it needs exact values, and too many are on screen.'));
    else notes.push(t('The scale ends at the largest difference among the cells loaded so far.'));
  } else if (!isExact && blockSize > 1) {
    notes.push(t('Each cell shows the strongest of {0}×{1}.', blockSize, blockSize));
  }
  if (isExact) notes.push(t('A pixel that covers several cells shows the strongest.'));
  if (map.keysLeftOut === 1) notes.push(t('Key 0 is left out of the scale; its cells may be stronger than shown.'));
  if (map.keysLeftOut > 1) {
    notes.push(t('Keys 0–{0} are left out of the scale; their cells may be stronger than shown.', map.keysLeftOut - 1));
  }
  if (!isPreSoftmax(ref.stage) && !ref.minus && selection?.row.isExact) {
    const sum = selection.row.values.reduce((total, value) => total + value, 0);
    const isOne = Math.abs(sum - 1) < 1e-3;
    if (!isOne) notes.push(t('Row {0} sums to {1}, not 1.', selection.row.queryIdx, formatValue(sum)));
  }
  notes.push(t('Hatched: masked, the key comes after the query.'));
  const window = panel?.model?.layers[ref.layerIdx]?.slidingWindow;
  if (window && window < map.ref.nTokens) {
    notes.push(
      t('This layer looks back {0} tokens only, the query included; earlier keys are masked and drawn as 0.', window),
    );
  }
  return notes;
}
