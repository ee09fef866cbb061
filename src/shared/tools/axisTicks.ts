/** What is written along an axis of the map: every token where there is room, round numbers where there is not. */

export interface Tick {
  readonly idx: number;
  /** Middle of the cell, in CSS pixels along the axis. */
  readonly at: number;
  readonly text: string;
}

/** Room that one line of text needs. */
const lineHeight = 13;
const numberSpacing = 44;

export function showsTokens(cellSize: number): boolean {
  return cellSize >= lineHeight;
}

/** @param length of the axis and `origin` of token 0 on it, in CSS pixels. */
export function axisTicks(
  origin: number,
  cellSize: number,
  length: number,
  nTokens: number,
  label: (idx: number) => string,
): Tick[] {
  const step = showsTokens(cellSize) ? 1 : roundStep(numberSpacing / cellSize);
  const ticks: Tick[] = [];
  const first = Math.max(0, Math.ceil((-origin / cellSize - 0.5) / step) * step);
  for (let idx = first; idx < nTokens; idx += step) {
    const at = origin + (idx + 0.5) * cellSize;
    if (at > length) break;
    ticks.push({ idx, at, text: step === 1 && showsTokens(cellSize) ? label(idx) : String(idx) });
  }
  return ticks;
}

/** The smallest of 1, 2, 5, 10, 20, 50, … that is at least `atLeast`. */
export function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, atLeast)));
  const factor = [1, 2, 5, 10].find(candidate => candidate * power >= atLeast) ?? 10;
  return factor * power;
}
