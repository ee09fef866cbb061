/** A bar from zero in the middle: above zero to the right, below zero to the left. The number stands beside it. */

import { h } from '../dom';

export function signedBar(value: number, largest: number): HTMLElement {
  const share = largest > 0 && Number.isFinite(value) ? Math.min(1, Math.abs(value) / largest) : 0;
  const bar = h('span', { class: value < 0 ? 'is-negative' : 'is-positive' });
  bar.style.setProperty('width', `${(50 * share).toFixed(1)}%`);
  return h('span', { class: 'why-signed', 'aria-hidden': 'true' }, bar);
}
