/**
 * Draws with WebGL2: levels as 16-bit integer textures, colours through a lookup texture, one triangle over the canvas.
 * The fragment shader does what `paint` in levels.ts does; the tests hold `paint`, the pictures hold both.
 */

import { absentLevel } from '../../src/shared/colorScale';
import { hatch, type MapColors, type Renderer } from './drawing';
import { type LevelGrid, maskedPixel } from './levels';
import type { TileRect } from './tiles';
import type { Viewport } from './viewport';

const vertexShader = `#version 300 es
void main() {
  vec2 corner = vec2((gl_VertexID & 1) * 4 - 1, (gl_VertexID >> 1) * 4 - 1);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const fragmentShader = `#version 300 es
precision highp float;
precision highp int;
precision highp isampler2D;
uniform isampler2D overview;
uniform isampler2D exact;
uniform sampler2D colors;
uniform ivec2 sizes;       // edges of overview and exact; 0 where there is none
uniform float blockSize;   // of the overview
uniform vec2 origin;       // of the map on the canvas, in device pixels
uniform float cellSize;
uniform float nTokens;
uniform float canvasHeight;
uniform vec3 background;
uniform vec3 hatch;
out vec4 color;
const int absent = ${absentLevel};
const int masked = ${maskedPixel};

ivec2 cellsOfPixel(float pixel, float start, float size, int count) {
  bool isLarge = size >= 1.0;
  int first = int(floor((pixel + (isLarge ? 0.5 : 0.0) - start) / size));
  int end = isLarge ? first + 1 : int(ceil((pixel + 1.0 - start) / size));
  return ivec2(max(0, first), min(count, end));
}

int strongest(isampler2D grid, ivec2 queries, ivec2 keys) {
  int found = masked;
  for (int i = queries.x; i < queries.y; i++) {
    for (int j = keys.x; j < keys.y && j <= i; j++) {
      int level = texelFetch(grid, ivec2(j, i), 0).r;
      if (level == absent) return absent;
      if (found == masked || abs(level) > abs(found)) found = level;
    }
  }
  return found;
}

void main() {
  vec2 pixel = vec2(floor(gl_FragCoord.x), floor(canvasHeight - gl_FragCoord.y));
  vec2 cell = floor((pixel + 0.5 - origin) / cellSize);
  color = vec4(background, 1.0);
  if (cell.x < 0.0 || cell.y < 0.0 || cell.x >= nTokens || cell.y >= nTokens) return;
  bool isAbove = cell.x > cell.y;
  int level = absent;
  if (isAbove && cellSize >= 1.0) level = masked;
  if (level == absent && sizes.y > 0) {
    level = strongest(exact, cellsOfPixel(pixel.y, origin.y, cellSize, sizes.y),
                             cellsOfPixel(pixel.x, origin.x, cellSize, sizes.y));
  }
  if (level == absent && sizes.x > 0) {
    float size = cellSize * blockSize;
    level = strongest(overview, cellsOfPixel(pixel.y, origin.y, size, sizes.x),
                                cellsOfPixel(pixel.x, origin.x, size, sizes.x));
  }
  if (level == absent && isAbove) level = masked;
  if (level == masked) {
    if (mod(pixel.x + pixel.y, ${hatch.period}.0) < ${hatch.width}.0) color.rgb = hatch;
  } else if (level != absent) {
    color = texelFetch(colors, ivec2((level + 127) & 255, 0), 0);
  }
}`;

const uniformNames = [
  'overview',
  'exact',
  'colors',
  'sizes',
  'blockSize',
  'origin',
  'cellSize',
  'nTokens',
  'canvasHeight',
  'background',
  'hatch',
] as const;

export class WebGlRenderer implements Renderer {
  readonly kind = 'webgl2';
  private uniforms: Partial<Record<(typeof uniformNames)[number], WebGLUniformLocation | null>> = {};
  private colors: MapColors | null = null;
  private overview: LevelGrid | null = null;
  private exact: LevelGrid | null = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    onRestore: () => void,
  ) {
    this.prepare();
    canvas.addEventListener('webglcontextlost', event => event.preventDefault());
    canvas.addEventListener('webglcontextrestored', () => {
      this.prepare();
      if (this.colors) this.setColors(this.colors);
      this.setGrids(this.overview, this.exact);
      onRestore();
    });
  }

  setColors(colors: MapColors): void {
    const { gl } = this;
    this.colors = colors;
    gl.activeTexture(gl.TEXTURE2);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colors.table);
  }

  setGrids(overview: LevelGrid | null, exact: LevelGrid | null): void {
    this.overview = overview;
    this.exact = exact && exact.size <= this.gl.getParameter(this.gl.MAX_TEXTURE_SIZE) ? exact : null;
    this.upload(this.gl.TEXTURE0, this.overview);
    this.upload(this.gl.TEXTURE1, this.exact);
  }

  updateExact(rect: TileRect): void {
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
      gl.RED_INTEGER,
      gl.SHORT,
      exact.levels,
      0,
    );
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, 0);
  }

  draw(nTokens: number, viewport: Viewport): void {
    const { gl, uniforms, canvas } = this;
    if (!this.colors || gl.isContextLost()) return;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.uniform2i(uniforms.sizes!, this.overview?.size ?? 0, this.exact?.size ?? 0);
    gl.uniform1f(uniforms.blockSize!, this.overview?.blockSize ?? 1);
    gl.uniform2f(uniforms.origin!, viewport.originX, viewport.originY);
    gl.uniform1f(uniforms.cellSize!, viewport.cellSize);
    gl.uniform1f(uniforms.nTokens!, nTokens);
    gl.uniform1f(uniforms.canvasHeight!, canvas.height);
    gl.uniform3fv(
      uniforms.background!,
      this.colors.background.map(channel => channel / 255),
    );
    gl.uniform3fv(
      uniforms.hatch!,
      this.colors.hatch.map(channel => channel / 255),
    );
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private prepare(): void {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, vertexShader],
      [gl.FRAGMENT_SHADER, fragmentShader],
    ] as const) {
      const shader = gl.createShader(type)!;
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`Cannot build the heatmap's shader: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    this.uniforms = Object.fromEntries(uniformNames.map(name => [name, gl.getUniformLocation(program, name)]));
    gl.uniform1i(this.uniforms.overview!, 0);
    gl.uniform1i(this.uniforms.exact!, 1);
    gl.uniform1i(this.uniforms.colors!, 2);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    for (const unit of [gl.TEXTURE0, gl.TEXTURE1, gl.TEXTURE2]) {
      gl.activeTexture(unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    }
    this.upload(gl.TEXTURE0, null);
    this.upload(gl.TEXTURE1, null);
  }

  /** A texture unit without data still needs one of the type its sampler reads. */
  private upload(unit: number, grid: LevelGrid | null): void {
    const { gl } = this;
    const { size, levels } = grid ?? { size: 1, levels: new Int16Array([absentLevel]) };
    gl.activeTexture(unit);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16I, size, size, 0, gl.RED_INTEGER, gl.SHORT, levels);
  }
}
