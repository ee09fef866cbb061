// What a canvas in a webview looks like, pixel by pixel.
import { decode } from 'fast-png';
import type { Frame } from 'playwright-core';

export interface CanvasPixels {
  /** In CSS pixels. */
  width: number;
  height: number;
  /** Colour at a position in CSS pixels from the canvas' top left corner: red, green, blue, each 0 to 255. */
  at(x: number, y: number): [number, number, number];
}

/**
 * Reads a canvas as the reader sees it, by a screenshot of the element. Works for WebGL without `preserveDrawingBuffer`,
 * whose own `toDataURL` would be empty; what lies over the canvas is in the picture too.
 */
export async function canvasPixels(frame: Frame, selector = 'canvas'): Promise<CanvasPixels> {
  const canvas = frame.locator(selector).first();
  const box = await canvas.boundingBox();
  if (!box) throw new Error(`The canvas "${selector}" is not visible.`);
  // Playwright widens the clip to whole pixels; Chromium draws a canvas from the nearest whole pixel.
  const png = decode(await canvas.screenshot({ animations: 'disabled', scale: 'css' }));
  const left = Math.round(box.x) - Math.floor(box.x);
  const top = Math.round(box.y) - Math.floor(box.y);
  return {
    width: box.width,
    height: box.height,
    at(x, y) {
      const column = Math.floor(x + left);
      const row = Math.floor(y + top);
      if (!(column >= 0 && column < png.width && row >= 0 && row < png.height)) {
        throw new RangeError(`(${x}, ${y}) is outside the canvas of ${box.width}×${box.height} pixels.`);
      }
      const [red = 0, green = 0, blue = 0] = png.data.subarray(png.channels * (row * png.width + column));
      return [red, green, blue];
    },
  };
}
