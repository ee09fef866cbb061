/** A small matrix of weights as a picture, one pixel per weight, scaled up without smoothing. */

import { colorOf, levelOf } from '../../src/shared/colorScale';
import { h } from '../dom';
import type { Theme } from '../theme';

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Shape [rows, columns], row-major. */
  readonly values: Float32Array;
}

/** Largest magnitude that is a number. */
export function matrixMax({ values }: Matrix): number {
  return values.reduce((max, value) => (Math.abs(value) > max && Number.isFinite(value) ? Math.abs(value) : max), 0);
}

/** Decoration: what it shows is to be said beside it. */
export function matrixPicture(matrix: Matrix, theme: Theme): HTMLCanvasElement {
  const { rows, columns, values } = matrix;
  const canvas = h('canvas', { class: 'matrix-picture', width: columns, height: rows, 'aria-hidden': 'true' });
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(columns, rows);
  const max = matrixMax(matrix);
  values.forEach((value, i) => {
    image.data.set([...colorOf(theme.colors, levelOf(value, max)), 255], i * 4);
  });
  context.putImageData(image, 0, 0);
  canvas.style.setProperty('aspect-ratio', `${columns} / ${rows}`);
  return canvas;
}
