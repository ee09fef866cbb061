/** Draws levels on a canvas: WebGL2 where there is one, Canvas2D otherwise. Gets data, owns no state of the app. */

import { CanvasRenderer } from './canvasRenderer';
import type { Renderer } from './drawing';
import { WebGlRenderer } from './webglRenderer';

/** @param onRestore called when the graphics context came back after a loss and everything has to be drawn again. */
export function createRenderer(canvas: HTMLCanvasElement, onRestore: () => void): Renderer {
  // Tests and pictures read the pixels back; at this size keeping the buffer costs nothing that can be measured.
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true });
  if (gl) return new WebGlRenderer(canvas, gl, onRestore);
  return new CanvasRenderer(canvas.getContext('2d', { alpha: false })!);
}
