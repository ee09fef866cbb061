/** How stages, values and tokens are written for people, on screen and in exports. Pure. */

import type { Stage } from './attentionMap';
import { t } from './tools/l10n';

export const stageLabels: Readonly<Record<Stage, string>> = {
  scores: 'Scores',
  convolved_scores: 'Scores after convolution',
  mixed_scores: 'Mixed scores',
  pattern: 'Pattern',
  convolved_pattern: 'Pattern after convolution',
  mixed_pattern: 'Mixed pattern',
};

/** A signed number in about four digits, with a real minus sign. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return t('not a number');
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return value < 0 ? '−∞' : '+∞';
  return (value < 0 ? '−' : '+') + formatMagnitude(magnitude);
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
