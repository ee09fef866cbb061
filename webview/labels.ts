/** How values, tokens and stages are written for people. Pure. */

import { isPreSoftmax, type Stage, stages } from '../src/shared/attentionMap';
import type { CellValue } from './heatmap/mapData';

export const stageLabels: Readonly<Record<Stage, string>> = {
  scores: 'Scores',
  convolved_scores: 'Scores after convolution',
  mixed_scores: 'Mixed scores',
  pattern: 'Pattern',
  convolved_pattern: 'Pattern after convolution',
  mixed_pattern: 'Mixed pattern',
};

/**
 * The stage that `stage` was made of by a linear step, so that their difference means something: the one before it
 * among those the layer has. Null for the first, and for `pattern`: a softmax lies between it and the scores.
 */
export function previousStage(available: readonly Stage[], stage: Stage): Stage | null {
  const before = available.findLast(candidate => stages.indexOf(candidate) < stages.indexOf(stage)) ?? null;
  return before && isPreSoftmax(before) === isPreSoftmax(stage) ? before : null;
}

/** A signed number in about four digits, with a real minus sign. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'not a number';
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return value < 0 ? '−∞' : '+∞';
  return (value < 0 ? '−' : '+') + formatMagnitude(magnitude);
}

/** Power of ten, a multiple of 3, that numbers up to `max` are divided by so that two digits tell them apart. */
export function unitExponent(max: number): number {
  return max > 0 && max < 0.1 ? Math.floor(Math.log10(max) / 3) * 3 : 0;
}

/** A signed number in two digits, for cells that hold no more. */
export function shortValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return value < 0 ? '−∞' : '∞';
  if (magnitude < 0.005) return '0';
  const sign = value < 0 ? '−' : '';
  if (magnitude < 0.995) return sign + magnitude.toFixed(2).slice(1);
  if (magnitude < 9.95) return sign + magnitude.toFixed(1);
  return sign + (magnitude < 999.5 ? magnitude.toFixed(0) : magnitude.toExponential(0).replace('e+', 'e'));
}

function formatMagnitude(magnitude: number): string {
  if (magnitude >= 1e5 || magnitude < 1e-3) return magnitude.toExponential(2).replace('e-', 'e−').replace('e+', 'e');
  return magnitude < 1000 ? magnitude.toPrecision(4) : magnitude.toFixed(1);
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

/** What a tooltip or a screen reader says of a cell. */
export function describeCellValue(cell: CellValue): string {
  switch (cell.kind) {
    case 'masked':
      return 'masked: key after query';
    case 'absent':
      return 'not loaded yet';
    case 'exact':
      return formatValue(cell.value);
    case 'pooled':
      return cell.blockSize === 1
        ? `about ${formatValue(cell.value)}`
        : `strongest of ${cell.blockSize}×${cell.blockSize} cells: ${formatValue(cell.value)}`;
  }
}

export function formatDuration(durationMs: number): string {
  return durationMs < 1000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`;
}

function escapeCharacter(character: string): string {
  return `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;
}
