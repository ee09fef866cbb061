/** A slim strip beside a map: how far each row's sum is from 1, for the stages after the softmax whose rows need not. */

import { isPreSoftmax } from '../../src/shared/attentionMap';
import { colorOf, levelOf } from '../../src/shared/colorScale';
import { formatValue } from '../../src/shared/labels';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import type { Viewport } from '../heatmap/viewport';
import type { PanelHost } from '../host';
import { formatPlain } from '../labels';
import type { Theme } from '../theme';

/** Sums nearer to 1 than this are taken for it. */
const tolerance = 1e-3;

export class RowSums {
  /** Beside the map. */
  readonly element = h('canvas', { class: 'row-sums', role: 'img', hidden: true });
  /** Below it, in words. */
  readonly line = h('p', { class: 'facts row-sums-line', hidden: true });
  /** Shape [nTokens]; null while there are none to show. */
  private sums: Float32Array | null = null;
  private max = 0;
  private said = '';
  private ref: MapRef | null = null;
  private requests = new AbortController();

  /** @param onArrive the sums of the map are there: they are to be drawn. */
  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onArrive: () => void,
  ) {}

  /** @param ref the current map, once its run is done; else null. */
  show(ref: MapRef | null): void {
    const next = ref && !isPreSoftmax(ref.stage) && !ref.minus ? ref : null;
    if (isSame(next, this.ref)) return;
    this.ref = next;
    this.requests.abort();
    this.requests = new AbortController();
    this.take(null);
    if (!next) return;
    const { signal } = this.requests;
    const { nTokens, minus, minusOf, ...address } = next;
    const whole = { range: { first: 0, end: nTokens }, direction: 'attendedBy' } as const;
    this.host.request('rangeWeights', { ...address, ...whole }, signal).then(
      // Asked for as the mean over all keys, masked ones included.
      means => signal.aborted || this.take(means.map(mean => mean * nTokens)),
      () => {
        if (!signal.aborted) this.ref = null; // the run is gone: the next state brings another one
      },
    );
  }

  /** What a row sums to, in words; empty where there is nothing to say. */
  ofRow(queryIdx: number): string {
    const sum = this.sums?.[queryIdx];
    return sum === undefined ? '' : t('row sum {0}', formatPlain(sum));
  }

  /** @param height of the map, CSS pixels. @param queryIdx the looked-at row. */
  draw({ originY, cellSize }: Viewport, height: number, theme: Theme, queryIdx: number | null): void {
    const { sums } = this;
    if (!sums) return;
    const row = queryIdx === null ? '' : t(' Query {0}: {1}.', queryIdx, this.ofRow(queryIdx));
    this.line.textContent = `${this.said}${row}`;
    this.paint(sums, originY, cellSize, Math.round(height * devicePixelRatio), theme);
  }

  /** Again only when something moved, not with every step of the pointer. */
  private readonly paint = onChange(
    (sums: Float32Array, originY: number, cellSize: number, pixels: number, theme: Theme) => {
      Object.assign(this.element, { width: 1, height: pixels });
      const context = this.element.getContext('2d');
      if (!context || pixels === 0) return;
      const image = context.createImageData(1, pixels);
      const query = (at: number) => (at / devicePixelRatio - originY) / cellSize;
      for (let y = 0; y < pixels; y++) {
        const deviation = strongestDeviation(sums, query(y), query(y + 1));
        if (deviation === null) continue;
        image.data.set([...colorOf(theme.colors, levelOf(deviation, this.max)), 255], y * 4);
      }
      context.putImageData(image, 0, 0);
    },
  );

  private take(sums: Float32Array | null): void {
    const shown = sums && describeSums(sums);
    this.sums = shown ? sums : null;
    this.max = shown?.max ?? 0;
    this.said = shown?.text ?? '';
    this.element.hidden = !shown;
    this.line.hidden = !shown;
    this.line.textContent = this.said;
    this.element.setAttribute('aria-label', this.said);
    this.element.title = this.said;
    this.element.dataset['nRows'] = String(shown?.count ?? 0);
    if (shown) this.onArrive();
  }
}

/** What the strip says; null where every row sums to 1. */
export function describeSums(sums: Float32Array): { text: string; max: number; count: number } | null {
  let [count, lowest, highest, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const sum of sums) {
    const deviation = Math.abs(sum - 1);
    if (deviation < tolerance) continue;
    count++;
    if (!Number.isFinite(sum)) continue;
    lowest = Math.min(lowest, sum);
    highest = Math.max(highest, sum);
    max = Math.max(max, deviation);
  }
  if (count === 0) return null;
  const those =
    lowest <= highest
      ? t('they sum to {0} up to {1}', formatPlain(lowest), formatPlain(highest))
      : t('none is a number');
  const scale = max > 0 ? t(' Strip at the right: sum minus 1, scale ±{0}.', formatValue(max).slice(1)) : '';
  return { text: t('{0} of {1} rows do not sum to 1: {2}.{3}', count, sums.length, those, scale), max, count };
}

/** Of the rows from `start` to `end` the largest distance from 1, with its sign; NaN goes first; null outside the map. */
export function strongestDeviation(sums: Float32Array, start: number, end: number): number | null {
  const first = Math.max(0, Math.floor(start));
  const last = Math.min(sums.length, Math.max(Math.floor(start) + 1, Math.ceil(end)));
  let strongest: number | null = null;
  for (let row = first; row < last; row++) {
    const deviation = sums[row]! - 1;
    if (Number.isNaN(deviation)) return deviation;
    if (strongest === null || Math.abs(deviation) > Math.abs(strongest)) strongest = deviation;
  }
  return strongest;
}
