/** Servers that hang, lie, redirect, flood or break off: a clear failure in bounded time, and the token stays secret. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { openEndpoint } from '../../src/inference/runtime/remote/endpoint';
import { RemoteFailure } from '../../src/inference/runtime/remote/failures';
import { openTransport, tryAgain } from '../../src/inference/runtime/remote/openTransport';
import { int64 } from '../../src/inference/runtime/values';
import type { RemoteOptions } from '../../src/shared/remote';
import { Cancelled, type Failure } from '../../src/shared/tools/failure';

const token = 'secret-token-3f9c';
let close: () => void = () => {};
afterEach(() => close());

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** @returns its address. */
async function serve(answer: Answer): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  close = () => {
    server.close();
    server.closeAllConnections();
  };
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function serveGrpc(
  answer: (stream: ServerHttp2Stream, socket: Socket) => void,
  greet: (socket: Socket) => void = () => {},
): Promise<string> {
  const server = createHttp2Server().listen(0, '127.0.0.1');
  const sockets = new Map<number, Socket>();
  server.on('sessionError', () => {});
  server.on('connection', (socket: Socket) => {
    sockets.set(socket.remotePort!, socket);
    socket.on('error', () => {});
    greet(socket);
  });
  server.on('stream', stream => {
    stream.on('error', () => {}); // a client that ends early is what these tests are about
    answer(stream, sockets.get(stream.session!.socket.remotePort!)!);
  });
  await once(server, 'listening');
  close = () => {
    // Node's server may keep a connection that said goodbye or was reset, although its client is gone and its streams are closed.
    for (const socket of sockets.values()) socket.destroy();
    server.close();
  };
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const options = (url: string, extra: Partial<RemoteOptions> = {}): RemoteOptions => ({
  ...{ url, model: 'm', token, timeoutMs: 20_000, retries: 0, caFile: '' },
  ...extra,
});
const load = (url: string, extra: Partial<RemoteOptions> = {}) =>
  Engine.load({ modelDirectory: '', provider: 'cpu', nThreads: 1, remote: options(url, extra) }, () => {});
const call = {
  model: 'm-embed',
  inputs: { ids: int64([1, 2], [1, 2]) },
  outputs: { hidden: { type: 'float32', dims: [1, 2, 3] } },
} as const;

const json = (response: ServerResponse, body: unknown, status = 200) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
/** A server that hangs is waited for a moment, others as long as a busy machine takes. */
const timeFor = (code: string): Partial<RemoteOptions> => (code === 'remote-timeout' ? { timeoutMs: 400 } : {});
/** Takes everything for granted but inference. */
const unless =
  (infer: Answer): Answer =>
  (request, response) => {
    if (request.url!.endsWith('/infer')) return infer(request, response);
    json(response, { extensions: ['binary_tensor_data'] });
  };
const output = (extra: object) => ({ outputs: [{ name: 'hidden', datatype: 'FP32', shape: [1, 2, 3], ...extra }] });

const answers: [what: string, answer: Answer, code: string, message: RegExp][] = [
  ['hangs', () => {}, 'remote-timeout', /has not answered within 0\.4 s/],
  [
    'hangs in mid-answer',
    (_, response) => void response.writeHead(200).write('{"outputs":'),
    'remote-timeout',
    /0\.4 s/,
  ],
  ['breaks off', (_, response) => response.socket!.destroy(), 'remote-unreachable', /Cannot reach the server/],
  ['resets the connection', (_, response) => response.socket!.resetAndDestroy(), 'remote-unreachable', /Cannot reach/],
  [
    'resets the connection in mid-answer',
    (_, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{');
      setTimeout(() => response.socket!.resetAndDestroy(), 20);
    },
    'remote-unreachable',
    /Cannot reach/,
  ],
  [
    'breaks off in mid-answer',
    (_, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{');
      setTimeout(() => response.socket!.destroy(), 20);
    },
    'remote-unreachable',
    /Cannot reach/,
  ],
  [
    'floods',
    (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16, '[')));
      };
      response.on('drain', more);
      more();
    },
    'remote-too-long',
    /more than the \d+ bytes that were requested/,
  ],
  ['is no such server', (_, response) => void response.end('<html>hello</html>'), 'remote-bad-answer', /no JSON/],
  ['answers null', (_, response) => json(response, null), 'remote-bad-answer', /without outputs/],
  [
    'leaves an output out',
    (_, response) => json(response, { outputs: [] }),
    'remote-bad-answer',
    /hidden of m-embed is missing/,
  ],
  [
    'answers with another shape',
    (_, response) => json(response, output({ shape: [1, 2, 4], data: new Array(8).fill(0) })),
    'remote-bad-answer',
    /hidden of m-embed is FP32 1×2×4, expected FP32 1×2×3/,
  ],
  [
    'answers with another type',
    (_, response) => json(response, output({ datatype: 'FP64' })),
    'remote-bad-answer',
    /FP64/,
  ],
  [
    'lies about its length',
    (_, response) => json(response, output({ data: [1, 2] })),
    'remote-bad-answer',
    /2 elements/,
  ],
  [
    'answers with texts for numbers',
    (_, response) => json(response, output({ data: ['a', 1, 1, 1, 1, 1] })),
    'remote-bad-answer',
    /a string/,
  ],
  [
    'cuts its bytes short',
    (_, response) => {
      const head = JSON.stringify(output({ parameters: { binary_data_size: 24 } }));
      response.writeHead(200, { 'inference-header-content-length': head.length }).end(`${head}1234`);
    },
    'remote-bad-answer',
    /4 bytes, expected 24/,
  ],
  [
    'says that its JSON is longer than its answer',
    (_, response) => void response.writeHead(200, { 'inference-header-content-length': 99 }).end('{}'),
    'remote-bad-answer',
    /2 bytes/,
  ],
  [
    'wants no such token',
    (_, response) => json(response, { error: token }, 403),
    'remote-unauthorized',
    /does not accept the token/,
  ],
  [
    'repeats the token in an error',
    (request, response) => json(response, { error: `bad header ${request.headers.authorization}\u001b[31m` }, 400),
    'remote-refused',
    /status 400, bad header Bearer …/,
  ],
  [
    'repeats the token where an error is cut',
    (_, response) => json(response, { error: `${' '.repeat(1980)}${token} ${'y'.repeat(60_000)}` }, 400),
    'remote-refused',
    /status 400/,
  ],
  [
    'gives the token as a datatype',
    (_, response) => json(response, output({ datatype: token })),
    'remote-bad-answer',
    /hidden of m-embed is of an unknown datatype 1×2×3, expected FP32/,
  ],
  [
    'gives escapes as a datatype',
    (_, response) => json(response, output({ datatype: '\u001b[31mFP32' })),
    'remote-bad-answer',
    /^[^\p{C}]*$/u,
  ],
  [
    'gives the token as a length',
    (_, response) => void response.writeHead(200, { 'inference-header-content-length': token }).end('{}'),
    'remote-bad-answer',
    /2 bytes/,
  ],
];
for (const [what, answer, code, message] of answers) {
  test(`a server that ${what}`, async () => {
    const transport = openTransport(openEndpoint(options(`http://${await serve(unless(answer))}`, timeFor(code))));
    await assert.rejects(transport.infer(call), (error: Failure) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok(!error.message.includes(token.slice(0, 8)) && !`${error.stack}`.includes(token.slice(0, 8)));
      return true;
    });
    transport.close();
  });
}

test('a redirect is not followed: the other server hears nothing', async () => {
  let heard = 0;
  const other = createServer(() => heard++).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const url = await serve(
    (_, response) => void response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end(),
  );
  await assert.rejects(load(`http://${url}`), { code: 'remote-redirect' });
  assert.equal(heard, 0);
  other.close();
});

test('what fails for a moment is asked again, with growing pauses; what is refused is not', async () => {
  let asked = 0;
  const busy: Answer = (_, response) =>
    ++asked < 3 ? json(response, {}, 503) : json(response, output({ data: [1, 2, 3, 4, 5, 6] }));
  const transport = openTransport(openEndpoint(options(`http://${await serve(unless(busy))}`, { retries: 3 })));
  assert.deepEqual([...(await transport.infer(call))['hidden']!.data], [1, 2, 3, 4, 5, 6]);
  assert.equal(asked, 3);
  transport.close();

  const pauses: number[] = [];
  const failing = (isTransient: boolean) => () => Promise.reject(new RemoteFailure('x', 'no', isTransient));
  const pause = async (ms: number) => void pauses.push(ms);
  await assert.rejects(tryAgain(failing(true), 4, undefined, pause), { code: 'x' });
  assert.equal(pauses.length, 4);
  for (const [i, ms] of pauses.entries()) assert.ok(ms >= 100 * 2 ** i && ms <= 200 * 2 ** i, `${ms}`);
  await assert.rejects(tryAgain(failing(false), 4, undefined, pause), { code: 'x' });
  assert.equal(pauses.length, 4);
});

test('a cancel ends a request that hangs', async () => {
  const controller = new AbortController();
  const url = await serve(unless(() => controller.abort()));
  const transport = openTransport(openEndpoint(options(`http://${url}`, { timeoutMs: 60_000 })));
  await assert.rejects(transport.infer(call, controller.signal), Cancelled);
  transport.close();
});

const files: [what: string, config: string, tokenizer: string, code: string][] = [
  ['no JSON', '{', '{}', 'remote-bad-answer'],
  ['a configuration of another kind', '[1]', '{}', 'bad-config'],
  ['sizes that cannot be', '{"dim":1e9}', '{}', 'bad-config'],
  [
    'the token as the name of its configuration',
    `{"name":"${token}","dim":8,"n_heads":2,"n_layers":1,"hidden_dim":8,"vocab_size":9,"max_seqlen":16}`,
    '{}',
    'remote-token',
  ],
  ['the token as a size', `{"dim":"${token}"}`, '{}', 'remote-token'],
  ['the token as a parameter', `{"${token}":1}`, '{}', 'remote-token'],
  [
    'a tokenizer without vocabulary',
    '{"dim":8,"n_heads":2,"n_layers":1,"hidden_dim":8,"vocab_size":9,"max_seqlen":16}',
    '{"model":{"type":"BPE"}}',
    'bad-tokenizer',
  ],
];
for (const [what, config, tokenizer, code] of files) {
  test(`a model that tells ${what}`, async () => {
    const texts = [config, tokenizer];
    const url = await serve(
      unless((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', chunk => chunks.push(chunk));
        request.on('end', () => {
          const fileIdx = Number(Buffer.concat(chunks).readBigInt64LE(Buffer.concat(chunks).length - 8));
          json(response, { outputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: [texts[fileIdx]] }] });
        });
      }),
    );
    await assert.rejects(load(`http://${url}`), (error: Failure) => {
      assert.equal(error.code, code);
      assert.ok(!error.message.includes(token));
      return true;
    });
  });
}

test('the names of models: the token is not among them, and escapes are not repeated', async () => {
  const index =
    (names: readonly string[]): Answer =>
    (request, response) =>
      request.url === '/v2/repository/index'
        ? json(
            response,
            names.map(name => ({ name })),
          )
        : json(response, {});
  const model = { model: '' };
  await assert.rejects(load(`http://${await serve(index([token, `${token}-embed`]))}`, model), {
    code: 'remote-token',
  });
  close();
  const names = ['a\u001b]0;title\u0007', 'b\u202e'];
  const url = `http://${await serve(index([...names, ...names.map(name => `${name}-embed`)]))}`;
  await assert.rejects(load(url, model), (error: Failure) => {
    assert.equal(error.code, 'remote-model');
    assert.doesNotMatch(error.message, /\p{C}/u);
    return true;
  });
});

/** Begins an answer, and goes on once that is sent. */
function answerInPart(stream: ServerHttp2Stream, next: () => void): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.write(Buffer.from([0, 0, 0, 0, 9, 1]), () => setTimeout(next, 20));
}

const lost: [what: string, lose: (stream: ServerHttp2Stream, socket: Socket) => void][] = [
  ['closes the connection', stream => stream.session!.destroy()],
  ['resets the connection', (_, socket) => socket.resetAndDestroy()],
  ['ends the connection', (_, socket) => socket.end()],
  [
    'says goodbye',
    stream => {
      stream.session!.close();
      stream.close(8);
    },
  ],
  [
    'says goodbye before it begins',
    stream => {
      stream.session!.goaway(0, 0);
      stream.close(7);
    },
  ],
  ['says goodbye with an error', stream => stream.session!.goaway(2)],
  ['resets the stream with CANCEL', stream => stream.close(8)],
  ['refuses the stream', stream => stream.close(7)],
  ['ends the stream without an error and without an answer', stream => stream.close(0)],
  ['sits behind a proxy that cancels', stream => trailers(stream, 1, 'upstream reset')],
  ['resets the connection in mid-answer', (stream, socket) => answerInPart(stream, () => socket.resetAndDestroy())],
  ['ends the connection in mid-answer', (stream, socket) => answerInPart(stream, () => socket.end())],
  ['resets the stream in mid-answer', stream => answerInPart(stream, () => stream.close(8))],
  ['ends the stream in mid-answer', stream => answerInPart(stream, () => stream.close(0))],
  [
    'ends the stream after its header',
    stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end();
    },
  ],
];
for (const [what, lose] of lost) {
  test(`a gRPC server that ${what} is lost, not cancelled: asked again, then reported`, async () => {
    let asked = 0;
    const url = await serveGrpc((stream, socket) => {
      asked++;
      lose(stream, socket);
    });
    const transport = openTransport(openEndpoint(options(`grpc://${url}`, { retries: 1 })));
    await assert.rejects(transport.infer(call), { code: 'remote-unreachable' });
    assert.equal(asked, 2);
    asked = 0;
    const answers = transport.stream!(call, [call], new AbortController().signal)[Symbol.asyncIterator]();
    await assert.rejects(answers.next(), { code: 'remote-unreachable' });
    const controller = new AbortController();
    controller.abort();
    await assert.rejects(transport.infer(call, controller.signal), Cancelled);
    transport.close();
  });
}

const greetings: [what: string, greet: (socket: Socket) => void][] = [
  ['resets the connection at once', socket => socket.resetAndDestroy()],
  ['ends the connection at once', socket => socket.end()],
  ['speaks HTTP/1.1', socket => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
  ['speaks TLS', socket => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 40]))], // an alert: the handshake failed
];
for (const [what, greet] of greetings) {
  test(`a gRPC server that ${what} is asked again, then reported`, async () => {
    let asked = 0;
    const url = await serveGrpc(
      () => {},
      socket => {
        asked++;
        greet(socket);
      },
    );
    const transport = openTransport(openEndpoint(options(`grpc://${url}`, { retries: 1 })));
    await assert.rejects(transport.infer(call), { code: 'remote-unreachable' });
    assert.equal(asked, 2);
    transport.close();
  });
}

test('a transport that is closed sends nothing again', async () => {
  let asked = 0;
  const url = await serveGrpc(stream => {
    asked++;
    transport.close();
    stream.close(8);
  });
  const transport = openTransport(openEndpoint(options(`grpc://${url}`, { retries: 3 })));
  await assert.rejects(transport.infer(call), Cancelled);
  assert.equal(asked, 1);
});

test('an idle gRPC connection does not keep a process from ending', async () => {
  const url = await serveGrpc(stream => trailers(stream, 3, 'no'));
  const transport = openTransport(openEndpoint(options(`grpc://${url}`)));
  await assert.rejects(transport.infer(call), { code: 'remote-refused' });
  const port = Number(url.split(':')[1]);
  const { _getActiveHandles } = process as unknown as { _getActiveHandles: () => Partial<Socket>[] };
  const held = () => _getActiveHandles.call(process).filter(handle => handle.remotePort === port);
  while (held().length > 0) await new Promise(setImmediate);
  transport.close();
});

test("a cancel of one's own ends a gRPC request that hangs", async () => {
  const controller = new AbortController();
  const transport = openTransport(
    openEndpoint(options(`grpc://${await serveGrpc(() => controller.abort())}`, { timeoutMs: 60_000 })),
  );
  await assert.rejects(transport.infer(call, controller.signal), Cancelled);
  transport.close();
});

const grpcAnswers: [what: string, answer: (stream: ServerHttp2Stream) => void, code: string][] = [
  ['hangs', () => {}, 'remote-timeout'],
  ['resets the stream', stream => stream.close(2), 'remote-refused'],
  ['answers in HTML', stream => respond(stream, 'text/html', Buffer.from('<p>')), 'remote-refused'],
  ['refuses the token', stream => trailers(stream, 16, token), 'remote-unauthorized'],
  ['repeats the token in an error', stream => trailers(stream, 3, `bad ${token}`), 'remote-refused'],
  [
    'floods',
    stream => respond(stream, 'application/grpc', Buffer.from([0, 0x7f, 0xff, 0xff, 0xff])),
    'remote-too-long',
  ],
  [
    'sends what is no message',
    stream => respond(stream, 'application/grpc', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])),
    'remote-refused',
  ],
];
for (const [what, answer, code] of grpcAnswers) {
  test(`a gRPC server that ${what}`, async () => {
    const transport = openTransport(openEndpoint(options(`grpc://${await serveGrpc(answer)}`, timeFor(code))));
    await assert.rejects(transport.infer(call), (error: Failure) => {
      assert.equal(error.code, code, error.message);
      assert.ok(!error.message.includes(token.slice(0, 8)));
      return true;
    });
    transport.close();
  });
}

function respond(stream: ServerHttp2Stream, type: string, body: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': type });
  stream.write(body);
  if (type === 'text/html') stream.end();
}

function trailers(stream: ServerHttp2Stream, status: number, message: string): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status, 'grpc-message': message },
    { endStream: true },
  );
}

const addresses: [url: string, extra: Partial<RemoteOptions>, code: string][] = [
  ['not an address', {}, 'remote-url'],
  ['ftp://127.0.0.1/', {}, 'remote-url'],
  ['file:///etc/passwd', {}, 'remote-url'],
  ['http://user:password@127.0.0.1:1', {}, 'remote-url'],
  ['http://127.0.0.1:1/?a=b', {}, 'remote-url'],
  ['https://127.0.0.1:1', { caFile: '/no/such/file' }, 'remote-url'],
  ['http://example.invalid:8000', {}, 'remote-insecure'],
  ['grpc://example.invalid:8001', {}, 'remote-insecure'],
  ['http://127.0.0.1:1', {}, 'remote-unreachable'],
  ['grpc://127.0.0.1:1', {}, 'remote-unreachable'],
];
for (const [url, extra, code] of addresses) {
  test(`the address ${url} fails as ${code}`, async () => {
    await assert.rejects(load(url, extra), { code });
  });
}
