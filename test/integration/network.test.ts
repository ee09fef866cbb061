/**
 * Nothing is sent anywhere unless a model is downloaded or a server is set, and a download sends nothing of a document: the
 * ways out are watched inside the processes that see a document's text, and inside a download.
 */

import assert from 'node:assert/strict';
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../../src/inference/protocol';
import { type None, Rpc } from '../../src/shared/tools/rpc';
import { FakeHub } from '../fixtures/hub';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram, inferenceProgram } from '../fixtures/programs';

/** Source files that name a way out of the machine. */
const reachingOut = [
  'cli/download.ts',
  'editor/hubCommands.ts',
  'hub/hubSettings.ts',
  'inference/runtime/remote/grpcConnection.ts',
  'inference/runtime/remote/grpcTransport.ts',
  'inference/runtime/remote/restTransport.ts',
];

const watch = ['--require', join(root, 'test', 'fixtures', 'reportNetwork.cjs')];
const document = join(root, 'test', 'fixtures', 'documents', 'inventory.ts');

function reported(...args: string[]): string {
  const { status, stderr } = spawnSync(process.execPath, [...watch, ...args], { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stderr;
}

test('what is watched is seen', () => {
  const attempts =
    "fetch('http://127.0.0.1:9').catch(() => {}); require('net').connect(9, '127.0.0.1').on('error', () => {})";
  assert.match(reported('-e', attempts), /network: fetch\nnetwork: connect/);
});

test('the command line analyses without network', () => {
  const stderr = reported(cliProgram, 'analyze', document, '--model', tinyModelDirectory);
  assert.doesNotMatch(stderr, /network:/);
});

test('the command line lists models, also those of other programs, without network', () => {
  assert.doesNotMatch(reported(cliProgram, 'models'), /network:/);
});

test('a download reaches its endpoint and where that redirects to, and nothing else', async () => {
  const hub = new FakeHub({ 'owner/tiny': { commit: 'c'.repeat(40), files: filesOf(tinyModelDirectory) } });
  await hub.start();
  const cache = mkdtempSync(join(tmpdir(), 'mta-network-'));
  try {
    const env = { PATH: process.env['PATH'], HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache };
    const child = spawn(process.execPath, [...watch, cliProgram, 'download', 'owner/tiny'], {
      cwd: root,
      env,
    });
    let stderr = '';
    child.stderr.on('data', chunk => {
      stderr += chunk;
    });
    const [status] = await once(child, 'close');
    assert.equal(status, 0, stderr);
    const ways = [...stderr.matchAll(/^network: (.*)$/gm)].map(([, way]) => way!);
    assert.ok(ways.length >= 2, stderr);
    const { ports } = hub;
    for (const way of ways) {
      const { host, port } = JSON.parse(/^connect (\{.*\})$/.exec(way)?.[1] ?? '{}') as {
        host?: string;
        port?: string;
      };
      assert.ok(host === '127.0.0.1' && ports.includes(Number(port)), way);
    }
    assert.ok(hub.heard.every(({ path }) => path.length < 200));
  } finally {
    hub.stop();
    rmSync(cache, { recursive: true });
  }
});

function filesOf(directory: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    readdirSync(directory).map(name => [name, new Uint8Array(readFileSync(join(directory, name)))]),
  );
}

test('only downloads and the remote server’s transports reach out, in the whole source', () => {
  const names = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  );
  const out =
    /from '(node:(https?|http2|net|tls|dgram|dns)|undici|@connectrpc\/connect-node)'|typeof fetch|null, fetch\)/;
  const files = names.filter(name => out.test(readFileSync(join(root, 'src', name), 'utf8')));
  assert.deepEqual(files.map(name => name.replaceAll('\\', '/')).sort(), reachingOut);
});

test('the inference process runs a document without network, and holds no internet socket', async () => {
  const child = fork(inferenceProgram, {
    serialization: 'advanced',
    execArgv: watch,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr!.on('data', chunk => {
    stderr += chunk;
  });
  const rpc = new Rpc<InferenceRequests, None, InferenceEvents, None>(
    { send: message => child.send(message as object), onMessage: listener => child.on('message', listener) },
    {},
  );
  try {
    await rpc.request('load', { protocolVersion, modelDirectory: tinyModelDirectory, provider: 'auto', nThreads: 1 });
    const text = readFileSync(document, 'utf8');
    const place = { text, textStart: 0, documentLength: text.length, anchor: 0 };
    await rpc.request('analyze', { analysisId: 1, ...place, maxTokens: 64, topK: 4 });
    // Native code too: the kernel knows every socket.
    if (process.platform === 'linux') assert.deepEqual(internetSockets(child.pid!), []);
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
  assert.doesNotMatch(stderr, /network:/);
});

/** Lines of the kernel's tables of TCP and UDP sockets that belong to a process. */
function internetSockets(pid: number): string[] {
  const links = readdirSync(`/proc/${pid}/fd`).map(name => readlinkSync(`/proc/${pid}/fd/${name}`));
  const inodes = new Set(links.flatMap(link => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap(table => {
    const lines = readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1);
    return lines.filter(line => inodes.has(line.trim().split(/\s+/)[9]!));
  });
}
