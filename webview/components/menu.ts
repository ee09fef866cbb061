/** A button beside the tabs, and what it opens over the page: for what is used now and then. */

import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';

export interface Menu {
  readonly button: HTMLElement;
  readonly panel: HTMLElement;
  readonly isOpen: boolean;
  open(): void;
}

/** @param onToggle called when it was opened or closed. */
export function createMenu(id: string, title: string, content: () => HTMLElement, onToggle: () => void): Menu {
  const button = h(
    'button',
    {
      ...{ class: 'menu-button', type: 'button', id: `tab-${id}`, title, 'aria-label': title },
      ...{ 'aria-expanded': 'false', 'aria-controls': `panel-${id}` },
    },
    '⋯',
  );
  const panel = h('div', { class: 'menu-panel', id: `panel-${id}`, role: 'group', 'aria-label': title, hidden: true });
  const close = h('button', { class: 'menu-close', type: 'button', 'aria-label': t('Close'), title: t('Close') }, '×');
  panel.append(close);
  let isFilled = false;
  const toggle = (isOpen: boolean) => {
    if (isOpen && !isFilled) panel.append(content());
    isFilled ||= isOpen;
    panel.hidden = !isOpen;
    button.setAttribute('aria-expanded', String(isOpen));
    onToggle();
  };
  const leave = () => {
    toggle(false);
    button.focus();
  };
  button.addEventListener('click', () => toggle(button.getAttribute('aria-expanded') === 'false'));
  close.addEventListener('click', leave);
  panel.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    leave();
  });
  document.addEventListener('pointerdown', ({ target }) => {
    if (!panel.hidden && target !== button && !panel.contains(target as Node)) toggle(false);
  });
  return {
    button,
    panel,
    get isOpen() {
      return button.getAttribute('aria-expanded') === 'true';
    },
    open: () => toggle(true),
  };
}
