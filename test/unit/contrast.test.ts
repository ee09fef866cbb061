/** What is drawn can be seen: the first visible step of each scale has a contrast of 3 : 1 in every theme of VS Code. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contributes } from '../../package.json';
import {
  bakeColors,
  type ColorMap,
  colorMaps,
  colorOf,
  contrast,
  parseColor,
  type Rgb,
} from '../../src/shared/colorScale';

/** Backgrounds of editor and side bar of the themes that VS Code brings, by the kind of theme. */
const themes = {
  light: ['#ffffff', '#f8f8f8'],
  dark: ['#1f1f1f', '#181818'],
  highContrast: ['#000000'],
  highContrastLight: ['#ffffff'],
} as const;
const kinds = Object.keys(themes) as (keyof typeof themes)[];
const least = 3;

for (const kind of kinds) {
  for (const name of Object.keys(colorMaps) as ColorMap[]) {
    test(`${kind}, ${name}: the weakest cells of a map that are drawn at all are seen`, () => {
      for (const css of themes[kind]) {
        const background = parseColor(css)!;
        const table = bakeColors(background, undefined, name);
        for (const level of [1, -1]) {
          const ratio = contrast(colorOf(table, level), background);
          assert.ok(ratio >= least, `level ${level} on ${css}: ${ratio.toFixed(2)}`);
        }
      }
    });
  }

  test(`${kind}: underlines in the text and marks beside the scroll bar are seen`, () => {
    const ids = ['attention.underline.positive', 'attention.underline.negative', 'map.line1'];
    for (const id of ids.map(end => `mtaInspector.${end}`)) {
      const { defaults } = contributes.colors.find(color => color.id === id)!;
      for (const css of themes[kind]) {
        const ratio = contrast(over(defaults[kind], css), parseColor(css)!);
        assert.ok(ratio >= least, `${id} on ${css}: ${ratio.toFixed(2)}`);
      }
    }
  });

  test(`${kind}: text stays readable on every shade that lies behind it`, () => {
    const text = { light: '#3b3b3b', dark: '#cccccc', highContrast: '#ffffff', highContrastLight: '#292929' }[kind];
    for (const { id, defaults } of contributes.colors) {
      if (!/\.(attention\.(positive|negative)|surprisal)\d$/.test(id)) continue;
      const ratio = contrast(parseColor(text)!, over(defaults[kind], themes[kind][0]));
      assert.ok(ratio >= 4.5, `${id}: ${ratio.toFixed(2)}`);
    }
  });
}

/** A color with its opacity over a background. */
function over(css: string, background: string): Rgb {
  const [color, under] = [parseColor(css)!, parseColor(background)!];
  const opacity = css.length > 7 ? Number.parseInt(css.slice(7), 16) / 255 : 1;
  const mixed = (channel: number) => color[channel]! * opacity + under[channel]! * (1 - opacity);
  return [mixed(0), mixed(1), mixed(2)];
}
