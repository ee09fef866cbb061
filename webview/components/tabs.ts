/**
 * A bar of tabs and the panels it switches, by the ARIA tabs pattern: one tab stop, arrow keys, Home and End. The tabs
 * stand in one line that scrolls where it has no room for all; arrows at its ends show that there are more, and scroll.
 */

import { h } from '../dom';

export interface Tab {
  readonly id: string;
  readonly title: string;
}

export interface Tabs {
  readonly bar: HTMLElement;
  /** One panel per tab, empty at first. */
  panel(id: string): HTMLElement;
  show(id: string): void;
  /** Hides the tabs of all others, and the bar where no choice is left. */
  offer(ids: readonly string[]): void;
}

/**
 * @param onChoose the reader chose a tab; `show` is for the caller to call.
 * @param prefix of the ids of tabs and panels.
 */
export function createTabs(label: string, tabs: readonly Tab[], onChoose: (id: string) => void, prefix = ''): Tabs {
  const buttons = tabs.map(({ id, title }) =>
    h(
      'button',
      {
        class: 'tab',
        type: 'button',
        role: 'tab',
        id: `${prefix}tab-${id}`,
        'aria-controls': `${prefix}panel-${id}`,
        tabindex: -1,
      },
      title,
    ),
  );
  const panels = new Map(
    tabs.map(({ id }) => [
      id,
      h('div', {
        class: 'tab-panel',
        role: 'tabpanel',
        id: `${prefix}panel-${id}`,
        'aria-labelledby': `${prefix}tab-${id}`,
        hidden: true,
      }),
    ]),
  );
  // A bar with a single tab offers no choice.
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label }, ...buttons);
  const [before, after] = [scrollArrow(list, -1), scrollArrow(list, 1)];
  const bar = h('div', { class: 'tab-bar', hidden: tabs.length < 2 }, before, list, after);
  const showArrows = () => {
    const { scrollLeft, clientWidth, scrollWidth } = list;
    before.classList.toggle('tab-arrow-idle', scrollLeft < 1);
    after.classList.toggle('tab-arrow-idle', scrollLeft + clientWidth > scrollWidth - 1);
    bar.classList.toggle('has-more', scrollWidth > clientWidth);
  };
  list.addEventListener('scroll', showArrows);
  /** The chosen tab comes into sight, and moves nothing else. */
  const reveal = (button: HTMLElement | undefined) => {
    if (!button) return;
    list.scrollLeft = scrollTo(list.scrollLeft, list.clientWidth, button.offsetLeft, button.offsetWidth);
    showArrows();
  };
  new ResizeObserver(() => reveal(buttons[shown])).observe(list);
  let shown = -1;
  buttons.forEach((button, i) => {
    button.addEventListener('click', () => onChoose(tabs[i]!.id));
  });
  list.addEventListener('keydown', event => {
    const offered = buttons.flatMap((button, i) => (button.hidden ? [] : [i]));
    const next = stepTab(event.key, offered.indexOf(shown), offered.length);
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const chosen = offered[next]!;
    onChoose(tabs[chosen]!.id);
    buttons[chosen]!.focus({ preventScroll: true });
  });
  return {
    bar,
    panel: id => panels.get(id)!,
    show(id) {
      const next = tabs.findIndex(tab => tab.id === id);
      if (next === shown) return;
      shown = next;
      buttons.forEach((button, i) => {
        button.setAttribute('aria-selected', String(i === shown));
        button.tabIndex = i === shown ? 0 : -1;
      });
      for (const [panelId, panel] of panels) panel.hidden = panelId !== id;
      reveal(buttons[shown]);
    },
    offer(ids) {
      buttons.forEach((button, i) => {
        button.hidden = !ids.includes(tabs[i]!.id);
      });
      bar.hidden = ids.length < 2;
    },
  };
}

/** For the pointer only: the keyboard moves from tab to tab, and each comes into sight. */
function scrollArrow(list: HTMLElement, direction: 1 | -1): HTMLElement {
  const attributes = { class: 'tab-arrow', type: 'button', tabindex: -1, 'aria-hidden': 'true' };
  const arrow = h('button', attributes, direction < 0 ? '‹' : '›');
  arrow.addEventListener('click', () => {
    list.scrollLeft += direction * Math.max(40, list.clientWidth - 60);
  });
  return arrow;
}

/** How far to scroll so that a part is in sight, with something of its neighbours; no further than needed. */
export function scrollTo(scrollLeft: number, clientWidth: number, offset: number, width: number, margin = 24): number {
  if (offset - margin < scrollLeft) return Math.max(0, offset - margin);
  const end = offset + width + margin;
  return end > scrollLeft + clientWidth ? end - clientWidth : scrollLeft;
}

/** The tab that a key leads to; undefined for keys that mean nothing here. */
export function stepTab(key: string, shown: number, nTabs: number): number | undefined {
  switch (key) {
    case 'ArrowRight':
      return (shown + 1) % nTabs;
    case 'ArrowLeft':
      return (shown - 1 + nTabs) % nTabs;
    case 'Home':
      return 0;
    case 'End':
      return nTabs - 1;
    default:
      return undefined;
  }
}
