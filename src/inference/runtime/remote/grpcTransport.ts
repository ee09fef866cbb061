/** The protocol over gRPC, from its official schema (`oip/`, generated). */

import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Cancelled } from '../../../shared/tools/failure';
import type { Endpoint } from './endpoint';
import { quoted, RemoteFailure, remoteFailures, tlsFailure } from './failures';
import { GrpcConnection } from './grpcConnection';
import { GRPCInferenceService, ModelInferRequestSchema, type ModelInferResponse } from './oip/open_inference_grpc_pb';
import {
  checkShape,
  complete,
  datatypeOf,
  fromBytes,
  fromNumbers,
  type InferCall,
  maxReplyBytes,
  type Tensor,
  type Tensors,
  toBytes,
} from './tensors';
import type { Transport } from './transport';

const troubleCodes: readonly Code[] = [
  ...[Code.Unavailable, Code.DeadlineExceeded, Code.Canceled, Code.Unauthenticated, Code.PermissionDenied],
];
const transientCodes: readonly Code[] = [Code.Unavailable, Code.Internal, Code.Unknown, Code.Aborted];

export class GrpcTransport implements Transport {
  private readonly connection: GrpcConnection;
  private readonly authorize: Interceptor;

  constructor(private readonly endpoint: Endpoint) {
    const { base, ca, token } = endpoint;
    this.connection = new GrpcConnection(base, ca);
    this.authorize = next => request => {
      if (token) request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
  }

  isReady(): Promise<boolean> {
    return this.ask('readiness', async client => (await client.serverReady({}, this.options())).ready);
  }

  /** Servers reject an unknown model in different ways; only errors of the connection or the token are reported. */
  isModelReady(name: string): Promise<boolean> {
    return this.ask(name, async client => {
      try {
        return (await client.modelReady({ name }, this.options())).ready;
      } catch (error) {
        if (error instanceof ConnectError && !troubleCodes.includes(error.code)) return false;
        throw error;
      }
    });
  }

  /** The official service has no such request. */
  async modelNames(): Promise<readonly string[]> {
    return [];
  }

  infer(call: InferCall, signal?: AbortSignal): Promise<Tensors> {
    const limit = maxReplyBytes(call);
    const infer = async (client: ReturnType<GrpcTransport['client']>) =>
      readResponse(await client.modelInfer(requestOf(call), this.options(signal)), call);
    return this.ask(call.model, infer, limit, signal);
  }

  async *stream(request: InferCall, answers: readonly InferCall[], signal: AbortSignal): AsyncGenerator<Tensors> {
    const limit = Math.max(...answers.map(maxReplyBytes));
    const { host, token } = this.endpoint;
    try {
      const once = async function* () {
        yield requestOf(request);
      };
      const nMs = this.endpoint.timeoutMs * answers.length;
      let turn = 0;
      for await (const response of this.client(limit).modelStreamInfer(once(), { signal, timeoutMs: nMs })) {
        const call = answers[turn++];
        const { errorMessage, inferResponse } = response;
        if (errorMessage) throw remoteFailures.refused(host, request.model, quoted(errorMessage, token), true);
        if (!call || inferResponse?.modelName !== call.model) {
          const found = quoted(inferResponse?.modelName ?? 'empty', token);
          throw remoteFailures.badAnswer(`answer ${turn} of ${request.model}`, found, call?.model ?? 'no more');
        }
        yield readResponse(inferResponse, call);
      }
    } catch (error) {
      throw this.failureOf(error, request.model, limit, signal);
    }
  }

  close(): void {
    this.connection.close();
  }

  private client(readMaxBytes = 1 << 20) {
    const { base } = this.endpoint;
    const options = { baseUrl: base, sessionManager: this.connection, interceptors: [this.authorize], readMaxBytes };
    return createClient(GRPCInferenceService, createGrpcTransport(options));
  }

  private options(signal?: AbortSignal) {
    return { timeoutMs: this.endpoint.timeoutMs, ...(signal ? { signal } : {}) };
  }

  private async ask<T>(
    what: string,
    send: (client: ReturnType<GrpcTransport['client']>) => Promise<T>,
    maxBytes?: number,
    signal?: AbortSignal,
  ): Promise<T> {
    try {
      return await send(this.client(maxBytes));
    } catch (error) {
      throw this.failureOf(error, what, maxBytes ?? 1 << 20, signal);
    }
  }

  private failureOf(error: unknown, what: string, maxBytes: number, signal?: AbortSignal): Error {
    if (signal?.aborted) return new Cancelled();
    if (error instanceof RemoteFailure) return error;
    const { code, rawMessage, cause } = ConnectError.from(error);
    const { host, token, timeoutMs } = this.endpoint;
    const reason = quoted(rawMessage, token);
    const tls = tlsFailure(host, reason, cause);
    if (tls) return tls;
    if (isLost(code, rawMessage, cause)) return remoteFailures.unreachable(host, `the connection was lost (${reason})`);
    switch (code) {
      case Code.DeadlineExceeded:
        return remoteFailures.timeout(host, timeoutMs);
      case Code.Unauthenticated:
      case Code.PermissionDenied:
        return remoteFailures.unauthorized(host, token !== null);
      case Code.ResourceExhausted:
        // Connect's own word for a message above readMaxBytes.
        if (/larger than configured/.test(rawMessage)) return remoteFailures.tooLong(host, maxBytes);
        return remoteFailures.refused(host, what, reason, true);
      case Code.Unavailable:
        return remoteFailures.unreachable(host, reason);
      default:
        return remoteFailures.refused(host, what, `${Code[code]}, ${reason}`, transientCodes.includes(code));
    }
  }
}

/**
 * Whether the answer is missing because the connection, the stream or a proxy ended, and not by our own cancel.
 * @param cause an error of Node, which an answer of the server's own does not have.
 */
function isLost(code: Code, message: string, cause: unknown): boolean {
  if (code === Code.Canceled) return true;
  // Connect's words for an answer without its end.
  if (/incomplete envelope|missing status/.test(message)) return true;
  const nodeCode = (cause as { code?: unknown } | null | undefined)?.code;
  if (typeof nodeCode !== 'string' || code === Code.Unavailable) return false;
  // A stream that a server resets with an error is an answer, unless the server did not begin with it.
  return nodeCode !== 'ERR_HTTP2_STREAM_ERROR' || message.includes('REFUSED_STREAM');
}

function requestOf({ model, inputs, outputs }: InferCall) {
  return create(ModelInferRequestSchema, {
    modelName: model,
    inputs: Object.entries(inputs).map(([name, { type, dims }]) => ({
      name,
      datatype: datatypeOf[type],
      shape: dims.map(BigInt),
    })),
    rawInputContents: Object.values(inputs).map(toBytes),
    outputs: Object.keys(outputs).map(name => ({ name })),
  });
}

/** The requested outputs. @throws RemoteFailure when the answer is anything else. */
export function readResponse(response: ModelInferResponse, call: InferCall): Tensors {
  const { outputs, rawOutputContents } = response;
  const tensors: Record<string, Tensor> = {};
  for (const [i, { name, datatype, shape, contents }] of outputs.entries()) {
    const expected = Object.hasOwn(call.outputs, name) ? call.outputs[name] : undefined;
    if (!expected) continue;
    const where = `${name} of ${call.model}`;
    checkShape(expected, datatype, shape, where);
    const raw = rawOutputContents[i];
    if (raw) {
      tensors[name] = fromBytes(raw, expected, where);
      continue;
    }
    const texts = () => contents?.bytesContents.map(bytes => new TextDecoder().decode(bytes));
    const numbers = {
      ...{ float32: contents?.fp32Contents, int64: contents?.int64Contents, int32: contents?.intContents },
      ...{ int8: contents?.intContents, bool: contents?.boolContents },
    };
    const data = expected.type === 'string' ? texts() : numbers[expected.type];
    tensors[name] = fromNumbers(data ?? [], expected, where);
  }
  return complete(tensors, call);
}
