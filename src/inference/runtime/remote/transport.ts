/** The interface of both transports of the protocol. */

import type { InferCall, Tensors } from './tensors';

/** Every method throws RemoteFailure, or Cancelled once `signal` fires. */
export interface Transport {
  /** Whether the server is there and takes requests. */
  isReady(): Promise<boolean>;
  isModelReady(model: string): Promise<boolean>;
  /** Names of the models, where the server lists them. */
  modelNames(): Promise<readonly string[]>;
  infer(call: InferCall, signal?: AbortSignal): Promise<Tensors>;
  /** The answers to one request as they arrive, each checked against the call of its turn; null if unsupported. */
  readonly stream:
    | ((request: InferCall, answers: readonly InferCall[], signal: AbortSignal) => AsyncIterable<Tensors>)
    | null;
  close(): void;
}
