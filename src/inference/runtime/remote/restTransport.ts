/** The protocol over HTTP, with its binary tensor extension where the server has it. */

import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { Cancelled } from '../../../shared/tools/failure';
import type { Endpoint } from './endpoint';
import { quoted, RemoteFailure, remoteFailures, tlsFailure } from './failures';
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

/** What an answer that holds no tensors may have. */
const maxPlainBytes = 1 << 20;
const jsonLength = 'inference-header-content-length';

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface OutputJson {
  readonly name?: unknown;
  readonly datatype?: unknown;
  readonly shape?: unknown;
  readonly data?: unknown;
  readonly parameters?: { readonly binary_data_size?: unknown };
}

export class RestTransport implements Transport {
  readonly stream = null;
  private readonly agent: PlainAgent | SecureAgent;
  private readonly isSecure: boolean;
  private takesBinary: Promise<boolean> | undefined;

  constructor(private readonly endpoint: Endpoint) {
    this.isSecure = endpoint.base.startsWith('https:');
    const options = { keepAlive: true, maxSockets: 8 };
    this.agent = this.isSecure
      ? new SecureAgent({ ...options, ...(endpoint.ca ? { ca: endpoint.ca } : {}) })
      : new PlainAgent(options);
  }

  async isReady(): Promise<boolean> {
    return this.answersReady('/v2/health/ready');
  }

  async isModelReady(model: string): Promise<boolean> {
    return this.answersReady(`/v2/models/${encodeURIComponent(model)}/ready`);
  }

  /** The repository extension: servers without it answer 404. */
  async modelNames(): Promise<readonly string[]> {
    const reply = await this.send('POST', '/v2/repository/index', Buffer.from('{}'), maxPlainBytes);
    if (reply.status === 404 || reply.status === 405 || reply.status === 501) return [];
    this.checkStatus(reply, 'the list of models');
    const list = parse(reply.body, 'the list of models');
    if (!Array.isArray(list)) throw remoteFailures.badAnswer('the list of models', typeof list, 'a list');
    return list.map(entry => (entry as { name?: unknown } | null)?.name).filter(name => typeof name === 'string');
  }

  async infer(call: InferCall, signal?: AbortSignal): Promise<Tensors> {
    this.takesBinary ??= this.hasBinaryTensors();
    this.takesBinary.catch(() => {
      this.takesBinary = undefined;
    });
    const isBinary = await this.takesBinary;
    const parts: Uint8Array[] = [];
    const inputs = Object.entries(call.inputs).map(([name, value]) => {
      const input = { name, shape: value.dims, datatype: datatypeOf[value.type] };
      if (!isBinary) return { ...input, data: Array.from(value.data as Float32Array, Number) };
      parts.push(toBytes(value));
      return { ...input, parameters: { binary_data_size: value.data.byteLength } };
    });
    const outputs = Object.keys(call.outputs).map(name => ({
      name,
      ...(isBinary ? { parameters: { binary_data: true } } : {}),
    }));
    const json = Buffer.from(JSON.stringify({ inputs, outputs }));
    const path = `/v2/models/${encodeURIComponent(call.model)}/infer`;
    const headers = isBinary ? { [jsonLength]: json.length, 'content-type': 'application/octet-stream' } : {};
    const reply = await this.send('POST', path, Buffer.concat([json, ...parts]), maxReplyBytes(call), headers, signal);
    this.checkStatus(reply, call.model);
    return readReply(reply, call);
  }

  close(): void {
    this.agent.destroy();
  }

  private async answersReady(path: string): Promise<boolean> {
    const reply = await this.send('GET', path, null, maxPlainBytes);
    if (reply.status === 400 || reply.status === 404) return false;
    this.checkStatus(reply, path);
    return true;
  }

  private async hasBinaryTensors(): Promise<boolean> {
    const reply = await this.send('GET', '/v2', null, maxPlainBytes);
    this.checkStatus(reply, 'what it can do');
    const { extensions } = (parse(reply.body, 'what it can do') ?? {}) as { extensions?: unknown };
    return Array.isArray(extensions) && extensions.includes('binary_tensor_data');
  }

  private checkStatus({ status, body }: Reply, what: string): void {
    const { host, token } = this.endpoint;
    if (status >= 200 && status < 300) return;
    if (status >= 300 && status < 400) throw remoteFailures.redirect(host, status);
    if (status === 401 || status === 403) throw remoteFailures.unauthorized(host, token !== null);
    const isTransient = status === 429 || (status >= 500 && status !== 501);
    throw remoteFailures.refused(
      host,
      what,
      `status ${status}, ${quoted(errorOf(body, token), token) || 'no reason'}`,
      isTransient,
    );
  }

  /** One request; the time-out counts from its start to the last byte of its answer. */
  private send(
    method: 'GET' | 'POST',
    path: string,
    body: Buffer | null,
    maxBytes: number,
    headers: Readonly<Record<string, string | number>> = {},
    signal?: AbortSignal,
  ): Promise<Reply> {
    const { base, host, token, timeoutMs } = this.endpoint;
    return new Promise((resolve, reject) => {
      const request = (this.isSecure ? secureRequest : plainRequest)(`${base}${path}`, {
        method,
        agent: this.agent,
        headers: {
          ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
          ...headers,
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
      });
      const end = (error: Error) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        reject(error);
        request.destroy();
      };
      const abort = () => end(new Cancelled());
      const timer = setTimeout(() => end(remoteFailures.timeout(host, timeoutMs)), timeoutMs);
      const lost = (error: Error) => {
        const why = quoted(error.message, token);
        end(tlsFailure(host, why, error) ?? remoteFailures.unreachable(host, why));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      request.on('error', lost);
      request.on('response', response => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('error', lost);
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxBytes) end(remoteFailures.tooLong(host, maxBytes));
          else chunks.push(chunk);
        });
        response.on('end', () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      request.end(body ?? undefined);
    });
  }
}

/** Data may be nested as its shape is; no tensor of ours has more dimensions. */
const maxDimensions = 8;

/** The requested outputs. @throws RemoteFailure when the answer is anything else. */
export function readReply({ headers, body }: Pick<Reply, 'headers' | 'body'>, call: InferCall): Tensors {
  const stated = headers[jsonLength];
  const length = stated === undefined ? body.length : Number(stated);
  if (!(length >= 0 && length <= body.length)) {
    throw remoteFailures.badAnswer(
      `the answer of ${call.model}`,
      `${body.length} bytes`,
      `a JSON part of ${Number(stated)}`,
    );
  }
  const json = parse(body.subarray(0, length), `the answer of ${call.model}`) as { outputs?: unknown } | null;
  if (!Array.isArray(json?.outputs))
    throw remoteFailures.badAnswer(`the answer of ${call.model}`, 'without outputs', 'outputs');
  let at = length;
  const tensors: Record<string, Tensor> = {};
  for (const output of json.outputs as readonly OutputJson[]) {
    const size = output?.parameters?.binary_data_size;
    const start = at;
    if (typeof size === 'number' && size >= 0) at += size;
    const expected =
      typeof output?.name === 'string' && Object.hasOwn(call.outputs, output.name)
        ? call.outputs[output.name]
        : undefined;
    if (!expected) continue;
    const where = `${output.name} of ${call.model}`;
    checkShape(expected, output.datatype, output.shape, where);
    if (at > start || size === 0) tensors[output.name as string] = fromBytes(body.subarray(start, at), expected, where);
    else if (Array.isArray(output.data))
      tensors[output.name as string] = fromNumbers(output.data.flat(maxDimensions), expected, where);
  }
  return complete(tensors, call);
}

function parse(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    if (error instanceof RemoteFailure) throw error;
    throw remoteFailures.badAnswer(what, 'no JSON', 'an answer of the Open Inference Protocol');
  }
}

/** Of the body of an error no more is read. */
const maxErrorBytes = 1 << 16;

/** The reason that an error's body gives; where the body is cut, so that no part of the token is left at its end. */
function errorOf(body: Buffer, token: string | null): string {
  const start = body.subarray(0, maxErrorBytes).toString('utf8');
  const text = body.length > maxErrorBytes ? start.slice(0, -(token?.length ?? 1)) : start;
  try {
    const { error, detail } = JSON.parse(text) as { error?: unknown; detail?: unknown };
    return String(error ?? detail ?? text);
  } catch {
    return text;
  }
}
