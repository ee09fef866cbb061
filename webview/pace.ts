/** How long a job that reports its steps still takes, by its pace so far. */

import { t } from '../src/shared/tools/l10n';

export class Pace {
  private job: unknown = null;
  private readonly first = { done: 0, atMs: 0 };
  private readonly last = { done: 0, atMs: 0 };

  constructor(private readonly now: () => number = () => performance.now()) {}

  /**
   * @param job names the job, null while there is none: another one begins anew, and so does one that has gone back.
   * @returns milliseconds that the steps to come will take; null until a step is done.
   */
  leftMs(job: unknown, done: number, total: number): number | null {
    const { first, last } = this;
    if (job !== this.job || done < last.done) {
      this.job = job;
      Object.assign(first, { done, atMs: this.now() });
      Object.assign(last, first);
    } else if (done > last.done) Object.assign(last, { done, atMs: this.now() });
    if (job === null || last.done === first.done || done >= total) return null;
    return ((last.atMs - first.atMs) / (last.done - first.done)) * (total - done);
  }
}

/** How far a job is, and how long the rest takes. */
export function withTimeLeft(said: string, leftMs: number | null): string {
  if (leftMs === null) return said;
  const seconds = Math.max(1, Math.round(leftMs / 1000));
  return seconds < 90 ? t('{0}, {1} s left', said, seconds) : t('{0}, {1} min left', said, Math.round(seconds / 60));
}
