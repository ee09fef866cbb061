/** A bar of tabs and the panels it switches, by the ARIA tabs pattern: one tab stop, arrow keys, Home and End. */

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
}

/** @param onChoose the reader chose a tab; `show` is for the caller to call. */
export function createTabs(label: string, tabs: readonly Tab[], onChoose: (id: string) => void): Tabs {
  const buttons = tabs.map(({ id, title }) =>
    h(
      'button',
      { class: 'tab', type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': `panel-${id}`, tabindex: -1 },
      title,
    ),
  );
  const panels = new Map(
    tabs.map(({ id }) => [
      id,
      h('div', {
        class: 'tab-panel',
        role: 'tabpanel',
        id: `panel-${id}`,
        'aria-labelledby': `tab-${id}`,
        hidden: true,
      }),
    ]),
  );
  // A bar with a single tab is no choice.
  const bar = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label, hidden: tabs.length < 2 }, ...buttons);
  let shown = -1;
  buttons.forEach((button, i) => {
    button.addEventListener('click', () => onChoose(tabs[i]!.id));
  });
  bar.addEventListener('keydown', event => {
    const next = stepTab(event.key, shown, tabs.length);
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    onChoose(tabs[next]!.id);
    buttons[next]!.focus();
  });
  return {
    bar,
    panel: id => panels.get(id)!,
    show(id) {
      shown = tabs.findIndex(tab => tab.id === id);
      buttons.forEach((button, i) => {
        button.setAttribute('aria-selected', String(i === shown));
        button.tabIndex = i === shown ? 0 : -1;
      });
      for (const [panelId, panel] of panels) panel.hidden = panelId !== id;
    },
  };
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
