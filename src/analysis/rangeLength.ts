/**
 * How many tokens are inspected at once where the settings leave it open: as many as this machine was measured to bring a
 * first map of within a moment, up to the model's context.
 */

import type { Memento } from 'vscode';

/** Tokens of a model's first run, which is measured. */
export const firstLength = 512;
/** How long the first map may take. */
const firstMapMs = 1500;
/** The shortest range that is chosen: less is hardly a text. */
const leastLength = 128;
/** Longer ranges are approached in steps, each of them measured. */
const largestStep = 2;
/** Ranges end at a multiple of it, so that small differences of speed do not change them. */
const grain = 64;

const storeKey = 'mtaInspector.firstMapTimes';
const maxModels = 50;

/** A run that was measured: its tokens, and how long its first map took. */
export interface FirstMapTime {
  readonly nTokens: number;
  readonly ms: number;
}

/**
 * The number of tokens whose first map takes `firstMapMs` by a measured run. Attention grows with the square of the
 * length, everything else with the length; the square is taken for longer ranges and the length for shorter ones, so that
 * neither promises too much.
 */
export function lengthFor({ nTokens, ms }: FirstMapTime): number {
  const ratio = firstMapMs / Math.max(1, ms);
  const length = nTokens * (ratio > 1 ? Math.min(largestStep, Math.sqrt(ratio)) : ratio);
  return Math.max(leastLength, Math.floor(length / grain) * grain);
}

/** Measurements kept of a model: of the last few runs the fastest counts, as the machine may have been busy. */
const maxTimes = 3;

export class RangeLength {
  constructor(private readonly memory: Memento) {}

  /** @param model what runs: its folder and what runs it. */
  of(model: string): number {
    return Math.max(0, ...this.times(model).map(lengthFor)) || firstLength;
  }

  /** The run that the length comes from; undefined before the first. */
  measured(model: string): FirstMapTime | undefined {
    const length = this.of(model);
    return this.times(model).find(time => lengthFor(time) === length);
  }

  /**
   * A run that computed all its tokens is done.
   * @param isCold whether the model was just loaded: such a run is slower than the next one and shortens no range.
   */
  add(model: string, time: FirstMapTime, isCold: boolean): void {
    // Short runs say too little of long ones.
    const isTelling = time.nTokens >= this.of(model) / 2 || lengthFor(time) < time.nTokens;
    if (!isTelling || (isCold && lengthFor(time) < this.of(model))) return;
    const others = Object.entries(this.stored()).filter(([name]) => name !== model);
    const times = [...this.times(model), time].slice(-maxTimes);
    void this.memory.update(storeKey, Object.fromEntries([...others.slice(1 - maxModels), [model, times]]));
  }

  private times(model: string): readonly FirstMapTime[] {
    const times = this.stored()[model];
    return Array.isArray(times) ? times.filter(isTime) : [];
  }

  private stored(): Readonly<Record<string, unknown>> {
    return this.memory.get<Record<string, unknown>>(storeKey) ?? {};
  }
}

/** What was stored may be of another version. */
function isTime(value: unknown): value is FirstMapTime {
  const { nTokens, ms } = (value ?? {}) as Partial<FirstMapTime>;
  return Number.isInteger(nTokens) && nTokens! > 0 && typeof ms === 'number' && ms > 0;
}
