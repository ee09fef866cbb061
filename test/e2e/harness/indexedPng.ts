// Screenshots as PNGs of 256 colors, a third as large as with all of them; several frames are an animation:
// https://www.w3.org/TR/png-3/#apng-frame-based-animation
import { crc32, deflateSync } from 'node:zlib';
import { decode } from 'fast-png';

const nColors = 256;

/** @param screenshots PNG files of one size. @param frameMs how long each is shown, where there are several. */
export function indexedPng(screenshots: readonly Buffer[], frameMs = 0): Buffer {
  const frames = screenshots.map(screenshot => decode(screenshot));
  const [first] = frames;
  if (!first) throw new RangeError('A picture needs a frame.');
  const { width, height } = first;
  if (frames.some(frame => frame.width !== width || frame.height !== height))
    throw new RangeError('Frames differ in size.');
  const colors = frames.map(({ data, channels }) =>
    Uint32Array.from({ length: width * height }, (_, i) => {
      const at = i * channels;
      return (data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!;
    }),
  );
  const palette = paletteOf(colors);
  const nearest = new Map<number, number>();
  const rows = colors.map(pixels => {
    const bytes = Buffer.alloc((width + 1) * height);
    pixels.forEach((color, i) => {
      let index = nearest.get(color);
      if (index === undefined) {
        index = closest(palette, color);
        nearest.set(color, index);
      }
      bytes[i + Math.floor(i / width) + 1] = index;
    });
    return deflateSync(bytes, { level: 9 });
  });
  const entries = Buffer.from(palette.flatMap(color => [color >> 16, (color >> 8) & 255, color & 255]));
  const parts = [
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', words(width, height), Buffer.from([8, 3, 0, 0, 0])),
    chunk('PLTE', entries),
  ];
  if (frames.length === 1) return Buffer.concat([...parts, chunk('IDAT', rows[0]!), chunk('IEND')]);
  parts.push(chunk('acTL', words(frames.length, 0)));
  let sequence = 0;
  for (const [i, data] of rows.entries()) {
    parts.push(chunk('fcTL', words(sequence++, width, height, 0, 0), halves(frameMs, 1000), Buffer.from([0, 0])));
    parts.push(i === 0 ? chunk('IDAT', data) : chunk('fdAT', words(sequence++), data));
  }
  return Buffer.concat([...parts, chunk('IEND')]);
}

/** The most frequent color of each of the most frequent kinds of color. */
function paletteOf(frames: readonly Uint32Array[]): number[] {
  const counts = new Map<number, number>();
  for (const pixels of frames) for (const color of pixels) counts.set(color, (counts.get(color) ?? 0) + 1);
  const kinds = new Map<number, { color: number; most: number; total: number }>();
  for (const [color, count] of counts) {
    const kind = color & 0xf8f8f8;
    const known = kinds.get(kind) ?? { color, most: 0, total: 0 };
    known.total += count;
    if (count > known.most) [known.color, known.most] = [color, count];
    kinds.set(kind, known);
  }
  return [...kinds.values()]
    .sort((a, b) => b.total - a.total)
    .slice(0, nColors)
    .map(({ color }) => color);
}

function closest(palette: readonly number[], color: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [i, other] of palette.entries()) {
    const [red, green, blue] = [16, 8, 0].map(shift => ((color >> shift) & 255) - ((other >> shift) & 255)) as [
      ...[number, number, number],
    ];
    const distance = red * red + green * green + blue * blue;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function chunk(type: string, ...data: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), ...data]);
  return Buffer.concat([words(body.length - 4), body, words(crc32(body))]);
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) buffer.writeUInt32BE(value, 4 * i);
  return buffer;
}

function halves(...values: number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length);
  for (const [i, value] of values.entries()) buffer.writeUInt16BE(value, 2 * i);
  return buffer;
}
