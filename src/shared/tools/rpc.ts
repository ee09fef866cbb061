/**
 * One small typed request/event channel, used over the webview's postMessage and over process IPC alike.
 *
 * Every request gets an answer: a value, or a Failure. When the line drops, everything pending is rejected.
 */

import type { GenericSchema } from 'valibot';
import { Cancelled, Failure, type FailureData, fromFailureData, toFailureData } from './failure';
import { checked } from './schema';

/** The wire: whatever carries structured-cloneable messages. */
export interface Wire {
  send(message: unknown): void;
  /** Registers the single listener. */
  onMessage(listener: (message: unknown) => void): void;
}

/** Maps each request's name to the function that answers it, without its signal: `{ load(args: A): R }`. */
// biome-ignore lint/suspicious/noExplicitAny: a constraint on function shapes; callers see their own types.
export type RequestTable<T> = { [Name in keyof T]: (args: any) => any };
/** For a side that answers no requests, or sends no events. */
export type None = Record<never, never>;
type Args<F> = F extends (args: infer A) => unknown ? A : never;
type Answer<F> = F extends (args: never) => infer R ? Awaited<R> : never;
export type Handlers<T> = {
  [Name in keyof T]: (args: Args<T[Name]>, signal: AbortSignal) => Answer<T[Name]> | Promise<Answer<T[Name]>>;
};

type Message =
  | { readonly kind: 'request'; readonly id: number; readonly name: string; readonly args: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly failure: FailureData }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'event'; readonly name: string; readonly payload: unknown };

/** What must hold of what arrives, by name. What does not fit is answered by a failure, or dropped if it is an event. */
export interface Incoming<Theirs, Mine, EventsIn> {
  readonly args?: { readonly [Name in keyof Mine]: GenericSchema<unknown, unknown> };
  readonly answers?: { readonly [Name in keyof Theirs]: GenericSchema<unknown, unknown> };
  readonly events?: { readonly [Name in keyof EventsIn]: GenericSchema<unknown, unknown> };
  /** What becomes of a failure that arrives. */
  readonly failure?: (failure: Failure) => Failure;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * @typeParam Theirs requests the other side answers.
 * @typeParam Mine requests this side answers.
 * @typeParam EventsIn events that arrive here, name to payload.
 * @typeParam EventsOut events sent from here.
 */
export class Rpc<Theirs extends RequestTable<Theirs>, Mine extends RequestTable<Mine>, EventsIn, EventsOut> {
  private nextId = 1;
  private closedBy: Error | undefined;
  private readonly pending = new Map<number, Pending>();
  private readonly running = new Map<number, AbortController>();
  private readonly listeners = new Map<keyof EventsIn, Set<(payload: never) => void>>();

  constructor(
    private readonly wire: Wire,
    private readonly handlers: Handlers<Mine>,
    private readonly incoming: Incoming<Theirs, Mine, EventsIn> = {},
  ) {
    wire.onMessage(message => this.receive(message as Message));
  }

  /** @throws Failure as the other side reports it, or Cancelled once `signal` fires. */
  request<Name extends keyof Theirs & string>(
    name: Name,
    args: Args<Theirs[Name]>,
    signal?: AbortSignal,
  ): Promise<Answer<Theirs[Name]>> {
    return new Promise((resolve, reject) => {
      if (this.closedBy) return reject(this.closedBy);
      if (signal?.aborted) return reject(new Cancelled());
      const id = this.nextId++;
      const onAbort = () => {
        // The other side may be busy for a while; the caller need not wait for its word.
        this.pending.delete(id);
        this.post({ kind: 'cancel', id });
        reject(new Cancelled());
      };
      const settle = () => signal?.removeEventListener('abort', onAbort);
      this.pending.set(id, {
        resolve: value => {
          settle();
          try {
            if (this.incoming.answers) check(this.incoming.answers[name], `the answer to ${name}`, value);
            resolve(value as Answer<Theirs[Name]>);
          } catch (error) {
            reject(error);
          }
        },
        reject: error => {
          settle();
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.post({ kind: 'request', id, name, args });
    });
  }

  emit<Name extends keyof EventsOut & string>(name: Name, payload: EventsOut[Name]): void {
    this.post({ kind: 'event', name, payload });
  }

  /** @returns a function that removes the listener. */
  on<Name extends keyof EventsIn>(name: Name, listener: (payload: EventsIn[Name]) => void): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  /** The line is gone: rejects everything pending with `error`, aborts what runs here, refuses later requests. */
  close(error: Error): void {
    if (this.closedBy) return;
    this.closedBy = error;
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
    for (const controller of this.running.values()) controller.abort();
  }

  private post(message: Message): void {
    if (!this.closedBy) this.wire.send(message);
  }

  private receive(message: Message): void {
    switch (message?.kind) {
      case 'request':
        void this.answer(message.id, message.name, message.args);
        return;
      case 'answer':
        this.take(message.id)?.resolve(message.value);
        return;
      case 'failure':
        this.take(message.id)?.reject((this.incoming.failure ?? unchanged)(failureOf(message.failure)));
        return;
      case 'cancel':
        this.running.get(message.id)?.abort();
        return;
      case 'event':
        if (!this.isFit(message.name, message.payload)) return;
        for (const listener of this.listeners.get(message.name as keyof EventsIn) ?? []) {
          listener(message.payload as never);
        }
        return;
      default:
        return; // Not ours: other code may share the wire (VS Code's own webview messages do).
    }
  }

  private isFit(name: string, payload: unknown): boolean {
    const { events } = this.incoming;
    if (!events) return true;
    if (!Object.hasOwn(events, name)) return false;
    try {
      check(events[name as keyof EventsIn], `the event ${name}`, payload);
      return true;
    } catch (error) {
      console.error(error); // nobody waits for an event
      return false;
    }
  }

  private take(id: number): Pending | undefined {
    const entry = this.pending.get(id);
    this.pending.delete(id);
    return entry;
  }

  private async answer(id: number, name: string, args: unknown): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      if (!Object.hasOwn(this.handlers, name)) throw new Failure('unknown-request', `There is no request "${name}".`);
      const schema = this.incoming.args?.[name as keyof Mine];
      const known = schema ? check(schema, `the request ${name}`, args) : args;
      const value = await this.handlers[name as keyof Mine](known as never, controller.signal);
      this.post({ kind: 'answer', id, value });
    } catch (error) {
      this.post({ kind: 'failure', id, failure: toFailureData(error) });
    } finally {
      this.running.delete(id);
    }
  }
}

const unchanged = (failure: Failure): Failure => failure;

/** @returns the value without what the schema does not know. */
function check(schema: GenericSchema<unknown, unknown>, what: string, value: unknown): unknown {
  return checked(schema, value, why => new Failure('bad-message', `Cannot use ${what}: ${why}. Reload the window.`));
}

/** The failure that was received, or one that says that the message was malformed. */
function failureOf(data: FailureData): Failure {
  const { code, message, actions, stack } = (data ?? {}) as Partial<FailureData>;
  const isFit = typeof code === 'string' && typeof message === 'string' && Array.isArray(actions);
  if (!isFit) return new Failure('bad-message', 'Something failed and did not say how. Show the log.', ['showLog']);
  return fromFailureData({ code, message, actions, stack: typeof stack === 'string' ? stack : undefined });
}
