/** The fallback without WebGL2: the same pixels, made on the CPU. */

import type { Renderer } from './drawing';
import { type DeviceViewport, type LevelGrid, type MapColors, paint, toPixels } from './levels';

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

  draw(nTokens: number, viewport: DeviceViewport): void {
    const { width, height } = this.context.canvas;
    if (!this.colors || width === 0 || height === 0) return;
    const image = this.context.createImageData(width, height);
    image.data.set(toPixels(paint(this.overview, this.exact, nTokens, viewport, width, height), this.colors));
    this.context.putImageData(image, 0, 0);
  }
}
