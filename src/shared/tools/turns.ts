/** Lets work be done one after another, in the order in which it was asked for. */

import { Cancelled } from './failure';

export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** @throws Cancelled as soon as the signal fires, without doing the work, while it waits; whatever the work throws. */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.last.then(() => {
      if (signal?.aborted) throw new Cancelled();
      return work();
    });
    this.last = turn.catch(() => {});
    return signal ? Promise.race([turn, whenAborted(signal)]) : turn;
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = () => reject(new Cancelled());
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
