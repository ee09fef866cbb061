/** The fallback without WebGL2: the same pixels, made on the CPU. */

import { absentLevel, colorOf } from '../../src/shared/colorScale';
import { hatch, type MapColors, type Renderer } from './drawing';
import { type LevelGrid, maskedPixel, outsidePixel, paint } from './levels';
import type { Viewport } from './viewport';

export class CanvasRenderer implements Renderer {
  readonly kind = 'canvas2d';
  private colors: MapColors | undefined;
  private overview: LevelGrid | null = null;
  private exact: LevelGrid | null = null;

  constructor(private readonly context: CanvasRenderingContext2D) {}

  setColors(colors: MapColors): void {
    this.colors = colors;
  }

  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void {
    this.overview = overview;
    this.exact = exact;
  }

  updateExact(): void {
    // The grid is read when drawing.
  }

  draw(nTokens: number, viewport: Viewport): void {
    const { width, height } = this.context.canvas;
    if (!this.colors || width === 0 || height === 0) return;
    const { table, background, hatch: line } = this.colors;
    const shown = paint(this.overview, this.exact, nTokens, viewport, width, height);
    const image = this.context.createImageData(width, height);
    for (let at = 0; at < shown.length; at++) {
      const level = shown[at]!;
      const isLine = level === maskedPixel && ((at % width) + Math.floor(at / width)) % hatch.period < hatch.width;
      const isEmpty = level === maskedPixel || level === outsidePixel || level === absentLevel;
      image.data.set(isLine ? line : isEmpty ? background : colorOf(table, level), at * 4);
      image.data[at * 4 + 3] = 255;
    }
    this.context.putImageData(image, 0, 0);
  }
}
