/** The colour scale and what has to be known to read the map: what is pooled, subtracted, left out or masked. */

import { type ColorMap, colorMaps, colorOf, maxLevel } from '../../src/shared/colorScale';
import { formatValue } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import type { MapLoader } from '../heatmap/mapLoader';
import { legendNotes } from '../legendNotes';
import type { State } from '../state';
import type { Theme } from '../theme';
import { checkbox, dropdown } from '../toolkit';

const colorNames: Readonly<Record<string, string>> = {
  red: t('red'),
  blue: t('blue'),
  orange: t('orange'),
  purple: t('purple'),
  green: t('green'),
  brown: t('brown'),
  teal: t('teal'),
};
const named = (color: string) => colorNames[color] ?? color;
const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);

const colorOptions = Object.entries(colorMaps).map(([value, { negative, positive }]) => ({
  value,
  label: t('{0} to {1}', capital(named(negative)), named(positive)),
}));

/** @param loader of the map that the legend explains. */
export function createLegend(actions: Actions, loader: MapLoader) {
  const bar = h('div', { class: 'scale-bar', role: 'img' });
  const low = h('span');
  const high = h('span');
  const notes = h('ul', { class: 'notes' });
  const leaveOut = checkbox(t('Scale without the first token'), leavesOutFirst =>
    actions.setLayout({ leavesOutFirst }),
  );
  const colors = dropdown('colors', t('Colours'), value => actions.setLayout({ colorMap: value as ColorMap }));
  const scale = h('div', { class: 'scale' }, bar, h('div', { class: 'scale-ends' }, low, h('span', {}, '0'), high));
  const element = h(
    'section',
    { class: 'legend', 'aria-label': t('Colour scale') },
    scale,
    notes,
    leaveOut.element,
    colors.element,
  );
  const paintBar = onChange((theme: Theme) => bar.style.setProperty('background-image', gradient(theme.colors)));
  const writeNotes = onChange((text: string) => {
    notes.replaceChildren(...text.split('\n').map(line => h('li', {}, line)));
  });
  return {
    element,
    update(state: State): void {
      const { map, theme, layout } = state;
      element.hidden = map === null;
      if (!map) return;
      paintBar(theme);
      low.textContent = map.max > 0 ? formatValue(-map.max) : '';
      high.textContent = map.max > 0 ? formatValue(map.max) : '';
      element.dataset['scaleMax'] = String(map.max);
      const { negative, positive } = colorMaps[theme.colorMap];
      bar.setAttribute(
        'aria-label',
        t('{0} below zero, {1} above zero, to {2}', capital(named(negative)), named(positive), formatValue(map.max)),
      );
      colors.set(colorOptions, layout.colorMap);
      leaveOut.set(
        layout.leavesOutFirst,
        true,
        t('Many heads rest on the first token; this shows the rest more clearly.'),
      );
      writeNotes(legendNotes(state, loader).join('\n'));
    },
  };
}

/** The whole scale from left to right, as a CSS image. */
export function gradient(colors: Uint8Array): string {
  const steps = Array.from({ length: 33 }, (_, i) => Math.round(-maxLevel + (i / 32) * 2 * maxLevel));
  return `linear-gradient(to right, ${steps.map(level => `rgb(${colorOf(colors, level).join(' ')})`).join(', ')})`;
}
