/** What has to be known to read a map, in sentences. */

import { stageInText, stageLabel } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';
import type { MapData } from './heatmap/mapData';
import type { MapLoader } from './heatmap/mapLoader';
import type { State } from './state';

/** The sentences under the scale. @param part what the loader has of the part on screen. */
export function legendNotes(
  { panel, map }: State,
  { isExact, isTooLarge }: Pick<MapLoader, 'isExact' | 'isTooLarge'>,
): string[] {
  if (!map) return [];
  const { ref, blockSize } = map;
  const notes: string[] = [];
  if (ref.minus) {
    notes.push(t('{0} minus {1}.', stageLabel(ref.stage), stageInText(ref.minus)));
    if (isTooLarge) notes.push(t('Zoom in to see the difference: it needs exact values, and too many are on screen.'));
    else notes.push(t('The scale is that of the cells loaded so far.'));
  } else if (!isExact && blockSize > 1) {
    notes.push(t('Each cell shows the strongest of {0}×{1}.', blockSize, blockSize));
  }
  if (isExact) notes.push(t('Where cells are smaller than 2 pixels, the strongest of them is shown.'));
  const { slidingWindow: window, attentionChunk: chunk } = panel?.model?.layers[ref.layerIdx] ?? {};
  if (chunk && chunk < map.ref.nTokens) {
    notes.push(
      t(
        'This layer looks at keys of the same chunk of {0} tokens only; those before it are masked and drawn as 0.',
        chunk,
      ),
    );
  }
  if (window && window < map.ref.nTokens) {
    notes.push(
      t('This layer looks back {0} tokens only, the query included; earlier keys are masked and drawn as 0.', window),
    );
  }
  return notes;
}

/** How to read any map. */
export function readingNotes({ scaleKind }: MapData): string[] {
  return [
    t('Rows are tokens that look (queries), columns the tokens looked at (keys).'),
    t('Above the diagonal: masked, the key comes after the query.'),
    scaleKind === 'power'
      ? t('Power scale (exponent 0.6) up to the 99.5th percentile; cells under 3 % of its end are left blank.')
      : t('Linear scale up to the largest value; cells under 3 % of it are left blank.'),
    t('The first token has a strip of its own at the left and does not count for the scale.'),
    t('Ctrl or Cmd with the wheel zooms, a drag moves the map, a double click shows all of it.'),
  ];
}
