/** Lines of the benchmark: a value beside a peer's or a limit, and how times grow. Pure. */

export interface BenchLine {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the value is compared with, in the same unit, and how it was had. */
  readonly reference: number;
  readonly referenceName: string;
  readonly ratio: number;
}

export type AddLine = (name: string, value: number, unit: string, reference: number, referenceName: string) => void;

/** @returns a list and what adds to it, printing every line as it comes. */
export function benchLines(print: (line: string) => void): { readonly lines: BenchLine[]; readonly add: AddLine } {
  const lines: BenchLine[] = [];
  const add: AddLine = (name, value, unit, reference, referenceName) => {
    lines.push({ name, value, unit, reference, referenceName, ratio: value / reference });
    const digits = unit === 'exponent' ? 2 : 1;
    print(
      `${name}: ${value.toFixed(digits)} ${unit} against ${reference.toFixed(digits)} ${unit} (${referenceName}), ` +
        `ratio ${(value / reference).toFixed(2)}`,
    );
  };
  return { lines, add };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/**
 * Time as a power of the window's length, between the shortest length from `from` on and the longest.
 * @param times by length, in any unit.
 * @returns null when fewer than two lengths are there.
 */
export function growth(
  times: ReadonlyMap<number, number>,
  from: number,
): { readonly value: number; readonly range: string } | null {
  const measured = [...times].filter(([nTokens]) => nTokens >= from).sort(([a], [b]) => a - b);
  const [first, last] = [measured[0], measured.at(-1)];
  if (!first || !last || first[0] === last[0]) return null;
  const value = Math.log(last[1] / first[1]) / Math.log(last[0] / first[0]);
  return { value, range: `T=${first[0]} to ${last[0]}` };
}
