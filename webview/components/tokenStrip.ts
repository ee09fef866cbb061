/** The tokens of the window as running text: select one or a range, see the others shaded by their weights. */

import type { TokenRange } from '../../src/shared/address';
import type { PanelTokens } from '../../src/shared/analysis';
import { absentLevel, colorOf, levelOf, luminance } from '../../src/shared/colorScale';
import { withLocalMark } from '../../src/shared/labels';
import { rangeBetween } from '../../src/shared/relevance';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import { type Places, placesOf } from '../places';
import type { State } from '../state';
import type { Theme } from '../theme';

/** Weights per token (later ones have none) and the magnitude at the ends of the colour scale. */
export interface Shading {
  readonly values: Float32Array;
  readonly max: number;
}

/** Typing goes on the same word until it has been quiet for this long. */
const typingMs = 2000;
const noLabels: readonly string[] = [];
const instructions = t('Arrow keys select, with Shift a range. Type to find. Escape selects none.');

/** @param name distinguishes the strips of several views in ids. */
export function createTokenStrip(actions: Actions, name: string) {
  const strip = h('div', {
    ...{ class: 'tokens', role: 'listbox', tabindex: 0, 'aria-multiselectable': 'true' },
    'aria-label': t('Tokens of the window. {0}', instructions),
  });
  const finding = h('div', { class: 'strip-find', role: 'status' });
  const element = h('div', { class: 'strip' }, strip, finding);
  let spans: HTMLElement[] = [];
  let labels: readonly string[] = [];
  let selected: number | null = null;
  let anchor: number | null = null;
  let shownRange: TokenRange = { first: 0, end: 0 };
  let shownLevels = new Int16Array(0);
  let shownTheme: Theme | null = null;
  let toReveal: HTMLElement | null = null;
  let typed = '';
  let typedAt = 0;

  function select(idx: number | null, isExtended: boolean): void {
    const from = isExtended ? (anchor ?? selected) : null;
    actions.selectToken(idx, idx !== null, idx === null ? null : from);
  }

  strip.addEventListener('click', event => {
    const idx = (event.target as HTMLElement).dataset['tokenIdx'];
    if (idx !== undefined) select(Number(idx), event.shiftKey);
  });
  strip.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = stepToken(event.key, selected, spans.length);
    if (next !== undefined) {
      event.preventDefault();
      typed = '';
      finding.textContent = '';
      select(next, event.shiftKey);
    } else if (event.key.length === 1 && (event.key !== ' ' || typed !== '')) {
      event.preventDefault();
      find(event.key, event.timeStamp);
    }
  });

  function find(key: string, now: number): void {
    const isNew = now - typedAt > typingMs;
    typed = isNew ? key : typed + key;
    typedAt = now;
    // A word that grows may still be found where it was; a new one is looked for further on.
    const found = findInTokens(labels, typed, selected === null ? 0 : isNew ? selected + 1 : selected);
    finding.textContent = found === null ? t('No “{0}” in the window', typed) : t('Find: {0}', typed);
    if (found !== null) select(found, false);
  }

  /** Once per frame at most: reading a token's position makes the browser lay out thousands of them. */
  function reveal(span: HTMLElement): void {
    if (toReveal === null) {
      requestAnimationFrame(() => {
        if (toReveal) scrollWithin(strip, toReveal);
        toReveal = null;
      });
    }
    toReveal = span;
  }

  const build = onChange((shown: readonly string[]) => {
    labels = shown;
    spans = labels.map((label, idx) => toSpan(name, label, idx));
    strip.replaceChildren(...spans);
    shownLevels = new Int16Array(spans.length);
    shownRange = { first: 0, end: 0 };
    finding.textContent = '';
  });
  const title = onChange((tokens: PanelTokens | null, places: Places | null) => {
    spans.forEach((span, idx) => {
      const bits = tokens?.surprisalBits?.[idx];
      const surprisal =
        bits === undefined || Number.isNaN(bits) ? '' : t(' · surprisal {0} bits', withLocalMark(bits.toFixed(2)));
      span.title = `${places?.nameOf(idx) ?? ''}${surprisal}`;
    });
  });
  const mark = onChange((idx: number | null, other: number | null, _labels: readonly string[]) => {
    for (let i = shownRange.first; i < shownRange.end; i++) spans[i]?.setAttribute('aria-selected', 'false');
    selected = idx;
    anchor = other;
    shownRange = idx === null ? { first: 0, end: 0 } : rangeBetween(idx, other ?? idx);
    for (let i = shownRange.first; i < shownRange.end; i++) spans[i]?.setAttribute('aria-selected', 'true');
    const span = idx === null ? undefined : spans[idx];
    if (span) strip.setAttribute('aria-activedescendant', span.id);
    else strip.removeAttribute('aria-activedescendant');
    if (span) reveal(span);
  });
  const shade = onChange((values: Float32Array | null, max: number, theme: Theme, _labels: readonly string[]) => {
    if (theme !== shownTheme) shownLevels.fill(absentLevel);
    shownTheme = theme;
    spans.forEach((span, idx) => {
      const value = values?.[idx];
      const level = value === undefined ? 0 : levelOf(value, max);
      // Most weights stay near zero from one selection to the next, and styles are dear.
      if (level === shownLevels[idx]) return;
      shownLevels[idx] = level;
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
    element,
    update({ panel, theme }: State, shading: Shading | null): void {
      const tokens = panel?.tokens ?? null;
      build(tokens?.labels ?? noLabels);
      title(tokens, placesOf(panel));
      mark(panel?.selectedToken ?? null, panel?.selectionAnchor ?? null, labels);
      shade(shading?.values ?? null, shading?.max ?? 0, theme, labels);
    },
  };
}

/** The shading of the map view: the selected query's row on the map's scale. */
export function rowShading({ selection, map }: State): Shading | null {
  return selection && map ? { values: selection.row.values, max: map.max } : null;
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

/**
 * The token in which the next occurrence of a text begins, from token `from` on and round to the start again; null if
 * there is none. Case does not matter, and a text may span several tokens.
 */
export function findInTokens(labels: readonly string[], text: string, from: number): number | null {
  const starts: number[] = [];
  let joined = '';
  for (const label of labels) {
    starts.push(joined.length);
    joined += label.toLowerCase();
  }
  const needle = text.toLowerCase();
  let at = joined.indexOf(needle, starts[from] ?? joined.length);
  if (at < 0) at = joined.indexOf(needle);
  return needle === '' || at < 0 ? null : starts.findLastIndex(start => start <= at);
}

function toSpan(name: string, label: string, idx: number): HTMLElement {
  return h('span', { id: `${name}-${idx}`, role: 'option', 'aria-selected': 'false', 'data-token-idx': idx }, label);
}

/** Scrolls the strip alone, not the panel around it. */
function scrollWithin(strip: HTMLElement, span: HTMLElement): void {
  const top = span.offsetTop - strip.offsetTop;
  if (top < strip.scrollTop) strip.scrollTop = top;
  else if (top + span.offsetHeight > strip.scrollTop + strip.clientHeight) {
    strip.scrollTop = top + span.offsetHeight - strip.clientHeight;
  }
}
