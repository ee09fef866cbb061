/** Draws levels on a canvas: WebGL2 where there is one, Canvas2D otherwise. Gets data, owns no state of the app. */

import type { Rect } from '../../src/shared/address';
import { CanvasRenderer } from './canvasRenderer';
import type { Renderer } from './drawing';
import type { DeviceViewport, LevelGrid, MapColors } from './levels';
import { WebGlRenderer } from './webglRenderer';

/** @param onRestore called when the graphics context came back after a loss and everything has to be drawn again. */
export function createRenderer(canvas: HTMLCanvasElement, onRestore: () => void): Renderer {
  // Tests and pictures read the pixels back; at this size keeping the buffer costs nothing that can be measured.
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true });
  if (gl) return new LastingRenderer(canvas, gl, onRestore);
  return new CanvasRenderer(canvas.getContext('2d', { alpha: false })!);
}

/** How long a lost context may take to come back. Browsers give none back to a page that lost several. */
const patienceMs = 3000;

/** WebGL2 until its context is lost for good; then Canvas2D, on a canvas laid over the one that the reader works with. */
class LastingRenderer implements Renderer {
  private current: Renderer;
  private substitute: HTMLCanvasElement | null = null;
  private colors: MapColors | null = null;
  private grids: readonly [overview: LevelGrid | null, exact: LevelGrid | null] = [null, null];

  constructor(
    private readonly canvas: HTMLCanvasElement,
    gl: WebGL2RenderingContext,
    private readonly onRestore: () => void,
  ) {
    this.current = new WebGlRenderer(canvas, gl, onRestore);
    let timer = 0;
    canvas.addEventListener('webglcontextlost', () => {
      timer = window.setTimeout(() => this.replace(), patienceMs);
    });
    canvas.addEventListener('webglcontextrestored', () => clearTimeout(timer));
  }

  get kind(): Renderer['kind'] {
    return this.current.kind;
  }

  setColors(colors: MapColors): void {
    this.colors = colors;
    this.current.setColors(colors);
  }

  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void {
    this.grids = [overview, exact];
    this.current.setGrids(overview, exact);
  }

  updateExact(rect: Rect): void {
    this.current.updateExact(rect);
  }

  draw(nTokens: number, viewport: DeviceViewport): void {
    const { width, height } = this.canvas;
    if (this.substitute && (this.substitute.width !== width || this.substitute.height !== height)) {
      Object.assign(this.substitute, { width, height });
    }
    this.current.draw(nTokens, viewport);
  }

  private replace(): void {
    if (this.substitute) return;
    this.substitute = document.createElement('canvas');
    this.substitute.className = 'map-substitute';
    this.canvas.classList.add('is-lost');
    this.canvas.after(this.substitute);
    this.current = new CanvasRenderer(this.substitute.getContext('2d', { alpha: false })!);
    this.canvas.dataset['renderer'] = this.kind;
    if (this.colors) this.current.setColors(this.colors);
    this.current.setGrids(...this.grids);
    this.onRestore();
  }
}
