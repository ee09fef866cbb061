/** Who gets through to the local workbench: its owner, under its own name, from its own pages. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startOwnerProxy } from '../../../scripts/ownerProxy.mjs';

const folder = mkdtempSync(join(tmpdir(), 'mta-proxy-'));
const reached: string[] = [];
const server = createServer((incoming, response) => {
  reached.push(`${incoming.method} ${incoming.url}`);
  incoming.pipe(response.writeHead(200, { 'x-from': 'server' }));
}).on('upgrade', (incoming, socket) => {
  reached.push(`upgrade ${incoming.url}`);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  socket.pipe(socket);
});
let proxy: Awaited<ReturnType<typeof startOwnerProxy>>;
let cookie: string;

before(async () => {
  server.listen(join(folder, 'server.sock'));
  await once(server, 'listening');
  proxy = await startOwnerProxy(join(folder, 'server.sock'));
  const { headers } = await ask({ path: secretPath('/?folder=%2Fws') });
  cookie = headers['set-cookie']![0]!.split(';')[0]!;
});
after(() => {
  proxy.close();
  server.close();
  rmSync(folder, { recursive: true });
});

function secretPath(path: string): string {
  const { pathname, search } = new URL(proxy.withSecret(new URL(path, proxy.origin)));
  return pathname + search;
}

/** One request, answered with its body; the host is this proxy's unless another is given. */
async function ask({ path = '/', headers = {}, method = 'GET', body = '' }) {
  const { port } = new URL(proxy.origin);
  const all = { host: proxy.authority, ...headers };
  const sent = request({ host: '127.0.0.1', port, path, method, headers: all }).end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode as number, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** The first line of the answer to an upgrade to a web socket, and what comes back of a text sent over it. */
async function upgrade(headers: Record<string, string>): Promise<string> {
  const { port } = new URL(proxy.origin);
  const socket = connect(Number(port), '127.0.0.1');
  const lines = Object.entries({ host: proxy.authority, connection: 'upgrade', upgrade: 'websocket', ...headers });
  socket.write(`GET /socket HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  let answer = '';
  for await (const chunk of socket) {
    answer += chunk;
    if (answer.includes('\r\n\r\n') && answer.includes(' 101 ')) {
      if (answer.endsWith('ping')) break;
      socket.write('ping');
    }
  }
  return answer.slice(9, 12) + (answer.endsWith('ping') ? ' ping' : '');
}

test('the printed address gives a cookie and leads to the same address without the secret', async () => {
  const { status, headers } = await ask({ path: secretPath('/?folder=%2Fws') });
  assert.equal(status, 303);
  assert.equal(headers.location, `${proxy.origin}/?folder=%2Fws`);
  assert.match(headers['set-cookie']![0]!, /^workbench-\d+=[\w-]{43}; HttpOnly; SameSite=Lax; Path=\/$/);
  assert.equal(headers['referrer-policy'], 'no-referrer');
});

test('with the cookie requests and web sockets go through whole', async () => {
  const own = { cookie: `other=1; ${cookie}`, origin: proxy.origin };
  const answer = await ask({ path: '/a?b=%2F', method: 'POST', headers: own, body: 'x'.repeat(300_000) });
  assert.deepEqual([answer.status, answer.headers['x-from'], answer.body.length], [200, 'server', 300_000]);
  assert.equal(reached.at(-1), 'POST /a?b=%2F');
  assert.equal(await upgrade(own), '101 ping');
});

test('nobody else gets through: no secret, a wrong one, another host, another origin', async () => {
  const before = reached.length;
  const [name] = cookie.split('=');
  const { port } = new URL(proxy.origin);
  const refused: [number, Record<string, string>][] = [
    [401, {}],
    [401, { cookie: `${name}=` }],
    [401, { cookie: `${cookie}x` }],
    [401, { cookie: `x${cookie}` }],
    [401, { cookie: cookie.replace(/\d+=/, '1=') }],
    [403, { cookie, host: `rebound.example:${port}` }],
    [403, { cookie, host: `rebound.example:${port}`, origin: `http://rebound.example:${port}` }],
    [403, { cookie, host: `127.0.0.1:${port}` }],
    [403, { cookie, host: 'localhost' }],
    [403, { cookie, host: '' }],
    [403, { cookie, origin: 'http://evil.example' }],
    [403, { cookie, origin: 'null' }],
    [403, { cookie, origin: proxy.origin.replace('http', 'https') }],
    [403, { cookie, origin: `${proxy.origin}.evil.example` }],
  ];
  for (const [status, headers] of refused) {
    const what = JSON.stringify(headers);
    const path = '/vscode-remote-resource?path=%2Fetc%2Fpasswd';
    assert.equal((await ask({ path, headers })).status, status, what);
    assert.equal(await upgrade(headers), String(status), what);
  }
  for (const path of ['/?secret=', '/?secret=wrong', `${proxy.origin}/`, '//evil.example/?secret=x']) {
    assert.notEqual((await ask({ path })).status, 303, path);
  }
  const rebound = { host: `rebound.example:${port}` };
  assert.equal((await ask({ path: secretPath('/'), headers: rebound })).status, 403);
  assert.equal((await ask({ path: secretPath('/'), method: 'POST' })).status, 401);
  assert.equal(reached.length, before);
});

test('the redirect stays on this server', async () => {
  for (const path of ['//evil.example/', '/\\evil.example/', '/.//evil.example']) {
    const search = new URL(proxy.withSecret(new URL(proxy.origin))).search;
    const { location = '' } = (await ask({ path: path + search })).headers;
    assert.equal(new URL(location, proxy.origin).origin, proxy.origin, path);
  }
});

test('a server that has gone is a 502, not the end of the proxy', async () => {
  const gone = await startOwnerProxy(join(folder, 'none.sock'));
  const opened = await fetch(gone.withSecret(new URL(gone.origin)), { redirect: 'manual' });
  const headers = { cookie: opened.headers.get('set-cookie')!.split(';')[0]! };
  assert.equal((await fetch(gone.origin, { headers })).status, 502);
  gone.close();
});
