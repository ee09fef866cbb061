/** What the renderers of one map and of several do alike with WebGL2. */

import { colorOf } from '../../src/shared/colorScale';
import type { MapColors } from './levels';
import { levelOfRank } from './strongestWindows';

/** Lets the context come back after a loss and calls `restore` when it has. */
export function onContextRestored(canvas: HTMLCanvasElement, restore: () => void): void {
  canvas.addEventListener('webglcontextlost', event => event.preventDefault());
  canvas.addEventListener('webglcontextrestored', restore);
}

/** The bound texture is read as it is: no blending of cells, none beyond the edge. */
export function readCells(gl: WebGL2RenderingContext, target: GLenum): void {
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}

/** Puts the colours into texture unit 2. */
export function uploadColors(gl: WebGL2RenderingContext, { table }: MapColors): void {
  gl.activeTexture(gl.TEXTURE2);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 2, 0, gl.RGBA, gl.UNSIGNED_BYTE, colorTexture(table));
}

/** The two bytes of each level, the low one first, as every machine that browsers run on keeps them. */
export function bytesOf(levels: Int16Array): Uint8Array {
  return new Uint8Array(levels.buffer, levels.byteOffset, levels.byteLength);
}

/** Two rows of 256 colours: by the low byte of a level, and by the rank of one; see strongestWindows.ts. */
function colorTexture(table: Uint8Array): Uint8Array {
  const texture = new Uint8Array(2 * 256 * 4);
  for (let i = 0; i < 256; i++) {
    texture.set([...colorOf(table, i < 128 ? i : i - 256), 255], i * 4);
    texture.set([...colorOf(table, levelOfRank(i)), 255], (256 + i) * 4);
  }
  return texture;
}
