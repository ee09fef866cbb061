/** The shaders of the heatmap, and how programs are made of them. Both do what `paint` in levels.ts does. */

import { absentLevel } from '../../src/shared/colorScale';
import { hatch } from './drawing';
import { maskedPixel } from './levels';

/** One triangle over the whole canvas. */
const vertexShader = `#version 300 es
void main() {
  gl_Position = vec4(vec2((gl_VertexID & 1) * 4 - 1, (gl_VertexID >> 1) * 4 - 1), 0.0, 1.0);
}`;

/** What the shaders of both cases begin and end with; between them stands how a pixel gets its level. */
const uniforms = `#version 300 es
precision highp float;
precision highp int;
precision highp isampler2D;
uniform isampler2D overview;
uniform isampler2D exact;
uniform isampler2D windows; // strongest of windowSize x windowSize cells from each cell on; see strongestWindows.ts
uniform int windowSize;
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
`;

const main = `
void main() {
  vec2 pixel = vec2(floor(gl_FragCoord.x), floor(canvasHeight - gl_FragCoord.y));
  vec2 cell = floor((pixel + 0.5 - origin) / cellSize);
  color = vec4(background, 1.0);
  if (cell.x < 0.0 || cell.y < 0.0 || cell.x >= nTokens || cell.y >= nTokens) return;
  int level = levelOf(pixel, cell);
  if (level == masked) {
    if (mod(pixel.x + pixel.y, ${hatch.period}.0) < ${hatch.width}.0) color.rgb = hatch;
  } else if (level != absent) {
    color = texelFetch(colors, ivec2((level + 127) & 255, 0), 0);
  }
}`;

/** Cells at least as large as a pixel: it shows the one under its middle. Most frames are drawn so, with little to do. */
export const largeCells = `${uniforms}
void main() {
  vec2 middle = vec2(gl_FragCoord.x, canvasHeight - gl_FragCoord.y);
  vec2 place = (middle - origin) / cellSize;
  ivec2 cell = ivec2(floor(place));
  color = vec4(background, 1.0);
  if (min(place.x, place.y) < 0.0 || max(place.x, place.y) >= nTokens) return;
  if (cell.x > cell.y) {
    if (mod(floor(middle.x) + floor(middle.y), ${hatch.period}.0) < ${hatch.width}.0) color.rgb = hatch;
    return;
  }
  int level = sizes.y > 0 ? texelFetch(exact, cell, 0).r : absent;
  if (level == absent && sizes.x > 0) level = texelFetch(overview, ivec2(vec2(cell) / blockSize), 0).r;
  if (level != absent) color = texelFetch(colors, ivec2((level + 127) & 255, 0), 0);
}`;

/** Cells smaller than pixels, read one by one: each pixel shows the strongest that it touches. */
export const smallCells = `${uniforms}
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

int levelOf(vec2 pixel, vec2 cell) {
  int level = absent;
  if (sizes.y > 0) {
    level = strongest(exact, cellsOfPixel(pixel.y, origin.y, cellSize, sizes.y),
                             cellsOfPixel(pixel.x, origin.x, cellSize, sizes.y));
  }
  if (level == absent && sizes.x > 0) {
    float size = cellSize * blockSize;
    level = strongest(overview, cellsOfPixel(pixel.y, origin.y, size, sizes.x),
                                cellsOfPixel(pixel.x, origin.x, size, sizes.x));
  }
  return level == absent && cell.x > cell.y ? masked : level;
}${main}`;

/** Of two levels the stronger; what is absent in either is absent in both, what is masked is weaker than anything. */
export const strongerOfTwo = `
int stronger(int a, int b) {
  if (a == absent || b == absent) return absent;
  if (a == masked) return b;
  return b != masked && abs(b) > abs(a) ? b : a;
}
`;

/**
 * The same by four windows that overlap and together cover what a pixel touches: as many reads for a large map as for a
 * small one. (In the map's first row and column of pixels, where one is cut off, a few cells of the next count too.)
 * Blocks of the overview, which stands in for what has not arrived, must not be smaller than pixels.
 */
export const windowedCells = `${uniforms}${strongerOfTwo}
int levelOf(vec2 pixel, vec2 cell) {
  ivec2 first = max(ivec2(floor((pixel - origin) / cellSize)), 0);
  ivec2 end = min(ivec2(ceil((pixel + 1.0 - origin) / cellSize)), sizes.y);
  if (first.x >= end.y) return masked; // every cell that it touches is above the diagonal
  ivec2 last = max(end - windowSize, first);
  int level = stronger(
    stronger(texelFetch(windows, first, 0).r, texelFetch(windows, ivec2(last.x, first.y), 0).r),
    stronger(texelFetch(windows, ivec2(first.x, last.y), 0).r, texelFetch(windows, last, 0).r));
  if (level == absent && sizes.x > 0) {
    ivec2 block = ivec2(cell / blockSize);
    level = block.x > block.y ? masked : texelFetch(overview, block, 0).r;
  }
  return level == absent && cell.x > cell.y ? masked : level;
}${main}`;

/** @throws Error with the compiler's words, unless the context is lost: then nothing can be made. */
export function buildProgram(gl: WebGL2RenderingContext, fragmentShader: string): WebGLProgram {
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
  return program;
}

/** Where a program's uniforms are; those that it does not use are null. */
export function uniformsOf<Name extends string>(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
  names: readonly Name[],
): Readonly<Record<Name, WebGLUniformLocation | null>> {
  const found = names.map(name => [name, gl.getUniformLocation(program, name)]);
  return Object.fromEntries(found) as Record<Name, WebGLUniformLocation | null>;
}
