/** What has to be known to read a map, in sentences. */

import { isPreSoftmax } from '../src/shared/attentionMap';
import { formatValue, stageLabels } from './labels';
import type { State } from './state';

/** The sentences under the scale. */
export function legendNotes({ panel, map, isExact, isTooLarge, selection }: State): string[] {
  if (!map) return [];
  const { ref, blockSize } = map;
  const notes: string[] = [];
  if (ref.minus) {
    notes.push(`${stageLabels[ref.stage]} minus ${stageLabels[ref.minus].toLowerCase()}.`);
    if (isTooLarge) notes.push('Zoom in to see the difference: it needs exact values, and too many are on screen.');
    else notes.push('The scale ends at the largest difference among the cells loaded so far.');
  } else if (!isExact && blockSize > 1) {
    notes.push(`Each cell shows the strongest of ${blockSize}×${blockSize}.`);
  }
  if (isExact) notes.push('A pixel that covers several cells shows the strongest.');
  if (map.keysLeftOut === 1) notes.push('Key 0 is left out of the scale; its cells may be stronger than shown.');
  if (map.keysLeftOut > 1) {
    notes.push(`Keys 0–${map.keysLeftOut - 1} are left out of the scale; their cells may be stronger than shown.`);
  }
  if (!isPreSoftmax(ref.stage) && !ref.minus && selection?.row.isExact) {
    const sum = selection.row.values.reduce((total, value) => total + value, 0);
    const isOne = Math.abs(sum - 1) < 1e-3;
    if (!isOne) notes.push(`Row ${selection.row.queryIdx} sums to ${formatValue(sum)}, not 1.`);
  }
  notes.push('Hatched: masked, the key comes after the query.');
  const window = panel?.model?.layers[ref.layerIdx]?.slidingWindow;
  if (window && window < map.ref.nTokens) {
    notes.push(
      `This layer looks back ${window} tokens only, the query included; earlier keys are masked and drawn as 0.`,
    );
  }
  return notes;
}
