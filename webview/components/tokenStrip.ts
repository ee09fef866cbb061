/** The tokens of the window as running text; the selected one is the query, the others are shaded by its row. */

import { colorOf, luminance } from '../../src/shared/colorScale';
import type { PanelTokens } from '../../src/shared/panelMessages';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import { levelOnMap, type MapData } from '../heatmap/mapData';
import { visibleToken } from '../labels';
import type { Selection, State } from '../state';
import type { Theme } from '../theme';

export function createTokenStrip(actions: Actions) {
  const strip = h('div', { class: 'tokens', role: 'listbox', tabindex: 0, 'aria-label': 'Tokens of the window' });
  let spans: HTMLElement[] = [];
  let selected: number | null = null;
  let shownAnalysis = -1;
  let titled = { analysisId: -1, hasSurprisal: false };

  strip.addEventListener('click', event => {
    const idx = (event.target as HTMLElement).dataset['tokenIdx'];
    if (idx !== undefined) actions.selectToken(Number(idx), true);
  });
  strip.addEventListener('keydown', event => {
    const next = stepToken(event.key, selected, spans.length);
    if (next === undefined) return;
    event.preventDefault();
    actions.selectToken(next, next !== null);
  });

  const build = onChange((_analysisId: number, tokens: PanelTokens | null) => {
    spans = tokens ? tokens.labels.map(toSpan) : [];
    strip.replaceChildren(...spans);
  });
  const title = onChange((_analysisId: number, hasSurprisal: boolean, tokens: PanelTokens | null) => {
    spans.forEach((span, idx) => {
      const bits = hasSurprisal ? tokens?.surprisalBits?.[idx] : undefined;
      const surprisal = bits === undefined || Number.isNaN(bits) ? '' : ` · surprisal ${bits.toFixed(2)} bits`;
      span.title = `${visibleToken(tokens?.labels[idx] ?? '')} · token ${idx}${surprisal}`;
    });
  });
  const select = onChange((idx: number | null, _analysisId: number) => {
    if (selected !== null) spans[selected]?.setAttribute('aria-selected', 'false');
    selected = idx;
    const span = idx === null ? undefined : spans[idx];
    span?.setAttribute('aria-selected', 'true');
    if (span) strip.setAttribute('aria-activedescendant', span.id);
    else strip.removeAttribute('aria-activedescendant');
    if (span) scrollWithin(strip, span);
  });
  const shade = onChange((selection: Selection | null, map: MapData | null, theme: Theme, _mapVersion: number) => {
    spans.forEach((span, keyIdx) => {
      const value = selection?.row.values[keyIdx];
      const level = map && value !== undefined ? levelOnMap(map, value) : 0;
      if (level === 0) {
        span.style.removeProperty('background-color');
        span.style.removeProperty('color');
        return;
      }
      const color = colorOf(theme.colors, level);
      span.style.setProperty('background-color', `rgb(${color.join(' ')})`);
      span.style.setProperty('color', luminance(color) > 0.18 ? '#000' : '#fff');
    });
  });
  return {
    element: strip,
    update({ panel, selection, map, theme, mapVersion }: State): void {
      const tokens = panel?.tokens ?? null;
      const analysisId = panel?.analysisId ?? -1;
      // The state is a fresh copy each time: which analysis it is tells whether the tokens are the same.
      const key = tokens ? analysisId : -1;
      if (key !== shownAnalysis) {
        shownAnalysis = key;
        build(key, tokens);
        selected = null;
      }
      const hasSurprisal = tokens?.surprisalBits != null;
      if (key !== titled.analysisId || hasSurprisal !== titled.hasSurprisal) {
        titled = { analysisId: key, hasSurprisal };
        title(key, hasSurprisal, tokens);
      }
      select(panel?.selectedToken ?? null, key);
      shade(selection, map, theme, mapVersion);
    },
  };
}

/** The token that a key leads to: undefined for keys that mean nothing here, null to select none. */
export function stepToken(key: string, selected: number | null, nTokens: number): number | null | undefined {
  if (nTokens === 0) return undefined;
  const last = nTokens - 1;
  switch (key) {
    case 'ArrowRight':
    case 'ArrowDown':
      return selected === null ? 0 : Math.min(last, selected + 1);
    case 'ArrowLeft':
    case 'ArrowUp':
      return selected === null ? last : Math.max(0, selected - 1);
    case 'Home':
      return 0;
    case 'End':
      return last;
    case 'Escape':
      return null;
    default:
      return undefined;
  }
}

function toSpan(label: string, idx: number): HTMLElement {
  return h('span', { id: `token-${idx}`, role: 'option', 'aria-selected': 'false', 'data-token-idx': idx }, label);
}

/** Scrolls the strip alone, not the panel around it. */
function scrollWithin(strip: HTMLElement, span: HTMLElement): void {
  const top = span.offsetTop - strip.offsetTop;
  if (top < strip.scrollTop) strip.scrollTop = top;
  else if (top + span.offsetHeight > strip.scrollTop + strip.clientHeight) {
    strip.scrollTop = top + span.offsetHeight - strip.clientHeight;
  }
}
