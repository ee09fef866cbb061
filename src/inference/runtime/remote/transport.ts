/** What both transports of the protocol offer, and how often a request is tried. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled } from '../../../shared/tools/failure';
import type { Endpoint } from './endpoint';
import { RemoteFailure } from './failures';
import { GrpcTransport } from './grpcTransport';
import { withoutToken } from './redact';
import { RestTransport } from './restTransport';
import type { InferCall, Tensors } from './tensors';

/** Every method throws RemoteFailure, or Cancelled once `signal` fires. */
export interface Transport {
  /** Whether the server is there and takes requests. */
  isReady(): Promise<boolean>;
  isModelReady(model: string): Promise<boolean>;
  /** Names of the models, where the server tells them. */
  modelNames(): Promise<readonly string[]>;
  infer(call: InferCall, signal?: AbortSignal): Promise<Tensors>;
  /** The answers to one request as they come, each checked against the call of its turn; null where there is no such way. */
  readonly stream:
    | ((request: InferCall, answers: readonly InferCall[], signal: AbortSignal) => AsyncIterable<Tensors>)
    | null;
  close(): void;
}

/** No failure leaves here with the token in it, wherever in its answer the server put it. */
export function openTransport(endpoint: Endpoint): Transport {
  const { token, retries } = endpoint;
  const transport = endpoint.protocol === 'rest' ? new RestTransport(endpoint) : new GrpcTransport(endpoint);
  const again = <T>(send: () => Promise<T>, signal?: AbortSignal) =>
    tryAgain(send, retries, signal).catch(error => {
      throw withoutToken(error, token);
    });
  async function* stream(...args: Parameters<NonNullable<Transport['stream']>>): AsyncGenerator<Tensors> {
    try {
      yield* transport.stream!(...args);
    } catch (error) {
      throw withoutToken(error, token);
    }
  }
  return {
    isReady: () => again(() => transport.isReady()),
    isModelReady: model => again(() => transport.isModelReady(model)),
    modelNames: () => again(() => transport.modelNames()),
    infer: (call, signal) => again(() => transport.infer(call, signal), signal),
    stream: transport.stream && stream,
    close: () => transport.close(),
  };
}

const firstPauseMs = 200;
const longestPauseMs = 5000;

/** Inference changes nothing on the server, so any request may be sent again; the pauses grow, and differ between users. */
export async function tryAgain<T>(
  send: () => Promise<T>,
  retries: number,
  signal?: AbortSignal,
  pause: (ms: number) => Promise<unknown> = ms => sleep(ms, undefined, signal ? { signal } : {}),
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      if (signal?.aborted) throw new Cancelled();
      return await send();
    } catch (error) {
      if (!(error instanceof RemoteFailure) || !error.isTransient || attempt >= retries) throw error;
    }
    const ms = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt) * (0.5 + Math.random() / 2);
    await pause(ms).catch(() => {
      throw new Cancelled();
    });
  }
}
