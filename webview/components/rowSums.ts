/** How far the rows of a map are from summing to 1, for the stages after the softmax whose rows need not: text on request. */

import { isPreSoftmax } from '../../src/shared/operators';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import type { PanelHost } from '../host';
import { formatPlain } from '../labels';
import type { Places } from '../places';

/** Sums nearer to 1 than this are taken for it. */
const tolerance = 1e-3;

export class RowSums {
  readonly element: HTMLDetailsElement;
  private readonly text = h('p', { class: 'facts' });
  /** Shape [nTokens]; null until they are there. */
  private sums: Float32Array | null = null;
  private said = '';
  private why = '';
  private ref: MapRef | null = null;
  /** Whose sums were requested. */
  private requested: MapRef | null = null;
  private requests = new AbortController();

  /** @param onArrive the sums of the map are there. */
  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onArrive: () => void,
  ) {
    this.element = h('details', { class: 'row-sums', hidden: true }, h('summary', {}, t('Row sums')), this.text);
    this.element.addEventListener('toggle', () => this.request());
  }

  /**
   * @param ref the current map, once its run is done; else null.
   * @param why a sentence on why its rows sum to something else than 1; empty: unknown.
   */
  show(ref: MapRef | null, why = ''): void {
    this.why = why;
    const next = ref && !isPreSoftmax(ref.stage) && !ref.minus ? ref : null;
    if (isSame(next, this.ref)) return;
    this.ref = next;
    this.element.hidden = next === null;
    this.request();
  }

  /** What a row sums to, in words; empty while it is not known. */
  ofRow(queryIdx: number): string {
    const sum = this.sums?.[queryIdx];
    return sum === undefined ? '' : t('row sum {0}', formatPlain(sum));
  }

  /** @param queryIdx the row that is looked at. */
  say(queryIdx: number | null, places: Places | null): void {
    if (!this.sums) return;
    const row =
      queryIdx === null || !places ? '' : t(' Query {0}: {1}.', places.nameOf(queryIdx), this.ofRow(queryIdx));
    const text = `${this.said}${row}`;
    if (this.text.textContent !== text) this.text.textContent = text;
  }

  /** Asks for the sums once a reader opens the text. */
  private request(): void {
    const next = this.element.open ? this.ref : null;
    if (isSame(next, this.requested)) return;
    this.requested = next;
    this.requests.abort();
    this.requests = new AbortController();
    this.sums = null;
    this.text.textContent = next ? t('Adding up…') : '';
    if (!next) return;
    const { signal } = this.requests;
    const { nTokens, minus, minusOf, ...address } = next;
    const whole = { range: { first: 0, end: nTokens }, direction: 'attendedBy' } as const;
    this.host.request('rangeWeights', { ...address, ...whole }, signal).then(
      means => {
        if (signal.aborted) return;
        // Asked for as the mean over all keys, masked ones included.
        this.sums = means.map(mean => mean * nTokens);
        this.said = describeSums(this.sums, this.why);
        this.text.textContent = this.said;
        this.onArrive();
      },
      () => {
        if (!signal.aborted) this.requested = null; // the run is gone: the next state brings another one
      },
    );
  }
}

/** What the rows sum to, and why it is something else than 1. */
export function describeSums(sums: Float32Array, why = ''): string {
  const text = sumsText(sums);
  return text.differs && why ? `${text.sentence} ${why}` : text.sentence;
}

function sumsText(sums: Float32Array): { readonly sentence: string; readonly differs: boolean } {
  let [count, lowest, highest] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const sum of sums) {
    if (Math.abs(sum - 1) < tolerance) continue;
    count++;
    if (!Number.isFinite(sum)) continue;
    lowest = Math.min(lowest, sum);
    highest = Math.max(highest, sum);
  }
  const n = sums.length;
  if (count === 0) return { sentence: t('Every row sums to 1.'), differs: false };
  const other = (sentence: string) => ({ sentence, differs: true });
  if (lowest > highest) return other(t('{0} of {1} map rows do not sum to 1: none is a number.', count, n));
  const [from, to] = [formatPlain(lowest), formatPlain(highest)];
  if (from === to) return other(t('{0} of {1} map rows do not sum to 1 but to {2}.', count, n, from));
  return other(t('{0} of {1} map rows do not sum to 1 but to {2} to {3}.', count, n, from, to));
}
