/**
 * From a signed value to a colour: a diverging scale, centred on zero, in 255 steps.
 *
 * The hues are ColorBrewer's as d3-scale-chromatic interpolates them, by default RdBu: blue for positive values, red for
 * negative ones. ColorBrewer lists all those offered here as distinguishable in every common form of color blindness. Zero is
 * the background of the theme. On a light background magnitude darkens the colour, on a dark one it lightens it, so a
 * stronger cell always stands out more.
 */

import { interpolateBrBG, interpolatePRGn, interpolatePuOr, interpolateRdBu } from 'd3-scale-chromatic';

export type Rgb = readonly [red: number, green: number, blue: number];

/** The diverging maps on offer, by the colours of values below and above zero. */
export const colorMaps = {
  redBlue: { negative: 'red', positive: 'blue', interpolate: interpolateRdBu },
  orangePurple: { negative: 'orange', positive: 'purple', interpolate: (t: number) => interpolatePuOr(1 - t) },
  purpleGreen: { negative: 'purple', positive: 'green', interpolate: interpolatePRGn },
  brownTeal: { negative: 'brown', positive: 'teal', interpolate: interpolateBrBG },
} as const;
export type ColorMap = keyof typeof colorMaps;
export const defaultColorMap: ColorMap = 'redBlue';

export function isColorMap(value: unknown): value is ColorMap {
  return typeof value === 'string' && Object.hasOwn(colorMaps, value);
}

/** Levels run from -maxLevel to maxLevel; both overviews and exact tiles are drawn in these steps. */
export const maxLevel = 127;
/** The level of a value that is not a number. Its magnitude beats every other, so pooling never hides it. */
export const nanLevel = -128;
/** The level of a cell whose value has not arrived. */
export const absentLevel = -32768;

/** What is not a number is drawn in a hue that the scale does not contain. */
export const nanColor: Rgb = [200, 160, 0];

/** Magnitude, as a part of the maximum, below which colours fade into the background. */
const fade = 0.12;
/** On dark backgrounds the strongest colour is this far from the middle of d3's scale (its middle is white). */
const darkEnd = 0.4;

/**
 * The step of the scale that a value is drawn in.
 * @param max magnitude at the ends of the scale; stronger values are drawn as the end itself.
 */
export function levelOf(value: number, max: number): number {
  if (Number.isNaN(value)) return nanLevel;
  if (value === 0 || !(max > 0)) return 0;
  return Math.max(-maxLevel, Math.min(maxLevel, Math.round((value / max) * maxLevel)));
}

/**
 * One RGBA colour per level, 256 in all: level L at index L + 127, `nanColor` last.
 * @param background the colour of zero.
 */
export function bakeColors(
  background: Rgb,
  isDark = luminance(background) < 0.4,
  colorMap: ColorMap = defaultColorMap,
): Uint8Array {
  const table = new Uint8Array(256 * 4);
  for (let level = -maxLevel; level <= maxLevel; level++) {
    table.set([...colorAt(level / maxLevel, background, isDark, colorMap), 255], (level + maxLevel) * 4);
  }
  table.set([...nanColor, 255], 255 * 4);
  return table;
}

/** The colour of a level in a table made by `bakeColors`. */
export function colorOf(table: Uint8Array, level: number): Rgb {
  const at = ((level + maxLevel) & 255) * 4;
  return [table[at]!, table[at + 1]!, table[at + 2]!];
}

/** Relative luminance as WCAG defines it, 0 (black) to 1 (white). */
export function luminance([red, green, blue]: Rgb): number {
  const linear = (channel: number) => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** Reads the CSS forms that browsers and themes give: #rgb, #rrggbb, #rrggbbaa, rgb(…), rgba(…). */
export function parseColor(css: string): Rgb | undefined {
  const hex = /^#([0-9a-f]{3,8})$/i.exec(css.trim())?.[1];
  if (hex) {
    const digits = hex.length < 6 ? [...hex].map(digit => digit + digit).join('') : hex;
    const channel = (at: number) => Number.parseInt(digits.slice(at, at + 2), 16);
    return [channel(0), channel(2), channel(4)];
  }
  const channels = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/i.exec(css.trim());
  return channels ? [Number(channels[1]), Number(channels[2]), Number(channels[3])] : undefined;
}

/** @param part of the maximum, -1 to 1. */
function colorAt(part: number, background: Rgb, isDark: boolean, colorMap: ColorMap): Rgb {
  const magnitude = Math.abs(part);
  const fromMiddle = isDark ? 1 - (1 - darkEnd) * magnitude : magnitude;
  const { interpolate } = colorMaps[colorMap];
  const hue = parseColor(interpolate(0.5 + 0.5 * Math.sign(part) * fromMiddle)) ?? background;
  const opacity = Math.min(1, magnitude / fade);
  const mix = (from: number, to: number) => Math.round(from + (to - from) * opacity);
  return [mix(background[0], hue[0]), mix(background[1], hue[1]), mix(background[2], hue[2])];
}

/** How a map is drawn in a picture. */
export interface PictureStyle {
  readonly colorMap: ColorMap;
  /** The scale leaves out the first key, on which many heads rest. */
  readonly leavesOutFirst: boolean;
}
