/** Nothing goes over the network: the ways out are watched inside the processes that see a document's text. */

import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../../src/inference/protocol';
import { type None, Rpc } from '../../src/shared/tools/rpc';
import { cliEntry, inferenceEntry, root, tinyModelDirectory } from '../fixtures/paths';

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
  const stderr = reported('--import', 'tsx', cliEntry, 'analyze', document, '--model', tinyModelDirectory);
  assert.doesNotMatch(stderr, /network:/);
});

test('the inference process runs a document without network, and holds no internet socket', async () => {
  const child = fork(inferenceEntry, {
    serialization: 'advanced',
    execArgv: [...watch, '--import', 'tsx'],
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
