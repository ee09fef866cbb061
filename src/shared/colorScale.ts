/**
 * From a signed value to a color: a diverging scale, centered on zero, in 255 steps.
 *
 * The hues are ColorBrewer's as d3-scale-chromatic interpolates them, by default RdBu: blue for positive values, red for
 * negative ones. ColorBrewer lists all those offered here as distinguishable in every common form of color blindness. Zero,
 * and what is near it, is the background of the theme; the first step has a contrast of 3 : 1 with it. On a light
 * background magnitude darkens the color, on a dark one it lightens it, so a stronger cell always stands out more.
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

/** How magnitudes are spread over the scale: as they are, or weak ones further apart. */
export const scaleKinds = ['power', 'linear'] as const;
export type ScaleKind = (typeof scaleKinds)[number];
/** A step of the scale is magnitude to the power of this. */
export const scaleExponents: Readonly<Record<ScaleKind, number>> = { power: 0.6, linear: 1 };

/** Magnitude, as a part of the scale's end, below which a cell is drawn like zero. */
export const blankBelow = 0.03;

/** On dark backgrounds the strongest color is this far from the middle of d3's scale (its middle is white). */
const darkEnd = 0.35;
/** WCAG 2.2, success criterion 1.4.11, asks for 3 : 1. */
const firstContrast = 3.05;

/** Of the magnitudes of a map, this part is at most the end of its power scale. */
const percentile = 0.995;

/**
 * The magnitude at the ends of a scale: the largest one, or on a power scale a high percentile, so that a few strong
 * cells do not leave all others pale.
 * @param magnitudes of the cells that are not masked, or of the strongest of `count` cells. Sorted in place.
 */
export function scaleEnd(magnitudes: Float32Array, kind: ScaleKind, count = magnitudes.length): number {
  magnitudes.sort();
  const nBeyond = kind === 'linear' ? 0 : count - Math.ceil(percentile * count);
  // A head that looks at very few places: all but those are zero.
  return magnitudes[Math.max(0, magnitudes.length - 1 - nBeyond)] || (magnitudes.at(-1) ?? 0);
}

/**
 * The step of the scale that a value is drawn in.
 * @param max magnitude at the ends of the scale; stronger values are drawn as the end itself.
 */
export function levelOf(value: number, max: number, kind: ScaleKind = 'linear'): number {
  if (Number.isNaN(value)) return nanLevel;
  if (value === 0 || !(max > 0)) return 0;
  const part = Math.min(1, Math.abs(value) / max);
  if (!(part >= blankBelow)) return 0;
  const rank = ((part - blankBelow) / (1 - blankBelow)) ** scaleExponents[kind];
  return Math.sign(value) * (1 + Math.round(rank * (maxLevel - 1)));
}

/** The magnitude, as a part of the scale's end, that a part of the way along the scale stands for: inverts `levelOf`. */
export function partAt(way: number, kind: ScaleKind): number {
  return blankBelow + (1 - blankBelow) * way ** (1 / scaleExponents[kind]);
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
  table.set([...background, 255], maxLevel * 4);
  for (const sign of [-1, 1]) {
    const [first, last] = stepsOf(sign, background, isDark, colorMap);
    for (let level = 1; level <= maxLevel; level++) {
      const way = first + ((last - first) * (level - 1)) / (maxLevel - 1);
      table.set([...hueAt(sign * way, colorMap), 255], (maxLevel + sign * level) * 4);
    }
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

/** The color of the first and of the last step of one sign, as distances from the middle of d3's scale. */
function stepsOf(sign: number, background: Rgb, isDark: boolean, colorMap: ColorMap): readonly [number, number] {
  const [from, to] = isDark ? [1, darkEnd] : [0, 1];
  const ways = Array.from({ length: 201 }, (_, i) => from + ((to - from) * i) / 200);
  const first = ways.find(way => contrast(hueAt(sign * way, colorMap), background) >= firstContrast);
  return [first ?? (from + to) / 2, to];
}

function hueAt(fromMiddle: number, colorMap: ColorMap): Rgb {
  return parseColor(colorMaps[colorMap].interpolate(0.5 + 0.5 * fromMiddle))!;
}

/** The contrast ratio of two colors as WCAG defines it, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** How a map is drawn in a picture. */
export interface PictureStyle {
  readonly colorMap: ColorMap;
  readonly scale: ScaleKind;
}
