/** The pages behind the tabs on top of the panel. */

import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { State } from '../state';
import { type PageDefinition, placeOf } from '../views/registry';
import type { ViewContext } from '../views/view';
import { Region, regionHasContent } from './region';
import { createTabs } from './tabs';

export function createPages(offered: readonly PageDefinition[], context: ViewContext) {
  const { actions } = context;
  const tabs = createTabs(t('Pages'), offered, choose, 'page-');
  const pages = offered.map(definition => {
    const regions = definition.regions.map(region => new Region(region, context));
    const panel = tabs.panel(definition.id);
    panel.classList.add('page', `page-${definition.id}`);
    panel.append(...regions.map(({ element }) => element));
    return { definition, regions };
  });
  const element = h('div', { class: 'pages' }, ...offered.map(({ id }) => tabs.panel(id)));
  let current: (typeof pages)[number] | null = null;
  let toReveal: string | null = null;

  /** Leads back to the view of a page's main region that was looked at last. */
  function choose(id: string): void {
    const { main } = offered.find(page => page.id === id)!;
    actions.setLayout({ tab: context.store.state.layout.views[main] ?? id });
  }

  return {
    bar: tabs.bar,
    element,
    /** Brings a view into sight, once it is drawn. */
    reveal(id: string): void {
      toReveal = id;
      requestAnimationFrame(() => {
        if (toReveal) current?.regions.find(region => has(region, toReveal!))?.reveal(toReveal);
        toReveal = null;
      });
    },
    /** @param isWaiting views on screen that do not keep up with a run are held as they are. */
    update(state: State, isWaiting: boolean): void {
      const { panel, layout } = state;
      element.hidden = !panel?.tokens && !isWaiting;
      const filled = pages.filter(({ regions }) =>
        regions.some(({ definition }) => regionHasContent(definition, panel)),
      );
      const asked = placeOf(offered, layout.tab)?.page;
      const page = filled.find(({ definition }) => definition === asked) ?? filled[0] ?? null;
      if (page !== current) for (const region of current?.regions ?? []) region.hide();
      current = page;
      tabs.offer(filled.map(({ definition }) => definition.id));
      tabs.show(page?.definition.id ?? '');
      for (const region of page?.regions ?? []) region.update(state, isWaiting);
    },
    /** Whether something on screen shows the map that the breadcrumb names. */
    usesHead: (state: State): boolean => current?.regions.some(region => region.usesHead(state)) ?? false,
  };
}

function has({ definition }: Region, id: string): boolean {
  return definition.views.some(view => view.id === id);
}
