/** How values, tokens and stages are written for people. Pure. */

import type { ModelSummary } from '../src/shared/analysis';
import { formatValue, withLocalMark } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';
import type { CellValue, MapData } from './heatmap/mapData';

/** Power of ten, a multiple of 3, that numbers up to `max` are divided by so that two digits distinguish them. */
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
  if (magnitude < 0.995) return sign + withLocalMark(magnitude.toFixed(2).slice(1));
  if (magnitude < 9.95) return sign + withLocalMark(magnitude.toFixed(1));
  return sign + (magnitude < 999.5 ? magnitude.toFixed(0) : magnitude.toExponential(0).replace('e+', 'e'));
}

/** What a tooltip or a screen reader says of a cell. */
export function describeCellValue(cell: CellValue): string {
  switch (cell.kind) {
    case 'masked':
      return t('masked: key after query');
    case 'unmatched':
      return t('no counterpart');
    case 'absent':
      return t('not loaded yet');
    case 'exact':
      return formatValue(cell.value);
    case 'pooled':
      return cell.blockSize === 1
        ? t('about {0}', formatValue(cell.value))
        : t('strongest of {0}×{1} cells: {2}', cell.blockSize, cell.blockSize, formatValue(cell.value));
  }
}

export function formatDuration(durationMs: number): string {
  return durationMs < 1000 ? t('{0} ms', Math.round(durationMs)) : `${withLocalMark((durationMs / 1000).toFixed(1))} s`;
}

/** A number without sign in four digits. */
export function formatPlain(value: number): string {
  return formatValue(value).replace(/^\+/, '');
}

/** A measure in a few digits; a dash for heads that lack it. */
export function formatMeasure(value: number): string {
  if (Number.isNaN(value)) return '–';
  if (value !== 0 && Math.abs(value) < 1e-3) return formatPlain(value);
  return withLocalMark(value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 3));
}

/** The end of a map's scale, in a few characters. */
export function scaleEndText({ max, scaleKind, isSigned }: MapData): string {
  if (!(max > 0)) return '';
  const end = formatPlain(max);
  // On a power scale the strongest cells may lie beyond the end.
  return `${scaleKind === 'power' ? '≥ ' : ''}${isSigned ? '±' : ''}${end}`;
}

/** What a view-only model lacks and why; empty for other models. */
export function viewerNote(model: ModelSummary | null | undefined): string {
  if (!model?.viewer) return '';
  const lacks = model.viewer.hasPredictions ? '' : t(' It has no logits either, so nothing is predicted.');
  return t(
    '“{0}” is a view-only ONNX file: it exposes attention after the softmax only. There are no scores, no convolution, no kernels, and nothing to switch off.{1}',
    model.name,
    lacks,
  );
}

const colorNames: Readonly<Record<string, string>> = {
  red: t('red'),
  blue: t('blue'),
  orange: t('orange'),
  purple: t('purple'),
  green: t('green'),
  brown: t('brown'),
  teal: t('teal'),
};

/** The name of one of the color scale's hues. */
export const colorName = (color: string): string => colorNames[color] ?? color;
