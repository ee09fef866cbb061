/** The tokens or indices along one side of the map. */

import { h } from '../dom';
import type { Tick } from '../heatmap/axisTicks';

export interface Axis {
  readonly element: HTMLElement;
  draw(ticks: readonly Tick[], selectedIdx: number | null): void;
}

/** Decoration for the eye: what it says is said again by the cell's tooltip, so screen readers skip it. */
export function createAxis(kind: 'query' | 'key'): Axis {
  const element = h('div', { class: `axis axis-${kind}`, 'aria-hidden': 'true' });
  const labels: HTMLElement[] = [];
  return {
    element,
    draw(ticks, selectedIdx) {
      while (labels.length < ticks.length) labels.push(element.appendChild(h('span', { class: 'tick' })));
      labels.forEach((label, i) => {
        const tick = ticks[i];
        label.hidden = !tick;
        if (!tick) return;
        if (label.textContent !== tick.text) label.textContent = tick.text;
        label.classList.toggle('tick-selected', tick.idx === selectedIdx);
        label.style.setProperty(
          'transform',
          kind === 'query' ? `translateY(${tick.at}px)` : `translateX(${tick.at}px)`,
        );
      });
    },
  };
}
