/** Failures a person can see, in a form that crosses process and webview borders. */

/** What the reader can do about a failure; each is a button where the place allows one. */
export type FailureAction = 'showLog' | 'openSettings' | 'selectModel' | 'retry';

/** An error with a stable code; `message` says what could not be done, the wrong value, and what to do next. */
export class Failure extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly actions: readonly FailureAction[] = [],
  ) {
    super(message);
    this.name = 'Failure';
  }
}

/** The work was stopped by the user or replaced by newer work; never shown as an error. */
export class Cancelled extends Failure {
  constructor(what = 'The analysis was cancelled.') {
    super('cancelled', what);
    this.name = 'Cancelled';
  }
}

/** A value that was found, short enough for a message, whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value !== 'object' || value === null) return String(value);
  if (!Array.isArray(value)) return 'an object';
  const isShort = value.length <= 8 && value.every(item => typeof item === 'number' || typeof item === 'string');
  return isShort ? `[${value.map(shown).join(', ')}]` : `a list of ${value.length}`;
}

export interface FailureData {
  readonly code: string;
  readonly message: string;
  readonly actions: readonly FailureAction[];
  readonly stack?: string | undefined;
}

export function toFailureData(error: unknown): FailureData {
  if (error instanceof Failure) {
    return { code: error.code, message: error.message, actions: error.actions };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { code: 'internal', message, actions: ['showLog'], stack };
}

export function fromFailureData(data: FailureData): Failure {
  const failure =
    data.code === 'cancelled' ? new Cancelled(data.message) : new Failure(data.code, data.message, data.actions);
  if (data.stack) failure.stack = data.stack;
  return failure;
}
