/** A table cell in the colour of its value. */

import { colorOf, levelOf, luminance } from '../../src/shared/colorScale';
import type { Theme } from '../theme';

/** @param max magnitude at the ends of the colour scale. */
export function colorCell(cell: HTMLElement, value: number, max: number, theme: Theme): void {
  const color = colorOf(theme.colors, levelOf(value, max));
  cell.style.setProperty('background-color', `rgb(${color.join(' ')})`);
  cell.style.setProperty('color', luminance(color) > 0.18 ? '#000' : '#fff');
}
