/**
 * For drawing cells smaller than pixels: a texture that holds, for every cell, the rank of the strongest of the n x n
 * cells from it on, n a power of two. Four such windows cover what any pixel touches (a sparse table in two dimensions), so that a
 * large map takes no more reads per pixel than a small one, and nothing but the cells touched is shown.
 *
 * Made on the GPU, doubling n: each step reads four windows of half the size. After a tile only its part is made anew.
 */

import type { Rect } from '../../src/shared/address';
import { nanLevel } from '../../src/shared/colorScale';
import { buildProgram, cellBytes, uniformsOf } from './shaders';

const fragmentShader = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D source;
uniform int size;
uniform int reach;     // of the source's windows
uniform bool isCells;  // the source holds cells, of which those after the query are masked
out vec4 value;
${cellBytes}
/** What is stronger has the higher rank, so that \`max\` finds it; of two signs the one below zero. */
float rankOf(int level) { return float(level > 0 ? 2 * level - 1 : min(255, -2 * level)) / 255.0; }

/** Rank, and 1 where a cell has not arrived: then the whole window has not. What is masked ranks last. */
vec2 at(ivec2 cell) {
  if (cell.x >= size || cell.y >= size || (isCells && cell.x > cell.y)) return vec2(0.0);
  vec2 found = texelFetch(source, cell, 0).rg;
  if (!isCells) return found;
  return isAbsent(found) ? vec2(0.0, 1.0) : vec2(rankOf(levelIn(found)), 0.0);
}

void main() {
  ivec2 cell = ivec2(gl_FragCoord.xy);
  vec2 first = max(at(cell), at(cell + ivec2(reach, 0)));
  vec2 second = max(at(cell + ivec2(0, reach)), at(cell + ivec2(reach, reach)));
  value = vec4(max(first, second), 0.0, 1.0);
}`;

/** The level of a rank; see `rankOf` above. The last one is of what is not a number. */
export function levelOfRank(rank: number): number {
  return rank === 255 ? nanLevel : rank % 2 === 1 ? (rank + 1) / 2 : -rank / 2;
}

/** A step of the doubling. */
interface Level {
  readonly texture: WebGLTexture;
  readonly framebuffer: WebGLFramebuffer;
  /** What of it is out of date, in cells; null for nothing. */
  stale: { x: number; y: number; endX: number; endY: number } | null;
}

export class StrongestWindows {
  private readonly program: WebGLProgram;
  private readonly uniforms;
  private levels: Level[] = [];
  private size = 0;

  /** @param unit a texture unit that nothing else uses. */
  constructor(
    private readonly gl: WebGL2RenderingContext,
    private readonly unit: number,
  ) {
    this.program = buildProgram(gl, fragmentShader);
    this.uniforms = uniformsOf(gl, this.program, ['source', 'size', 'reach', 'isCells']);
  }

  /** The cells changed inside `rect`, or all of them. */
  invalidate(rect?: Rect): void {
    let reach = 1;
    for (const level of this.levels) {
      // A window reaches back over as many cells as it is wide, less one.
      const [x, y] = rect ? [rect.keyStart - 2 * reach + 1, rect.queryStart - 2 * reach + 1] : [0, 0];
      const [endX, endY] = rect
        ? [rect.keyStart + rect.nKeys, rect.queryStart + rect.nQueries]
        : [this.size, this.size];
      const old = level.stale ?? { x, y, endX, endY };
      level.stale = {
        x: Math.max(0, Math.min(old.x, x)),
        y: Math.max(0, Math.min(old.y, y)),
        endX: Math.max(old.endX, endX),
        endY: Math.max(old.endY, endY),
      };
      reach *= 2;
    }
  }

  /** Gives the textures back. */
  release(): void {
    for (const { texture, framebuffer } of this.levels) {
      this.gl.deleteTexture(texture);
      this.gl.deleteFramebuffer(framebuffer);
    }
    this.levels = [];
  }

  /**
   * Binds the windows of n x n cells to the unit.
   * @param cells the texture of the map's cells, [size, size]. @param n 2, 4, 8, …
   * @returns false where this machine cannot draw into such textures.
   */
  bind(cells: WebGLTexture, size: number, n: number): boolean {
    if (size !== this.size) {
      this.release();
      this.size = size;
    }
    const { gl } = this;
    gl.activeTexture(this.unit);
    const count = Math.log2(n);
    while (this.levels.length < count) {
      const level = this.create();
      if (!level) return false;
      this.levels.push(level);
    }
    for (let i = 0; i < count; i++) {
      const level = this.levels[i]!;
      if (level.stale) this.make(level, i === 0 ? cells : this.levels[i - 1]!.texture, i);
    }
    gl.bindTexture(gl.TEXTURE_2D, this.levels[count - 1]!.texture);
    return true;
  }

  private create(): Level | null {
    const { gl, size } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8, size, size, 0, gl.RG, gl.UNSIGNED_BYTE, null);
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const isComplete = gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    if (isComplete) return { texture, framebuffer, stale: { x: 0, y: 0, endX: size, endY: size } };
    gl.deleteTexture(texture);
    gl.deleteFramebuffer(framebuffer);
    return null;
  }

  private make(level: Level, source: WebGLTexture, index: number): void {
    const { gl, uniforms, size } = this;
    const { x, y, endX, endY } = level.stale!;
    level.stale = null;
    gl.useProgram(this.program);
    gl.bindTexture(gl.TEXTURE_2D, source);
    gl.uniform1i(uniforms.source, this.unit - gl.TEXTURE0);
    gl.uniform1i(uniforms.size, size);
    gl.uniform1i(uniforms.reach, 2 ** index);
    gl.uniform1i(uniforms.isCells, index === 0 ? 1 : 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, level.framebuffer);
    gl.viewport(0, 0, size, size);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(x, y, Math.min(endX, size) - x, Math.min(endY, size) - y);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.disable(gl.SCISSOR_TEST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}

/**
 * Edge of the windows to draw with: every pixel touches between n and 2 n cells along each axis.
 * @param cellSize in device pixels; 1 for cells that are not smaller than pixels.
 */
export function windowSizeFor(cellSize: number): number {
  if (cellSize >= 1) return 1;
  // A pixel touches ceil(1 / cellSize) cells, or one more.
  return 2 ** Math.floor(Math.log2(Math.ceil(1 / cellSize)));
}
