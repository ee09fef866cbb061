// Draws the letters of exported PNG pictures, once: src/export/glyphs.json. Needs Chromium and the font DejaVu Sans Mono.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync } from 'fflate';
import { chromium } from 'playwright-core';
import { findChromium, root } from './setup.mjs';

const family = 'DejaVu Sans Mono';
/** Pixels: two for each of a picture's. */
const cell = { width: 13, height: 26, baseline: 20, fontSize: 21.6 };
/** Latin, Greek and Cyrillic, punctuation, arrows, and the signs that stand for invisible characters. */
const blocks = [
  [0x21, 0x17f],
  [0x192, 0x192],
  [0x370, 0x45f],
  [0x490, 0x491],
  [0x2010, 0x2044],
  [0x20ac, 0x20ac],
  [0x2116, 0x2122],
  [0x2190, 0x21ff],
  [0x2200, 0x22ff],
  [0x23ce, 0x23ce],
  [0x2423, 0x2423],
  [0x2500, 0x25ff],
  [0xfffd, 0xfffd],
];

const charset = execFileSync('fc-match', ['--format', '%{charset}', family], { encoding: 'utf8' });
const covered = charset
  .trim()
  .split(' ')
  .map(range => range.split('-').map(end => Number.parseInt(end, 16)));
const has = (/** @type {number} */ code) => covered.some(([from = 0, to = from]) => code >= from && code <= to);
const characters = blocks
  .flatMap(([from = 0, to = from]) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
  .filter(has)
  .map(code => String.fromCodePoint(code))
  .filter(character => /^[^\p{C}\p{Z}\p{M}]$/u.test(character));

const browser = await chromium.launch({
  executablePath: findChromium() ?? '',
  args: ['--no-sandbox', '--disable-lcd-text'],
});
/** 16 levels, two pixels a byte. */
const packed = await (await browser.newPage()).evaluate(
  ({ characters, cell, family }) => {
    const { width, height, baseline, fontSize } = cell;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
    context.font = `${fontSize}px "${family}"`;
    const levels = characters.flatMap(character => {
      context.clearRect(0, 0, width, height);
      context.fillText(character, 0, baseline);
      const { data } = context.getImageData(0, 0, width, height);
      return Array.from({ length: width * height }, (_, i) => Math.round((data[i * 4 + 3] ?? 0) / 17));
    });
    return Array.from({ length: levels.length / 2 }, (_, i) => (levels[2 * i] ?? 0) * 16 + (levels[2 * i + 1] ?? 0));
  },
  { characters, cell, family },
);
await browser.close();
const { width, height, baseline } = cell;
const levels = Buffer.from(deflateSync(Uint8Array.from(packed), { level: 9 })).toString('base64');
const glyphs = { width, height, baseline, characters: characters.join(''), levels };
writeFileSync(join(root, 'src', 'export', 'glyphs.json'), `${JSON.stringify(glyphs, null, 1)}\n`);
console.log(`${characters.length} characters, ${levels.length} characters of base64`);
