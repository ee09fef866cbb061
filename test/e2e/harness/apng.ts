// Animated PNGs of screenshots: https://www.w3.org/TR/png-3/#apng-frame-based-animation
import { crc32 } from 'node:zlib';
import { decode } from 'fast-png';

/** Frames of the same size as one animation that repeats for ever. */
export function apng(frames: readonly Buffer[], frameMs: number): Buffer {
  const [first] = frames;
  if (!first) throw new RangeError('An animation needs a frame.');
  const { width, height } = decode(first);
  let sequence = 0;
  const control = () =>
    chunk('fcTL', words(sequence++, width, height, 0, 0), halves(frameMs, 1000), Buffer.from([0, 0]));
  const parts = [first.subarray(0, 8), chunk('IHDR', dataOf(first, 'IHDR')), chunk('acTL', words(frames.length, 0))];
  for (const [i, frame] of frames.entries()) {
    if (!dataOf(frame, 'IHDR').equals(dataOf(first, 'IHDR'))) throw new RangeError(`Frame ${i} has another format.`);
    parts.push(control());
    const image = dataOf(frame, 'IDAT');
    parts.push(i === 0 ? chunk('IDAT', image) : chunk('fdAT', words(sequence++), image));
  }
  return Buffer.concat([...parts, chunk('IEND')]);
}

/** All data of a PNG's chunks of one type. */
function dataOf(png: Buffer, type: string): Buffer {
  const found: Buffer[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === type) found.push(png.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return Buffer.concat(found);
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
