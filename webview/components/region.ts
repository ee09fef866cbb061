/** One region of a page: its views behind tabs, or one under the other with headings that open and close. */

import type { PanelState } from '../../src/shared/panel/panelMessages';
import { h } from '../dom';
import type { Layout, State } from '../state';
import type { RegionDefinition } from '../views/registry';
import type { PanelView, ViewContext, ViewDefinition } from '../views/view';
import { createHold } from './hold';
import { createTabs, type Tabs } from './tabs';

export class Region {
  readonly element: HTMLElement;
  private readonly views = new Map<string, PanelView>();
  private readonly places = new Map<string, HTMLElement>();
  private readonly holds = new Map<string, (isHeld: boolean) => void>();
  private readonly headings = new Map<string, HTMLElement>();
  private readonly tabs: Tabs | null = null;
  private shown: readonly ViewDefinition[] = [];

  constructor(
    readonly definition: RegionDefinition,
    private readonly context: ViewContext,
  ) {
    const { id, label, views, shows } = definition;
    this.element = h('section', { class: `region region-${id}`, 'aria-label': label, 'data-region': id });
    if (shows === 'all') {
      for (const view of views) this.element.append(this.section(view, views.length > 1 && view.section !== 'bare'));
      return;
    }
    const tabs = createTabs(label, views, view => context.actions.showTab(view));
    this.tabs = tabs;
    for (const view of views) this.places.set(view.id, tabs.panel(view.id));
    this.element.append(tabs.bar, ...views.map(view => tabs.panel(view.id)));
  }

  /** Draws the views that are on screen. @param isWaiting those that were before and do not keep up are held. */
  update(state: State, isWaiting: boolean): void {
    const { definition, tabs } = this;
    const usable = definition.views.filter(view => hasContent(view, state.panel));
    this.element.hidden = usable.length === 0;
    const shown = usable.filter(view =>
      tabs ? view === chosenView(definition, state.layout, state.panel) : this.isOpen(view, state.layout),
    );
    const held = isWaiting ? this.shown.filter(view => !view.keepsUp && shown.includes(view)) : [];
    for (const view of this.shown) if (!shown.includes(view)) this.views.get(view.id)?.hide?.();
    this.shown = shown;
    tabs?.offer(usable.map(({ id }) => id));
    tabs?.show(shown[0]?.id ?? '');
    for (const [id, heading] of this.headings) {
      const isShown = shown.some(view => view.id === id);
      heading.parentElement!.hidden = !usable.some(view => view.id === id);
      heading.querySelector('button')!.setAttribute('aria-expanded', String(isShown));
      this.places.get(id)!.hidden = !isShown;
    }
    for (const view of shown) {
      const isHeld = held.includes(view);
      if (!isHeld) this.viewOf(view).update(state);
      this.holds.get(view.id)?.(isHeld);
    }
  }

  /** A view that stands alone has no heading that could open it. */
  private isOpen(view: ViewDefinition, layout: Layout): boolean {
    return this.headings.has(view.id) ? isOpen(layout, view) : true;
  }

  hide(): void {
    for (const view of this.shown) this.views.get(view.id)?.hide?.();
    this.shown = [];
  }

  /** Whether a view that is on screen shows what the breadcrumb names. */
  usesHead(state: State): boolean {
    return this.shown.some(view => view.usesHead(state));
  }

  /** Brings a view of the region into sight. */
  reveal(id: string): void {
    (this.headings.get(id) ?? this.tabs?.bar ?? this.element).scrollIntoView({ block: 'nearest' });
  }

  private viewOf(definition: ViewDefinition): PanelView {
    const { id } = definition;
    let view = this.views.get(id);
    if (!view) {
      view = definition.create(this.context);
      this.views.set(id, view);
      const place = this.places.get(id)!;
      place.append(view.element);
      this.holds.set(id, createHold(place));
    }
    return view;
  }

  /** @param hasHeading a region with a single view needs none. */
  private section(definition: ViewDefinition, hasHeading: boolean): HTMLElement {
    const { id, title } = definition;
    const place = h('div', { class: 'section-body', id: `panel-${id}` });
    this.places.set(id, place);
    if (!hasHeading) return place;
    const toggle = h(
      'button',
      { class: 'section-toggle', type: 'button', id: `tab-${id}`, 'aria-controls': `panel-${id}` },
      title,
    );
    toggle.addEventListener('click', () => {
      const { sections } = this.context.store.state.layout;
      const isOpenNow = isOpen(this.context.store.state.layout, definition);
      this.context.actions.setLayout({ sections: { ...sections, [id]: !isOpenNow } });
    });
    const heading = h('h2', { class: 'section-heading' }, toggle);
    this.headings.set(id, heading);
    return h('div', { class: 'section' }, heading, place);
  }
}

function hasContent(view: ViewDefinition, panel: PanelState | null): boolean {
  return !panel?.model || (view.hasContent?.(panel) ?? true);
}

/** Of a region that shows one view at a time: the chosen one, or the first that has something to show. */
function chosenView(region: RegionDefinition, layout: Layout, panel: PanelState | null): ViewDefinition | undefined {
  const usable = region.views.filter(view => hasContent(view, panel));
  return usable.find(({ id }) => id === layout.views[region.id]) ?? usable[0];
}

function isOpen({ sections }: Layout, { id, section }: ViewDefinition): boolean {
  return section === 'bare' || (sections[id] ?? section !== 'closed');
}

/** Whether a region has a view with something to show for the current model. */
export function regionHasContent({ views }: RegionDefinition, panel: PanelState | null): boolean {
  return views.some(view => hasContent(view, panel));
}
