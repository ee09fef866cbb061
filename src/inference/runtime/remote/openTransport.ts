/** Opens the transport of an endpoint, and repeats requests that may succeed the next time. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Cancelled } from '../../../shared/tools/failure';
import { withoutToken } from '../../../shared/tools/redact';
import type { Endpoint } from './endpoint';
import { RemoteFailure } from './failures';
import { GrpcTransport } from './grpcTransport';
import { RestTransport } from './restTransport';
import type { Tensors } from './tensors';
import type { Transport } from './transport';

/** No failure leaves here with the token in it, wherever in its answer the server put it. */
export function openTransport(endpoint: Endpoint): Transport {
  const { token, retries } = endpoint;
  const transport = endpoint.protocol === 'rest' ? new RestTransport(endpoint) : new GrpcTransport(endpoint);
  let isClosed = false;
  const again = <T>(send: () => Promise<T>, signal?: AbortSignal) => {
    const sendWhileOpen = async () => {
      if (isClosed) throw new Cancelled();
      return send();
    };
    return tryAgain(sendWhileOpen, retries, signal).catch(error => {
      throw isClosed ? new Cancelled() : withoutToken(error, token);
    });
  };
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
    close: () => {
      isClosed = true;
      transport.close();
    },
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
