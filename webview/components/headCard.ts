/** One head as a small picture with its number: opens the head's map. */

import { colorOf, levelOf } from '../../src/shared/colorScale';
import { h } from '../dom';
import { overviewEnd } from '../heatmap/levels';
import type { Theme } from '../theme';

/** A head's picture: cells [size, size], -127 to 127, above the diagonal masked. */
export interface Thumbnail {
  readonly size: number;
  readonly cells: Int8Array;
}

export interface HeadCard {
  readonly element: HTMLButtonElement;
  readonly layerIdx: number;
  readonly headIdx: number;
  /** @param kind and `value` under the picture; `said` is what a screen reader hears. */
  label(kind: string, value: string, said: string, isShown: boolean): void;
  /** Draws the picture; without one the place is blank. */
  paint(thumbnail: Thumbnail | null, theme: Theme): void;
}

export function createHeadCard(layerIdx: number, headIdx: number): HeadCard {
  const canvas = h('canvas', { width: 1, height: 1 });
  const name = h('span', { class: 'head-name', 'aria-hidden': 'true' }, `L${layerIdx}H${headIdx}`);
  const value = h('span', { class: 'head-value', 'aria-hidden': 'true' });
  const kindName = h('span', { class: 'head-kind', 'aria-hidden': 'true' });
  const heard = h('span', { class: 'sr-only' });
  const element = h(
    'button',
    { class: 'head-card', type: 'button', tabindex: -1 },
    canvas,
    name,
    value,
    kindName,
    heard,
  );
  element.dataset['layer'] = String(layerIdx);
  element.dataset['head'] = String(headIdx);
  let painted: [Thumbnail | null, Theme] | undefined;
  return {
    element,
    layerIdx,
    headIdx,
    label(kind, text, said, isShown) {
      kindName.textContent = kind;
      value.textContent = text;
      heard.textContent = said;
      element.title = said;
      if (isShown) element.setAttribute('aria-current', 'true');
      else element.removeAttribute('aria-current');
    },
    paint(thumbnail, theme) {
      if (painted?.[0] === thumbnail && painted[1] === theme) return;
      painted = [thumbnail, theme];
      if (thumbnail) paint(canvas, thumbnail, theme);
      else canvas.width = 1;
    },
  };
}

function paint(canvas: HTMLCanvasElement, { size, cells }: Thumbnail, theme: Theme): void {
  canvas.width = size;
  canvas.height = size;
  const context = canvas.getContext('2d');
  if (!context) return; // no more contexts to be had: the name and number remain
  const image = context.createImageData(size, size);
  const max = overviewEnd({ size, cells, scale: 1 }, 'power');
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const at = i * size + j;
      const level = levelOf(cells[at]! / 127, max, 'power');
      image.data.set([...colorOf(theme.colors, level), 255], at * 4); // masked cells stay transparent
    }
  }
  context.putImageData(image, 0, 0);
}
