/** Values one after the other, with undo and redo. Pure; every step gives a new history. */

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

/** Longest past that is kept. */
const maxSteps = 200;

export function startHistory<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** A new value; what was undone is gone. */
export function push<T>({ past, present }: History<T>, next: T): History<T> {
  return { past: [...past, present].slice(-maxSteps), present: next, future: [] };
}

/** The value before, or the same history where there is none. */
export function undo<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  if (past.length === 0) return history;
  return { past: past.slice(0, -1), present: past.at(-1)!, future: [present, ...future] };
}

/** Takes an undo back, or gives the same history where there is none. */
export function redo<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  if (future.length === 0) return history;
  return { past: [...past, present], present: future[0]!, future: future.slice(1) };
}
