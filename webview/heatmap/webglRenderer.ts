/**
 * Draws with WebGL2: levels as textures of two bytes, colours through a lookup texture, one triangle over the canvas.
 * The tests hold `paint` in levels.ts, the pictures hold both.
 */

import type { Rect } from '../../src/shared/address';
import { absentLevel } from '../../src/shared/colorScale';
import type { Renderer } from './drawing';
import { type DeviceViewport, inUnits, type LevelGrid, type MapColors } from './levels';
import {
  buildProgram,
  geometryUniforms,
  largeCells,
  setGeometry,
  smallCells,
  uniformsOf,
  windowedCells,
} from './shaders';
import { StrongestWindows, windowSizeFor } from './strongestWindows';
import { bytesOf, onContextRestored, readCells, uploadColors } from './webglTextures';

const uniformNames = [
  ...['overview', 'exact', 'windows', 'windowSize', 'colors', 'sizes', 'blockSize'],
  ...geometryUniforms,
] as const;

/** The texture units of the samplers, in order. */
const samplers = ['overview', 'exact', 'colors', 'windows'] as const;

/** A shader and where its uniforms are. */
interface Program {
  readonly program: WebGLProgram;
  readonly uniforms: Readonly<Record<(typeof uniformNames)[number], WebGLUniformLocation | null>>;
}

export class WebGlRenderer implements Renderer {
  readonly kind = 'webgl2';
  private programs!: { readonly large: Program; readonly windowed: Program; readonly small: Program };
  private colors: MapColors | null = null;
  private overview: LevelGrid | null = null;
  private exact: LevelGrid | null = null;
  private windows: StrongestWindows | null = null;
  private exactTexture: WebGLTexture | null = null;

  constructor(
    canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    onRestore: () => void,
  ) {
    this.prepare();
    onContextRestored(canvas, () => {
      this.prepare();
      if (this.colors) this.setColors(this.colors);
      this.setGrids(this.overview, this.exact);
      onRestore();
    });
  }

  setColors(colors: MapColors): void {
    this.colors = colors;
    uploadColors(this.gl, colors);
  }

  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void {
    this.overview = overview;
    this.exact = exact && exact.size <= this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE) ? exact : null;
    this.upload(this.gl.TEXTURE0, this.overview);
    this.upload(this.gl.TEXTURE1, this.exact);
    this.windows?.invalidate();
    if (!this.exact) this.windows?.release();
  }

  updateExact(rect: Rect): void {
    const { gl, exact } = this;
    if (!exact) return;
    gl.activeTexture(gl.TEXTURE1);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, exact.size);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, rect.queryStart);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, rect.keyStart);
    const { keyStart, queryStart, nKeys, nQueries } = rect;
    gl.texSubImage2D(
      gl.TEXTURE_2D,
      0,
      keyStart,
      queryStart,
      nKeys,
      nQueries,
      gl.RG,
      gl.UNSIGNED_BYTE,
      bytesOf(exact.levels),
      0,
    );
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, 0);
    this.windows?.invalidate(rect);
  }

  draw(nTokens: number, viewport: DeviceViewport): void {
    const { gl } = this;
    if (!this.colors || gl.isContextLost()) return;
    const { cellSize } = inUnits(viewport);
    const windowSize = this.bindWindows(cellSize);
    const { large, windowed, small } = this.programs;
    const { program, uniforms } = cellSize >= 1 ? large : windowSize > 1 ? windowed : small;
    gl.useProgram(program);
    gl.uniform1f(uniforms.windowSize, windowSize);
    gl.uniform2f(uniforms.sizes, this.overview?.size ?? 0, this.exact?.size ?? 0);
    gl.uniform1f(uniforms.blockSize, this.overview?.blockSize ?? 1);
    setGeometry(gl, uniforms, nTokens, viewport, this.colors);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @returns 1 where windows do not help: cells are large, or this machine cannot make them. */
  private bindWindows(cellSize: number): number {
    const { gl, exact, overview } = this;
    const n = windowSizeFor(cellSize);
    if (n === 1 || !exact || n > exact.size || (overview && cellSize * overview.blockSize < 1)) return 1;
    this.windows ??= new StrongestWindows(gl, gl.TEXTURE3);
    return this.windows.bind(this.exactTexture!, exact.size, n) ? n : 1;
  }

  private prepare(): void {
    const { gl } = this;
    this.windows = null; // what it had went with the context
    this.programs = {
      large: this.build(largeCells),
      windowed: this.build(windowedCells),
      small: this.build(smallCells),
    };
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    for (const unit of [gl.TEXTURE0, gl.TEXTURE1, gl.TEXTURE2, gl.TEXTURE3]) {
      const texture = gl.createTexture();
      if (unit === gl.TEXTURE1) this.exactTexture = texture;
      gl.activeTexture(unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      readCells(gl, gl.TEXTURE_2D);
    }
    this.upload(gl.TEXTURE0, null);
    this.upload(gl.TEXTURE1, null);
    this.upload(gl.TEXTURE3, null);
  }

  private build(fragmentShader: string): Program {
    const { gl } = this;
    const program = buildProgram(gl, fragmentShader);
    const uniforms = uniformsOf(gl, program, uniformNames);
    gl.useProgram(program);
    for (const [unit, sampler] of samplers.entries()) gl.uniform1i(uniforms[sampler], unit);
    return { program, uniforms };
  }

  /** A texture unit without data still needs one of the type its sampler reads. */
  private upload(unit: number, grid: LevelGrid | null): void {
    const { gl } = this;
    const { size, levels } = grid ?? { size: 1, levels: new Int16Array([absentLevel]) };
    gl.activeTexture(unit);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG8, size, size, 0, gl.RG, gl.UNSIGNED_BYTE, bytesOf(levels));
  }
}
