/** The color scale of a map as a bar with its ends, and the choice of how magnitudes are spread over it. */

import { colorMaps, colorOf, maxLevel, type ScaleKind } from '../../src/shared/colorScale';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange } from '../dom';
import type { MapData } from '../heatmap/mapData';
import { colorName, formatPlain } from '../labels';
import type { Theme } from '../theme';
import { checkbox } from '../toolkit';

export function linearScaleBox(onChoose: (scale: ScaleKind) => void) {
  const control = checkbox(t('Linear color scale'), isLinear => onChoose(isLinear ? 'linear' : 'power'));
  const title = t(
    'Linear: colors end at the largest value, and weak cells stay pale. Otherwise a power scale (exponent 0.6) ends at the 99.5th percentile.',
  );
  return {
    element: control.element,
    set: (scale: ScaleKind) => control.set(scale === 'linear', true, title),
  };
}

/** A map's caption and scale: small enough for the masked half of the map. */
export function createScale() {
  const caption = h('div', { class: 'scale-caption' });
  const bar = h('div', { class: 'scale-bar', role: 'img' });
  const [low, middle, high] = [h('span'), h('span'), h('span')];
  const ends = h('div', { class: 'scale-ends', 'aria-hidden': 'true' }, low, middle, high);
  const element = h('div', { class: 'scale' }, caption, bar, ends);
  const paint = onChange((theme: Theme, isSigned: boolean) => {
    bar.style.setProperty('background-image', gradient(theme.colors, isSigned));
  });
  return {
    element,
    show(map: MapData, theme: Theme, text: string): void {
      const { max, isSigned, scaleKind } = map;
      caption.textContent = text;
      paint(theme, isSigned);
      const end = max > 0 ? `${scaleKind === 'power' ? '≥ ' : ''}${formatPlain(max)}` : '';
      low.textContent = isSigned ? (max > 0 ? `${scaleKind === 'power' ? '≤ ' : ''}−${formatPlain(max)}` : '') : '0';
      middle.textContent = isSigned ? '0' : '';
      high.textContent = end;
      const { negative, positive } = colorMaps[theme.colorMap];
      const kind = scaleKind === 'power' ? t('power scale') : t('linear scale');
      bar.setAttribute(
        'aria-label',
        isSigned
          ? t('{0} below zero, {1} above zero, to {2}, {3}', colorName(negative), colorName(positive), end, kind)
          : t('{0}, from zero to {1}, {2}', colorName(positive), end, kind),
      );
    },
  };
}

/** The scale from left to right, as a CSS image. */
export function gradient(colors: Uint8Array, isSigned = true): string {
  const lowest = isSigned ? -maxLevel : 0;
  const steps = Array.from({ length: 33 }, (_, i) => Math.round(lowest + (i / 32) * (maxLevel - lowest)));
  return `linear-gradient(to right, ${steps.map(level => `rgb(${colorOf(colors, level).join(' ')})`).join(', ')})`;
}
