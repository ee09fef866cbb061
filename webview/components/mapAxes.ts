/** The tokens or indices along one side of the map. */

import type { Tick } from '../../src/shared/tools/axisTicks';
import { h } from '../dom';

export interface Axis {
  readonly element: HTMLElement;
  /** @param isVertical key labels run upwards, for tokens, which are wider than their cells */
  draw(ticks: readonly Tick[], selectedIdx: number | null, isVertical: boolean): void;
}

/** Decoration for the eye: what it says is said again by the cell's tooltip, so screen readers skip it. */
export function createAxis(kind: 'query' | 'key'): Axis {
  const element = h('div', { class: `axis axis-${kind}`, 'aria-hidden': 'true' });
  const labels: HTMLElement[] = [];
  return {
    element,
    draw(ticks, selectedIdx, isVertical) {
      element.classList.toggle('axis-vertical', isVertical);
      while (labels.length < ticks.length) labels.push(element.appendChild(h('span', { class: 'tick' })));
      labels.forEach((label, i) => {
        const tick = ticks[i];
        label.hidden = !tick;
        if (!tick) return;
        if (label.textContent !== tick.text) label.textContent = tick.text;
        label.classList.toggle('tick-selected', tick.idx === selectedIdx);
        label.style.setProperty('transform', placed(kind, tick.at, isVertical));
      });
    },
  };
}

function placed(kind: 'query' | 'key', at: number, isVertical: boolean): string {
  if (kind === 'query') return `translateY(${at}px)`;
  return isVertical ? `translateX(calc(${at}px - 50%)) rotate(180deg)` : `translateX(calc(${at}px - 50%))`;
}
