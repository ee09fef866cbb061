/** The shaders of the heatmap, and how programs are made of them. Both do what `paint` in levels.ts does. */

import { absentLevel } from '../../src/shared/colorScale';
import { type DeviceViewport, inUnits, type MapColors, maskedPixel } from './levels';

/** One triangle over the whole canvas. */
const vertexShader = `#version 300 es
void main() {
  gl_Position = vec4(vec2((gl_VertexID & 1) * 4 - 1, (gl_VertexID >> 1) * 4 - 1), 0.0, 1.0);
}`;

/**
 * How shaders read cells: as the two bytes of a level, the low one first. `texture` with normalised bytes takes far less
 * time than integers by `texelFetch` where there is no GPU.
 */
export const cellBytes = `
bool isAbsent(vec2 bytes) { return abs(bytes.g - 0.5) < 0.25; } // ${absentLevel} alone has a high byte of 128
int levelIn(vec2 bytes) {
  int low = int(bytes.r * 255.0 + 0.5);
  return low < 128 ? low : low - 256;
}
`;

/** Where units of pixels and the masked half are; see `inUnits` and `paint` in levels.ts. */
const geometry = `
uniform float unit;          // edge of the squares of pixels that are drawn alike
uniform vec2 corner;         // pixel at which unit 0 begins
uniform vec2 origin;         // of the map, in units
uniform float cellsPerUnit;
uniform float nTokens;
uniform float firstKey;      // those before it are drawn beside the map
uniform float canvasHeight;
uniform vec3 background;
uniform vec3 maskedColor;
uniform vec3 edgeColor;
out vec4 color;

/** The upper left corner of the pixel, from the upper left one of the canvas. */
vec2 pixelHere() { return floor(vec2(gl_FragCoord.x, canvasHeight - gl_FragCoord.y)); }
vec2 unitOf(vec2 pixel) { return unit > 1.0 ? floor((pixel - corner) / unit) : pixel; }
vec2 cellOf(vec2 unitHere) { return floor((unitHere + 0.5 - origin) * cellsPerUnit); }
bool isOutside(vec2 cell) { return min(cell.x, cell.y) < 0.0 || max(cell.x, cell.y) >= nTokens; }

/** The first cell that a unit shows. */
vec2 firstOf(vec2 unitHere) {
  return max(cellsPerUnit > 1.0 ? floor((unitHere - origin) * cellsPerUnit) : cellOf(unitHere), 0.0);
}
/** The one after its last. */
vec2 endOf(vec2 unitHere) {
  return cellsPerUnit > 1.0 ? ceil((unitHere + 1.0 - origin) * cellsPerUnit) : firstOf(unitHere) + 1.0;
}
bool isMasked(vec2 pixel) {
  vec2 unitHere = unitOf(pixel);
  return firstOf(unitHere).x >= endOf(unitHere).y;
}
vec4 masked(vec2 pixel) {
  bool isInside = isMasked(pixel - vec2(1.0, 0.0)) && isMasked(pixel + vec2(0.0, 1.0));
  return vec4(isInside ? maskedColor : edgeColor, 1.0);
}
`;

/** What the shaders of all cases begin with, and what they share. */
const common = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D overview;
uniform sampler2D exact;
uniform sampler2D windows;   // strongest of windowSize x windowSize cells from each cell on; see strongestWindows.ts
uniform float windowSize;
uniform sampler2D colors;    // by the low byte of a level; below them by rank, see strongestWindows.ts
uniform vec2 sizes;          // edges of overview and exact; 0 where there is none
uniform float blockSize;     // of the overview
${geometry}
${cellBytes}
vec2 blockAt(vec2 block) { return textureLod(overview, (block + 0.5) / sizes.x, 0.0).rg; }
vec4 colorOf(vec2 bytes) { return textureLod(colors, vec2(bytes.r, 0.25), 0.0); }
`;

/** Cells at least as large as a unit: it shows the one under its middle. Most frames are drawn so, with little to do. */
export const largeCells = `${common}
void main() {
  vec2 pixel = pixelHere();
  vec2 cell = cellOf(unitOf(pixel));
  color = vec4(background, 1.0);
  if (isOutside(cell)) return;
  if (cell.x > cell.y) {
    color = masked(pixel);
    return;
  }
  if (cell.x < firstKey) return;
  vec2 found = textureLod(exact, (cell + 0.5) / nTokens, 0.0).rg;
  if (isAbsent(found)) {
    if (sizes.x < 1.0) return;
    found = blockAt(floor(cell / blockSize));
  }
  color = colorOf(found);
}`;

/** Cells smaller than units, read one by one: each unit shows the strongest that it touches. */
export const smallCells = `${common}
const int absent = ${absentLevel};
const int maskedLevel = ${maskedPixel};

ivec2 cellsOfUnit(float unitHere, float start, float perUnit, int count) {
  bool isLarge = perUnit <= 1.0;
  int first = int(floor((unitHere + (isLarge ? 0.5 : 0.0) - start) * perUnit));
  int end = isLarge ? first + 1 : int(ceil((unitHere + 1.0 - start) * perUnit));
  return ivec2(max(0, first), min(count, end));
}

int strongest(sampler2D grid, ivec2 queries, ivec2 keys) {
  int found = maskedLevel;
  for (int i = queries.x; i < queries.y; i++) {
    for (int j = keys.x; j < keys.y && j <= i; j++) {
      vec2 bytes = texelFetch(grid, ivec2(j, i), 0).rg;
      if (isAbsent(bytes)) return absent;
      int level = levelIn(bytes);
      if (found == maskedLevel || abs(level) > abs(found)) found = level;
    }
  }
  return found;
}

int strongestIn(sampler2D grid, vec2 unitHere, float perUnit, int size, int first) {
  ivec2 keys = cellsOfUnit(unitHere.x, origin.x, perUnit, size);
  return strongest(grid, cellsOfUnit(unitHere.y, origin.y, perUnit, size), ivec2(max(keys.x, first), keys.y));
}

void main() {
  vec2 pixel = pixelHere();
  vec2 unitHere = unitOf(pixel);
  color = vec4(background, 1.0);
  if (isOutside(cellOf(unitHere))) return;
  if (isMasked(pixel)) {
    color = masked(pixel);
    return;
  }
  int level = absent;
  ivec2 edges = ivec2(sizes);
  if (edges.y > 0) level = strongestIn(exact, unitHere, cellsPerUnit, edges.y, int(firstKey));
  if (level == absent && edges.x > 0) {
    level = strongestIn(overview, unitHere, cellsPerUnit / blockSize, edges.x, int(ceil(firstKey / blockSize)));
  }
  if (level != absent && level != maskedLevel) color = colorOf(vec2(float(level & 255) / 255.0, 0.0));
}`;

/**
 * The same by four windows that overlap and together cover what a unit touches: as many reads for a large map as for a
 * small one. (In the map's first row and column of units, where one is cut off, a few cells of the next count too.)
 * Blocks of the overview, which stands in for what has not arrived, must not be smaller than units.
 */
export const windowedCells = `${common}
vec2 windowAt(float key, float query) { return textureLod(windows, vec2(key, query), 0.0).rg; }

void main() {
  vec2 pixel = pixelHere();
  vec2 unitHere = unitOf(pixel);
  vec2 cell = cellOf(unitHere);
  color = vec4(background, 1.0);
  if (isOutside(cell)) return;
  vec2 first = firstOf(unitHere);
  vec2 end = endOf(unitHere);
  if (first.x >= end.y) { // every cell that it touches is above the diagonal
    color = masked(pixel);
    return;
  }
  first.x = max(first.x, firstKey);
  end = min(end, nTokens);
  if (first.x >= end.x || first.x >= end.y) return;
  vec2 a = (first + 0.5) / nTokens;
  vec2 b = (max(end - windowSize, first) + 0.5) / nTokens;
  vec2 found = max(max(windowAt(a.x, a.y), windowAt(b.x, a.y)), max(windowAt(a.x, b.y), windowAt(b.x, b.y)));
  if (found.g < 0.5) {
    color = textureLod(colors, vec2(found.r, 0.75), 0.0);
    return;
  }
  vec2 block = floor(cell / blockSize);
  if (sizes.x >= 1.0 && block.x <= block.y && block.x >= ceil(firstKey / blockSize)) color = colorOf(blockAt(block));
}`;

/** The maps of several heads on one canvas, on one viewport; see headGridRenderer.ts. */
export const headCells = `#version 300 es
precision highp float;
precision highp sampler2DArray;
uniform sampler2DArray overviews; // one layer per head
uniform sampler2DArray exact;     // of the part
uniform sampler2D colors;
uniform vec2 pitch;
uniform float edge;
uniform float header;
uniform float columns;
uniform float count;
uniform float overviewSize;
uniform float blockSize;
uniform vec4 part;                // first key and query, number of keys and queries; 0 for none
${geometry}
${cellBytes}
vec2 blockAt(vec2 block, float head) {
  return textureLod(overviews, vec3((block + 0.5) / overviewSize, head), 0.0).rg;
}

/** Of the blocks that a unit touches the one with the strongest level; none is absent when one is not. */
vec2 strongest(vec2 first, vec2 last, float head) {
  vec2 found = blockAt(vec2(min(first.x, last.y), last.y), head);
  for (float i = first.y; i <= last.y; i++) {
    for (float j = first.x; j <= min(last.x, i); j++) {
      vec2 bytes = blockAt(vec2(j, i), head);
      if (abs(levelIn(bytes)) > abs(levelIn(found))) found = bytes;
    }
  }
  return found;
}

void main() {
  vec2 pixel = pixelHere();
  vec2 place = floor(pixel / pitch);
  float head = place.y * columns + place.x;
  vec2 local = pixel - place * pitch - vec2(0.0, header);
  color = vec4(background, 1.0);
  if (local.y < 0.0 || max(local.x, local.y) >= edge || place.x >= columns || head >= count) return;
  vec2 unitHere = unitOf(local);
  vec2 cell = cellOf(unitHere);
  if (isOutside(cell)) return;
  if (isMasked(local)) {
    color = masked(local);
    return;
  }
  float perUnit = cellsPerUnit / blockSize;
  vec2 found = vec2(-1.0);
  if (perUnit > 1.0) {
    vec2 start = (unitHere - origin) * perUnit;
    vec2 first = max(floor(start), ceil(firstKey / blockSize));
    vec2 last = min(ceil(start + perUnit), overviewSize) - 1.0;
    first.y = max(floor(start.y), 0.0);
    if (first.x <= last.y && first.x <= last.x) found = strongest(first, last, head);
  } else if (cell.x >= firstKey) {
    vec2 at = cell - part.xy;
    vec2 block = floor(cell / blockSize);
    if (min(at.x, at.y) >= 0.0 && at.x < part.z && at.y < part.w) {
      found = textureLod(exact, vec3((at + 0.5) / part.zw, head), 0.0).rg;
    } else if (block.x <= block.y && block.x >= ceil(firstKey / blockSize)) found = blockAt(block, head);
  }
  if (found.r >= 0.0 && !isAbsent(found)) color = textureLod(colors, vec2(found.r, 0.25), 0.0);
}`;

/** The uniforms of a viewport and its colors. */
export const geometryUniforms = [
  ...['unit', 'corner', 'origin', 'cellsPerUnit', 'nTokens', 'firstKey', 'canvasHeight'],
  ...['background', 'maskedColor', 'edgeColor'],
] as const;
type GeometryUniforms = Readonly<Record<(typeof geometryUniforms)[number], WebGLUniformLocation | null>>;

/** Sets them for the program in use. */
export function setGeometry(
  gl: WebGL2RenderingContext,
  uniforms: GeometryUniforms,
  nTokens: number,
  viewport: DeviceViewport,
  { background, masked, edge }: MapColors,
): void {
  const { originX, originY, cellSize, cornerX, cornerY } = inUnits(viewport);
  gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
  gl.uniform1f(uniforms.unit, viewport.unit);
  gl.uniform2f(uniforms.corner, cornerX, cornerY);
  gl.uniform2f(uniforms.origin, originX, originY);
  gl.uniform1f(uniforms.cellsPerUnit, 1 / cellSize);
  gl.uniform1f(uniforms.nTokens, nTokens);
  gl.uniform1f(uniforms.firstKey, viewport.firstKey);
  gl.uniform1f(uniforms.canvasHeight, gl.drawingBufferHeight);
  for (const [uniform, color] of [
    [uniforms.background, background],
    [uniforms.maskedColor, masked],
    [uniforms.edgeColor, edge],
  ] as const) {
    gl.uniform3f(uniform, color[0] / 255, color[1] / 255, color[2] / 255);
  }
}

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
