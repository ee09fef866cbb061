/** Servers with TLS on the loopback address: trusted by a named authority only, for the host they are made out to. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createSecureHttpServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { openEndpoint } from '../../src/inference/runtime/remote/endpoint';
import { openTransport } from '../../src/inference/runtime/remote/openTransport';
import type { Transport } from '../../src/inference/runtime/remote/transport';
import type { Failure } from '../../src/shared/tools/failure';

const folder = join(__dirname, '..', 'fixtures', 'tls');
const authority = join(folder, 'authority.pem');
const token = 'secret-token-51c2';

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

interface Served {
  readonly port: number;
  /** Tokens that came with requests. */
  readonly heard: string[];
}

async function listening(server: Server, heard: string[]): Promise<Served> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('tlsClientError', () => {}); // a client that trusts nothing breaks off
  opened.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, heard };
}

const pair = (certificate: string) => ({
  cert: readFileSync(join(folder, `${certificate}.pem`)),
  key: readFileSync(join(folder, 'server.key')),
});

/** REST that is ready, or sends to another address. */
function serveRest(certificate: string, location?: string): Promise<Served> {
  const heard: string[] = [];
  const server = createSecureHttpServer(pair(certificate), (request, response) => {
    heard.push(String(request.headers.authorization));
    response.writeHead(location ? 308 : 200, location ? { location } : {}).end('{}');
  });
  opened.push(() => server.closeAllConnections());
  return listening(server, heard);
}

/** gRPC that is ready. */
function serveGrpc(certificate: string): Promise<Served> {
  const heard: string[] = [];
  const server = createSecureServer(pair(certificate));
  server.on('stream', (stream, headers) => {
    heard.push(String(headers.authorization));
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1])); // ServerReadyResponse {ready: true}
  });
  return listening(server, heard);
}

function connect(url: string, caFile: string): Transport {
  const transport = openTransport(openEndpoint({ url, model: 'm', token, timeoutMs: 10_000, retries: 0, caFile }));
  opened.push(() => transport.close());
  return transport;
}

const protocols = [
  ['https', serveRest],
  ['grpcs', serveGrpc],
] as const;
for (const [scheme, serve] of protocols) {
  test(`${scheme}: an authority that was named is trusted, by name and by number`, async () => {
    const { port, heard } = await serve('loopback');
    for (const host of ['127.0.0.1', 'localhost']) {
      assert.equal(await connect(`${scheme}://${host}:${port}`, authority).isReady(), true);
    }
    assert.deepEqual(heard, [`Bearer ${token}`, `Bearer ${token}`]);
  });

  test(`${scheme}: without it nothing is sent, and the setting is named`, async () => {
    const { port, heard } = await serve('loopback');
    await assert.rejects(connect(`${scheme}://127.0.0.1:${port}`, '').isReady(), (error: Failure) => {
      assert.equal(error.code, 'remote-untrusted');
      assert.match(error.message, /is not trusted: .*certificate.*mtaInspector\.remote\.certificateAuthority/);
      assert.ok(!error.message.includes(token));
      return true;
    });
    assert.deepEqual(heard, []);
  });

  test(`${scheme}: a certificate for another host is refused`, async () => {
    const { port, heard } = await serve('elsewhere');
    await assert.rejects(connect(`${scheme}://127.0.0.1:${port}`, authority).isReady(), (error: Failure) => {
      assert.equal(error.code, 'remote-untrusted');
      assert.match(error.message, /127\.0\.0\.1.* not .*cert|altnames/i);
      return true;
    });
    assert.deepEqual(heard, []);
  });

  test(`${scheme}: a server without TLS is named`, async () => {
    const { port } = await listening(
      createServer((_, response) => response.end('{}')),
      [],
    );
    await assert.rejects(connect(`${scheme}://127.0.0.1:${port}`, authority).isReady(), { code: 'remote-unreachable' });
  });
}

test('a redirect from TLS to a plain address is not followed', async () => {
  const other: string[] = [];
  const plain = await listening(
    createServer((request, response) => {
      other.push(request.url!);
      response.end('{}');
    }),
    other,
  );
  const { port } = await serveRest('loopback', `http://127.0.0.1:${plain.port}/`);
  await assert.rejects(connect(`https://127.0.0.1:${port}`, authority).isReady(), { code: 'remote-redirect' });
  assert.deepEqual(other, []);
});

test('an authority that is not a certificate is refused', () => {
  assert.throws(() => connect('https://127.0.0.1:1', join(folder, 'nothing.pem')), { code: 'remote-url' });
});
