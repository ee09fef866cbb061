/** What has to be known to read a map (what is pooled, subtracted or masked), and how it is colored. */

import { type ColorMap, colorMaps } from '../../src/shared/colorScale';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import type { MapLoader } from '../heatmap/mapLoader';
import { colorName } from '../labels';
import { legendNotes, readingNotes } from '../legendNotes';
import type { State } from '../state';
import { checkbox, dropdown } from '../toolkit';
import { linearScaleBox } from './scale';

const colorOptions = Object.entries(colorMaps).map(([value, { negative, positive }]) => ({
  value,
  label: t('{0} to {1}', capital(colorName(negative)), colorName(positive)),
}));

/**
 * @param loader of the map that the legend explains.
 * @param hasLayouts whether the map can be laid out by distance.
 */
export function createLegend(actions: Actions, loader: MapLoader, hasLayouts = false) {
  const notes = h('ul', { class: 'notes' });
  const reading = h('ul', { class: 'notes' });
  const linear = linearScaleBox(scale => actions.setLayout({ scale }));
  const byDistance = checkbox(t('By distance'), isOn => actions.setLayout({ mapLayout: isOn ? 'distance' : 'square' }));
  const colors = dropdown('colors', t('Colors'), value => actions.setLayout({ colorMap: value as ColorMap }));
  const element = h(
    'section',
    { class: 'legend', 'aria-label': t('Color scale') },
    h('div', { class: 'map-choices' }, linear.element, ...(hasLayouts ? [byDistance.element] : [])),
    notes,
    h('details', { class: 'reading' }, h('summary', {}, t('How to read the map')), reading, colors.element),
  );
  const writeNotes = onChange((text: string) => {
    notes.replaceChildren(...toItems(text));
    notes.hidden = text === '';
  });
  const writeReading = onChange((text: string) => reading.replaceChildren(...toItems(text)));
  return {
    element,
    update(state: State): void {
      const { map, layout } = state;
      element.hidden = map === null;
      if (!map) return;
      element.dataset['scaleMax'] = String(map.max);
      element.dataset['scaleKind'] = map.scaleKind;
      colors.set(colorOptions, layout.colorMap);
      linear.set(layout.scale);
      const hint = t('Queries downwards, to the right how far back the key is, on a log scale: for long ranges.');
      byDistance.set(layout.mapLayout === 'distance', true, hint);
      writeNotes(legendNotes(state, loader).join('\n'));
      writeReading(readingNotes(map).join('\n'));
    },
  };
}

const toItems = (text: string) => text.split('\n').map(line => h('li', {}, line));

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
