/**
 * Draws the maps of several heads on one canvas with one call: a browser gives a page few contexts of its graphics, and
 * a layer may have more heads. Without WebGL2 each map is drawn on the CPU.
 */

import { absentLevel } from '../../src/shared/colorScale';
import { cornerOfHead, type HeadGrid } from './headGrid';
import type { PatchLevels } from './layerMaps';
import { type DeviceViewport, inUnits, type LevelGrid, type MapColors, paint, toPixels } from './levels';
import { buildProgram, geometryUniforms, headCells, setGeometry, uniformsOf } from './shaders';
import { bytesOf, onContextRestored, readCells, uploadColors } from './webglTextures';

export interface HeadGridRenderer {
  readonly kind: 'webgl2' | 'canvas2d';
  setColors(colors: MapColors): void;
  /** Room for so many heads' overviews of one size; what was there is gone. */
  reserve(count: number, size: number): void;
  /** @param overview of one head, as large as was said; null while it has not arrived. */
  setOverview(slot: number, overview: LevelGrid | null): void;
  /** Exact values of a part, of all heads. */
  setPatch(patch: PatchLevels | null): void;
  /** @param viewport of each map, from its corner. */
  draw(nTokens: number, blockSize: number, grid: HeadGrid, viewport: DeviceViewport): void;
}

/** @param onRestore called when the graphics context came back after a loss: everything is to be handed over again. */
export function createHeadGridRenderer(canvas: HTMLCanvasElement, onRestore: () => void): HeadGridRenderer {
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true });
  return gl ? new WebGlGrid(canvas, gl, onRestore) : new CanvasGrid(canvas.getContext('2d', { alpha: false })!);
}

const uniformNames = [
  ...['overviews', 'exact', 'colors', 'pitch', 'edge', 'header', 'columns', 'count', 'overviewSize', 'blockSize'],
  ...['part'],
  ...geometryUniforms,
] as const;
const samplers = ['overviews', 'exact', 'colors'] as const;

class WebGlGrid implements HeadGridRenderer {
  readonly kind = 'webgl2';
  private uniforms!: Readonly<Record<(typeof uniformNames)[number], WebGLUniformLocation | null>>;
  private colors: MapColors | null = null;
  private size = 1;
  private part: readonly [number, number, number, number] = [0, 0, 0, 0];

  constructor(
    canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    onRestore: () => void,
  ) {
    this.prepare();
    onContextRestored(canvas, () => {
      this.prepare();
      if (this.colors) this.setColors(this.colors);
      onRestore();
    });
  }

  setColors(colors: MapColors): void {
    this.colors = colors;
    uploadColors(this.gl, colors);
  }

  reserve(count: number, size: number): void {
    this.size = size;
    this.upload(this.gl.TEXTURE0, count, size, size, new Int16Array(count * size * size).fill(absentLevel));
    this.setPatch(null);
  }

  setOverview(slot: number, overview: LevelGrid | null): void {
    const { gl, size } = this;
    const levels = overview?.levels ?? new Int16Array(size * size).fill(absentLevel);
    gl.activeTexture(gl.TEXTURE0);
    gl.texSubImage3D(...[gl.TEXTURE_2D_ARRAY, 0, 0, 0, slot, size, size, 1, gl.RG, gl.UNSIGNED_BYTE, bytesOf(levels)]);
  }

  setPatch(patch: PatchLevels | null): void {
    const { queryStart, keyStart, nQueries, nKeys, levels } = patch ?? nothing;
    this.part = [keyStart, queryStart, nKeys, nQueries];
    const count = Math.max(1, levels.length / Math.max(1, nQueries * nKeys));
    this.upload(this.gl.TEXTURE1, count, Math.max(1, nKeys), Math.max(1, nQueries), levels);
  }

  draw(nTokens: number, blockSize: number, grid: HeadGrid, viewport: DeviceViewport): void {
    const { gl, uniforms, colors } = this;
    if (!colors || gl.isContextLost()) return;
    gl.uniform2f(uniforms.pitch, grid.pitchX, grid.pitchY);
    gl.uniform1f(uniforms.edge, grid.edge);
    gl.uniform1f(uniforms.header, grid.header);
    gl.uniform1f(uniforms.columns, grid.columns);
    gl.uniform1f(uniforms.count, grid.count);
    gl.uniform1f(uniforms.overviewSize, this.size);
    gl.uniform1f(uniforms.blockSize, blockSize);
    // Where cells are smaller than units, single ones are not distinguishable.
    gl.uniform4f(uniforms.part, ...(inUnits(viewport).cellSize < 1 ? nowhere : this.part));
    setGeometry(gl, uniforms, nTokens, viewport, colors);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private prepare(): void {
    const { gl } = this;
    const program = buildProgram(gl, headCells);
    this.uniforms = uniformsOf(gl, program, uniformNames);
    gl.useProgram(program);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    samplers.forEach((sampler, unit) => {
      gl.uniform1i(this.uniforms[sampler], unit);
      const target = sampler === 'colors' ? gl.TEXTURE_2D : gl.TEXTURE_2D_ARRAY;
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, gl.createTexture());
      readCells(gl, target);
    });
    this.reserve(1, 1);
  }

  private upload(unit: number, count: number, width: number, height: number, levels: Int16Array): void {
    const { gl } = this;
    gl.activeTexture(unit);
    gl.texImage3D(
      ...[gl.TEXTURE_2D_ARRAY, 0, gl.RG8, width, height, count, 0, gl.RG, gl.UNSIGNED_BYTE, bytesOf(levels)],
    );
  }
}

const nowhere = [0, 0, 0, 0] as const;
const nothing = { queryStart: 0, keyStart: 0, nQueries: 0, nKeys: 0, levels: new Int16Array([absentLevel]) };

/** Keeps to the overviews. */
class CanvasGrid implements HeadGridRenderer {
  readonly kind = 'canvas2d';
  private colors: MapColors | null = null;
  private overviews: (LevelGrid | null)[] = [];

  constructor(private readonly context: CanvasRenderingContext2D) {}

  setColors(colors: MapColors): void {
    this.colors = colors;
  }

  reserve(count: number): void {
    this.overviews = new Array(count).fill(null);
  }

  setOverview(slot: number, overview: LevelGrid | null): void {
    this.overviews[slot] = overview;
  }

  setPatch(): void {
    // See above.
  }

  draw(nTokens: number, _blockSize: number, grid: HeadGrid, viewport: DeviceViewport): void {
    const { context, colors } = this;
    if (!colors) return;
    context.fillStyle = `rgb(${colors.background.join(' ')})`;
    context.fillRect(0, 0, grid.width, grid.height);
    const { edge } = grid;
    for (let slot = 0; slot < grid.count; slot++) {
      const image = context.createImageData(edge, edge);
      const painted = paint(this.overviews[slot] ?? null, null, nTokens, viewport, edge, edge);
      image.data.set(toPixels(painted, colors));
      const { x, y } = cornerOfHead(grid, slot);
      context.putImageData(image, x, y);
    }
  }
}
