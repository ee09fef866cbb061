/** What an ablation does to the prediction: of one token, of the tokens it changes most, and along the text. */

import type { Predictions } from '../../src/shared/analysis';
import { colorOf, levelOf, luminance } from '../../src/shared/colorScale';
import { formatValue, visibleToken, withLocalMark } from '../../src/shared/labels';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange, redraw } from '../dom';
import { formatPlain } from '../labels';
import type { Theme } from '../theme';

/** Tokens listed. */
const nRows = 10;

/** Predictions of the model as trained and of the ablated one, on the same tokens. */
export interface PredictionPair {
  readonly trained: Predictions;
  readonly ablated: Predictions;
}

export function createAblationEffect(actions: Actions) {
  const title = h('h3');
  const facts = h('p', { class: 'facts' });
  const next = h('div', { class: 'prediction-pair' });
  const changes = h('tbody');
  const table = h(
    'table',
    { class: 'fact-table', 'aria-label': t('Tokens whose surprisal changed most') },
    h('thead', {}, headRow(t('Token'), t('Index'), t('Trained, bits'), t('Ablated, bits'), t('Change'))),
    changes,
  );
  const strip = h('div', { class: 'tokens', role: 'img', tabindex: 0 });
  const element = h(
    'div',
    { class: 'details' },
    title,
    facts,
    next,
    h('h3', {}, t('Largest changes of surprisal')),
    h('div', { class: 'details-table', tabindex: 0, role: 'region', 'aria-label': t('Changes of surprisal') }, table),
    h('h3', {}, t('Change of surprisal along the text')),
    strip,
  );
  strip.addEventListener('click', event => {
    const idx = (event.target as HTMLElement).dataset['tokenIdx'];
    if (idx !== undefined) actions.selectToken(Number(idx), true);
  });

  const drawToken = onChange(
    (pair: PredictionPair, labels: readonly string[], token: number, klBits: Float32Array | undefined) => {
      title.textContent = t('After {0} (token {1})', visibleToken(labels[token] ?? ''), token);
      const bits = (of: Predictions) => of.surprisalBits[token]!;
      const [before, now] = [bits(pair.trained), bits(pair.ablated)];
      const own = Number.isNaN(before)
        ? t('Nothing predicts this token.')
        : t(
            'Surprisal of this token {0} → {1} bits ({2}).',
            formatPlain(before),
            formatPlain(now),
            formatValue(now - before),
          );
      const kl = klBits ? t(' Divergence of what is predicted next: {0} bits.', formatPlain(klBits[token]!)) : '';
      facts.textContent = own + kl;
      next.replaceChildren(
        predictionTable(t('As trained'), pair.trained, token),
        predictionTable(t('Ablated'), pair.ablated, token),
      );
    },
  );
  const drawChanges = onChange((pair: PredictionPair, labels: readonly string[]) => {
    redraw(
      changes,
      ...largestChanges(pair, nRows).map(({ token, before, now }) => {
        const link = h('button', { class: 'token-link', type: 'button' }, visibleToken(labels[token] ?? ''));
        link.addEventListener('click', () => actions.selectToken(token, true));
        const number = (text: string) => h('td', { class: 'number' }, text);
        return h(
          'tr',
          { 'data-token': token, 'data-change': now - before },
          h('td', {}, link),
          number(String(token)),
          number(formatPlain(before)),
          number(formatPlain(now)),
          number(formatValue(now - before)),
        );
      }),
    );
  });
  const drawStrip = onChange((pair: PredictionPair, labels: readonly string[], theme: Theme) => {
    const change = changeOf(pair);
    const max = change.reduce((most, bits) => Math.max(most, Math.abs(bits) || 0), 0);
    strip.setAttribute(
      'aria-label',
      t('Tokens coloured by their change of surprisal, up to {0} bits', formatPlain(max)),
    );
    strip.replaceChildren(
      ...labels.map((label, token) => {
        const bits = change[token]!;
        const said = Number.isNaN(bits) ? '' : t(': {0} bits', formatValue(bits));
        const span = h(
          'span',
          { 'data-token-idx': token, title: t('{0} · token {1}{2}', visibleToken(label), token, said) },
          label,
        );
        const level = Number.isNaN(bits) ? 0 : levelOf(bits, max);
        if (level !== 0) {
          const color = colorOf(theme.colors, level);
          span.style.setProperty('background-color', `rgb(${color.join(' ')})`);
          span.style.setProperty('color', luminance(color) > 0.18 ? '#000' : '#fff');
        }
        return span;
      }),
    );
  });

  return {
    element,
    update(pair: PredictionPair | null, panel: PanelState, theme: Theme): void {
      element.hidden = pair === null;
      if (!pair || !panel.tokens) return;
      const { labels } = panel.tokens;
      drawToken(pair, labels, panel.selectedToken ?? labels.length - 1, panel.ablation.effect?.klBits);
      drawChanges(pair, labels);
      drawStrip(pair, labels, theme);
    },
  };
}

/** Surprisal ablated minus trained, bits, NaN for the first token. */
export function changeOf({ trained, ablated }: PredictionPair): Float32Array {
  return ablated.surprisalBits.map((bits, i) => bits - trained.surprisalBits[i]!);
}

/** Tokens whose surprisal changed most, by magnitude. */
export function largestChanges(pair: PredictionPair, count: number) {
  return Array.from(changeOf(pair), (change, token) => ({ token, change }))
    .filter(({ change }) => !Number.isNaN(change))
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change) || a.token - b.token)
    .slice(0, count)
    .map(({ token }) => ({
      token,
      before: pair.trained.surprisalBits[token]!,
      now: pair.ablated.surprisalBits[token]!,
    }));
}

function predictionTable(
  name: string,
  { k, topIds, topProbabilities, labels }: Predictions,
  token: number,
): HTMLElement {
  const rows = Array.from({ length: k }, (_, i) => {
    const at = token * k + i;
    const label = visibleToken(labels[topIds[at]!] ?? '');
    const probability = `${withLocalMark((100 * topProbabilities[at]!).toFixed(1))} %`;
    return h('tr', {}, h('td', { class: 'token-cell' }, label), h('td', { class: 'number' }, probability));
  });
  return h('table', { class: 'fact-table' }, h('caption', {}, t('{0}: next token', name)), h('tbody', {}, ...rows));
}

function headRow(...names: string[]): HTMLElement {
  return h('tr', {}, ...names.map(name => h('th', { scope: 'col' }, name)));
}
