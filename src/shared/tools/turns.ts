/** Runs jobs one after another, in the order of their requests. */

import { Cancelled } from './failure';

export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** @throws Cancelled as soon as the signal fires, without doing the work if it has not begun; whatever the work throws. */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.last.then(() => {
      if (signal?.aborted) throw new Cancelled();
      return work();
    });
    this.last = turn.catch(() => {});
    return signal ? untilAborted(turn, signal) : turn;
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new Cancelled());
    // One signal may serve many turns: none leaves a listener behind.
    const settle = () => signal.removeEventListener('abort', cancel);
    work.finally(settle).then(resolve, reject);
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
