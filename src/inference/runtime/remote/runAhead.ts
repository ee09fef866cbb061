/**
 * A server that streams runs all layers upon one request. Whoever runs layer by layer gets its answers one by one, as
 * long as each layer's input is the output of the layer before; anything else is requested by itself.
 */

import { Failure } from '../../../shared/tools/failure';
import type { Value } from '../session';
import type { InferCall, Tensors } from './tensors';
import type { Transport } from './transport';

/** An abandoned stream is released after this time. */
const idleMs = 30_000;

interface Stream {
  readonly answers: AsyncIterator<Tensors>;
  readonly controller: AbortController;
  /** The layer whose answer comes next, and its input. */
  layerIdx: number;
  input: Value;
  timer: NodeJS.Timeout;
}

export class RunAhead {
  private readonly idsOf = new WeakMap<Value, Value>();
  private current: Stream | undefined;

  constructor(private readonly transport: Transport) {}

  /** `hidden` is the embedding of `ids`: a run may begin with it. */
  remember(hidden: Value, ids: Value): void {
    this.idsOf.set(hidden, ids);
  }

  /** The streamed answer for a layer; null where no stream has it, or the stream broke. */
  async take(
    layerIdx: number,
    hidden: Value,
    calls: () => { readonly request: InferCall; readonly answers: readonly InferCall[] },
  ): Promise<Tensors | null> {
    const ids = layerIdx === 0 ? this.idsOf.get(hidden) : undefined;
    if (ids) this.begin(ids, hidden, calls());
    const stream = this.current;
    if (stream?.layerIdx !== layerIdx || stream.input !== hidden) return null;
    stream.timer.refresh();
    try {
      const { value, done } = await stream.answers.next();
      if (!done) return value;
    } catch (error) {
      // Asked for by itself, the layer is tried again, or fails with its own reason. A wrong answer stays one.
      if (!(error instanceof Failure) || error.code === 'remote-bad-answer') throw error;
    }
    if (this.current === stream) this.stop();
    return null;
  }

  /** The layer's output, whose identity marks the next layer's place in the stream. */
  follow(input: Value, output: Value): void {
    if (this.current?.input !== input) return;
    this.current.layerIdx++;
    this.current.input = output;
  }

  stop(): void {
    if (!this.current) return;
    const { answers, controller, timer } = this.current;
    this.current = undefined;
    clearTimeout(timer);
    controller.abort();
    // Only reading on ends the call: the client library's timer would otherwise keep the process alive.
    answers.next().catch(() => {});
  }

  private begin(
    ids: Value,
    input: Value,
    calls: { readonly request: InferCall; readonly answers: readonly InferCall[] },
  ) {
    this.stop();
    const controller = new AbortController();
    const request = { ...calls.request, inputs: { ids, ...calls.request.inputs } };
    const answers = this.transport.stream!(request, calls.answers, controller.signal)[Symbol.asyncIterator]();
    const timer = setTimeout(() => this.stop(), idleMs);
    timer.unref();
    this.current = { answers, controller, layerIdx: 0, input, timer };
  }
}
