/** How stages, values and tokens are written for people, on screen and in exports. Pure. */

import { type Operator, rowSumReason, type Stage } from './operators';
import { t } from './tools/l10n';

/** The stages' names, as a label or at the beginning of a sentence, and within one. */
const namesBy = (t: (text: string) => string) =>
  ({
    scores: { label: t('Scores'), inText: t('scores') },
    capped_scores: { label: t('Capped scores'), inText: t('capped scores') },
    decayed_scores: { label: t('Decayed scores'), inText: t('decayed scores') },
    convolved_scores: { label: t('Scores after convolution'), inText: t('scores after convolution') },
    mixed_scores: { label: t('Mixed scores'), inText: t('mixed scores') },
    pattern: { label: t('Pattern'), inText: t('pattern') },
    convolved_pattern: { label: t('Pattern after convolution'), inText: t('pattern after convolution') },
    mixed_pattern: { label: t('Mixed pattern'), inText: t('mixed pattern') },
    differential_pattern: { label: t('Differential pattern'), inText: t('differential pattern') },
    gated_pattern: { label: t('Gated pattern'), inText: t('gated pattern') },
  }) as const satisfies Record<Stage, object>;

/** In English: for files, the command line and assistants. */
export const stageNames = namesBy(text => text);

/** A stage's name in the interface, as a label or at the beginning of a sentence. */
export const stageLabel = (stage: Stage): string => namesBy(t)[stage].label;

/** A stage's name in the interface, within a sentence. */
export const stageInText = (stage: Stage): string => namesBy(t)[stage].inText;

/** Why rows sum to something else than 1, by the operator that did it. */
const rowSumTexts = (t: (text: string) => string): Partial<Record<Operator, string>> => ({
  sink_softmax: t('The rest went to the sink, a score of no key.'),
  subtract: t('The difference of two patterns sums to 1 − λ.'),
  convolve_pattern: t('The convolution does not keep a row’s sum.'),
  mix_pattern: t('Head mixing does not keep a row’s sum.'),
  gate: t('The gate scales each row.'),
});

/** Why rows of a layer's stage sum to something else than 1, as a sentence in English; empty where they do not. */
export function rowSumNote(layer: readonly Operator[], stage: Stage): string {
  const reason = rowSumReason(layer, stage);
  return (reason && rowSumTexts(text => text)[reason]) ?? '';
}

/** The same in the interface's language. */
export function localRowSumNote(layer: readonly Operator[], stage: Stage): string {
  const reason = rowSumReason(layer, stage);
  return (reason && rowSumTexts(t)[reason]) ?? '';
}

/** A signed number in about four digits, with a real minus sign: for files, the command line and assistants. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'not a number';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return value < 0 ? '−∞' : '+∞';
  return (value < 0 ? '−' : '+') + formatMagnitude(magnitude);
}

/** The same in the interface, where a number has the decimal mark of the reader's language. */
export function formatValue(value: number): string {
  return Number.isNaN(value) ? t('not a number') : withLocalMark(formatNumber(value));
}

/** Fewer bits than this are written as "under 0.0001": neither their size nor their sign says anything. */
const leastBits = '0.0001';

/** A signed number of bits for a reader, never as a power of ten: for files, the command line and assistants. */
export function formatBitsPlainly(value: number): string {
  if (!(Math.abs(value) < 0.1) || value === 0) return formatNumber(value);
  if (Math.abs(value) < Number(leastBits)) return `under ${leastBits}`;
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
}

/** The same in the interface. */
export function formatBits(value: number): string {
  if (Number.isNaN(value)) return formatValue(value);
  if (value !== 0 && Math.abs(value) < Number(leastBits)) return t('under {0}', withLocalMark(leastBits));
  return withLocalMark(formatBitsPlainly(value));
}

/** The same for what is never negative. */
export function formatPlainBits(value: number): string {
  return formatBits(value).replace(/^\+/, '');
}

/** A number's digits with the decimal mark of the interface's language. */
export function withLocalMark(digits: string): string {
  return digits.replace('.', t('0.5').slice(1, -1));
}

/** A probability or share in the interface: "53%", below a percent with one digit that is not 0. */
export function formatPercent(share: number): string {
  const percent = 100 * share;
  if (percent >= 1 || percent === 0) return t('{0}%', percent.toFixed(0));
  return percent < 0.01 ? t('under {0}%', withLocalMark('0.01')) : t('{0}%', withLocalMark(percent.toPrecision(1)));
}

function formatMagnitude(magnitude: number): string {
  if (magnitude >= 1e5 || magnitude < 1e-3) return magnitude.toExponential(2).replace('e-', 'e−').replace('e+', 'e');
  return magnitude < 1000 ? magnitude.toPrecision(4) : magnitude.toFixed(1);
}

/** Which lines of how many, from 1, both ends included. */
export function formatLines(first: number, last: number, of: number): string {
  if (first < last) return t('lines {0}–{1} of {2}', first, last, of);
  return t('line {0} of {1}', first, of);
}

/** A token with its invisible characters made visible; for axes, tables and tooltips. */
export function visibleToken(label: string): string {
  if (label === '') return '∅';
  return label
    .replace(/\r\n|\r|\n/g, '⏎')
    .replace(/\t/g, '⇥')
    .replace(/ /g, '␣')
    .replace(/[\p{Cc}\p{Cf}\p{Z}]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;
}
