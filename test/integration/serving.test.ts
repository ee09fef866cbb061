/**
 * The remote engine against two independent servers on loopback: our Ray Serve application with two replicas, and
 * MLServer. The same numbers as here, by every way in; a replica that dies and many requests at once lose nothing.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { exportRepository } from '../../src/cli/repository';
import { InferenceClient } from '../../src/inference/client';
import { Engine } from '../../src/inference/engine';
import { openEndpoint } from '../../src/inference/runtime/remote/endpoint';
import { GRPCInferenceService } from '../../src/inference/runtime/remote/oip/open_inference_grpc_pb';
import { openTransport } from '../../src/inference/runtime/remote/openTransport';
import { int64 } from '../../src/inference/runtime/values';
import { startProcess } from '../../src/inference/startProcess';
import type { LayerResult } from '../../src/shared/analysis';
import type { RemoteOptions } from '../../src/shared/remote';
import { Failure } from '../../src/shared/tools/failure';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram, inferenceProgram } from '../fixtures/programs';
import { texts } from '../fixtures/texts';
import { listenersOf, processesBelow, type Server, startMlserver, startRay, token } from './servers';

const quiet = { debug() {}, info() {} };
const scratch = mkdtempSync(join(tmpdir(), 'mta-serving-'));
const repository = join(scratch, 'repository');
/** Python environments that scripts/test.mjs has made. */
const environment = (name: string) => join(root, 'models', 'serving', name, 'bin', 'python');
const python = environment('.venv');
let ray: Server;
let mlserver: Server;

before(async () => {
  await exportRepository(tinyModelDirectory, repository);
  [ray, mlserver] = await Promise.all([
    startRay(python, repository, scratch, 'replicas: 2\ngroups: 1'),
    startMlserver(environment('.venv-mlserver'), repository, scratch),
  ]);
});
after(async () => {
  await Promise.all([ray?.end(), mlserver?.end()]);
  rmSync(scratch, { recursive: true, force: true });
  // A handle that a killed server leaves behind must not keep this process: by then everything is reported.
  setTimeout(() => process.exit(), 5000).unref();
});

const options = (url: string, extra: Partial<RemoteOptions> = {}): RemoteOptions => ({
  ...{ url, model: 'tiny-model', token, timeoutMs: 60_000, retries: 5, caFile: '' },
  ...extra,
});
const local = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
const text = texts['code']!;
const run = { text, textStart: 0, documentLength: text.length, anchor: 0, maxTokens: 64, topK: 8 };

/** Everything the panel may ask of a run, as numbers by name. */
async function inspect(engine: Engine, layers: LayerResult[]): Promise<Map<string, ArrayLike<number>>> {
  layers.length = 0;
  const { predictions } = await engine.analyze({ ...run, analysisId: 1 });
  const numbers = new Map<string, ArrayLike<number>>([
    ['surprisal', predictions.surprisalBits.subarray(1)],
    ['top tokens', predictions.topIds],
  ]);
  for (const { layerIdx, topKeys, overviews } of layers) {
    numbers.set(`${layerIdx} keys`, topKeys.indices).set(`${layerIdx} weights`, topKeys.weights);
    for (const { stage, cells, scales } of overviews) {
      numbers.set(`${layerIdx} ${stage} cells`, cells).set(`${layerIdx} ${stage} scales`, scales);
    }
  }
  const all = { analysisId: 1, layerIdx: 2, headIdx: 1, queryStart: 3, keyStart: 2, nQueries: 9, nKeys: 8 };
  numbers.set('tile', (await engine.details.tile({ ...all, stage: 'mixed_scores' })).values);
  numbers.set('patch', (await engine.details.patch({ ...all, stage: 'pattern' })).values);
  numbers.set('overview', (await engine.details.overview({ ...all, stage: 'pattern' })).scales);
  for (const { part, values } of await engine.details.kernels({ analysisId: 1, layerIdx: 0 }))
    numbers.set(part, values);
  const edits = [{ part: 'pre_softmax_conv', layerIdx: 0, headIdx: null, weights: null }] as const;
  const ablated = await engine.ablate({ analysisId: 2, baseId: 1, ablation: { scope: 'model', edits }, topK: 8 });
  numbers.set('divergence', ablated.klBits);
  const occlusion = { target: { first: 20, end: 22 }, spans: [{ first: 2, end: 5 }], mode: 'replace' } as const;
  const baseline = await engine.occlude({ analysisId: 1, occlusionId: 1, ...occlusion }, new AbortController().signal);
  return numbers.set('occluded', [baseline.surprisalBits]);
}

async function open(args: Parameters<typeof Engine.load>[0]): Promise<{ engine: Engine; layers: LayerResult[] }> {
  const layers: LayerResult[] = [];
  const engine = await Engine.load(args, (name, payload) => {
    if (name === 'layer') layers.push((payload as { layer: LayerResult }).layer);
  });
  return { engine, layers };
}

function assertSame(found: Map<string, ArrayLike<number>>, reference: Map<string, ArrayLike<number>>): void {
  assert.deepEqual([...found.keys()], [...reference.keys()]);
  for (const [name, values] of reference) {
    const other = found.get(name)!;
    assert.equal(other.length, values.length, name);
    const allowed = name.endsWith('cells') ? 1 : 1e-4; // a cell may round to its neighbouring step
    for (let i = 0; i < values.length; i++) {
      assert.ok(Math.abs(other[i]! - values[i]!) <= allowed, `${name}[${i}]: ${other[i]} instead of ${values[i]}`);
    }
  }
}

const ways: [string, () => RemoteOptions, RegExp][] = [
  ['Ray Serve over REST', () => options(ray.rest, { model: '' }), /\(REST\)/],
  ['Ray Serve over gRPC, streaming', () => options(ray.grpc), /\(gRPC, streaming\)/],
  ['MLServer over REST', () => options(mlserver.rest), /\(REST\)/],
  ['MLServer over gRPC', () => options(mlserver.grpc), /\(gRPC\)/],
];
for (const [what, remote, note] of ways) {
  test(`${what} gives the numbers of this machine`, async () => {
    const here = await open(local);
    const reference = await inspect(here.engine, here.layers);
    await here.engine.release();
    const there = await open({ ...local, modelDirectory: '', remote: remote() });
    assert.match(there.engine.providerNote, note);
    assert.equal(there.engine.provider, 'remote');
    assert.deepEqual({ ...there.engine.model, directory: '' }, { ...here.engine.model, directory: '' });
    assertSame(await inspect(there.engine, there.layers), reference);
    await there.engine.release();
  });
}

test('the inference process runs a remote model for the extension', async () => {
  const layers: number[] = [];
  const client = new InferenceClient(() => startProcess(inferenceProgram, quiet));
  client.listen({ layer: ({ layer }) => layers.push(layer.layerIdx) });
  try {
    const { signal } = new AbortController();
    const { provider } = await client.load({ ...local, modelDirectory: '', remote: options(ray.grpc) }, signal);
    assert.equal(provider, 'remote');
    await client.analyze({ ...run, analysisId: 1 }, signal);
    assert.deepEqual(layers, [0, 1, 2]);
  } finally {
    client.dispose();
  }
});

test('the command line gives the same figures with --remote', async () => {
  const file = join(scratch, 'document.ts');
  writeFileSync(file, text);
  const analyze = async (...args: string[]) => {
    const command = [cliProgram, 'analyze', file, '--layer', '2', '--head', '1', '--json', '-', ...args];
    const child = spawn(process.execPath, command, { cwd: root, env: { ...process.env, MTA_INSPECTOR_TOKEN: token } });
    let [out, err] = ['', ''];
    child.stdout.on('data', chunk => (out += chunk));
    child.stderr.on('data', chunk => (err += chunk));
    const [code] = await once(child, 'close');
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const [here, there] = await Promise.all([analyze('--model', tinyModelDirectory), analyze('--remote', ray.rest)]);
  assert.equal(there.provider, 'remote');
  const weights = (json: { rows: { top: { weight: number }[] }[] }) =>
    json.rows.flatMap(row => row.top.map(key => key.weight));
  assertSame(new Map([['weights', weights(there)]]), new Map([['weights', weights(here)]]));
});

test('50 requests at once and a replica killed among them: none is lost', async () => {
  const transports = [ray.rest, ray.grpc].map(url => openTransport(openEndpoint(options(url))));
  const hidden = {
    type: 'float32',
    dims: [1, 40, 32],
    data: Float32Array.from({ length: 1280 }, (_, i) => Math.sin(i)),
  } as const;
  const one = int64([1], [1]);
  const call = {
    model: 'tiny-model-layer-1',
    inputs: { hidden, top_k: one, block_size: one },
    outputs: { hidden_out: { type: 'float32', dims: [1, 40, 32] } },
  } as const;
  const [reference] = await Promise.all(transports.map(transport => transport.infer(call)));
  const replicas = processesBelow(ray.process.pid!, /ray::ServeReplica:mta:part-0/);
  assert.equal(replicas.length, 2, ray.log());
  const kill = (async () => {
    await transports[0]!.infer(call);
    process.kill(replicas[0]!, 'SIGKILL');
  })();
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => transports[i % 2]!.infer(call)));
  await kill;
  for (const { hidden_out } of answers) assert.deepEqual(hidden_out!.data, reference!['hidden_out']!.data);
  await Promise.all(transports.map(transport => transport.infer(call)));
  for (const transport of transports) transport.close();
});

test('both sides refuse what is wrong: no token, an unknown model, a window that is too long', async () => {
  for (const url of [ray.rest, ray.grpc]) {
    const load = (extra: Partial<RemoteOptions>) => Engine.load({ ...local, remote: options(url, extra) }, () => {});
    await assert.rejects(load({ token: null }), { code: 'remote-unauthorized' });
    await assert.rejects(load({ token: 'another-token' }), { code: 'remote-unauthorized' });
    await assert.rejects(load({ model: 'no-such-model' }), Failure);
    const transport = openTransport(openEndpoint(options(url)));
    const ids = int64(new Array(5000).fill(1), [1, 5000]);
    const outputs = { hidden: { type: 'float32', dims: [1, 5000, 32] } } as const;
    await assert.rejects(transport.infer({ model: 'tiny-model-embed', inputs: { ids }, outputs }), /takes 4096/);
    transport.close();
  }
});

/** What a process of the server was started with: its variables. */
function environmentOf(pid: number): Map<string, string> {
  const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return new Map(pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

test('another user of the machine gets nothing of Ray: no port but on loopback, no access, no secret', async () => {
  const pids = [ray.process.pid!, ...processesBelow(ray.process.pid!, /./)];
  const listeners = listenersOf(pids);
  assert.ok(listeners.length > 5, JSON.stringify(listeners));
  const foreign = listeners.filter(({ address }) => !/^(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/.test(address));
  assert.deepEqual(foreign, []);

  const [gcs] = processesBelow(ray.process.pid!, /\/gcs_server /);
  const tokenPath = environmentOf(gcs!).get('RAY_AUTH_TOKEN_PATH')!;
  assert.equal(statSync(tokenPath).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(tokenPath)).mode & 0o777, 0o700);
  for (const pid of pids.slice(1)) assert.ok(![...environmentOf(pid).values()].includes(token), String(pid));

  // Ray's store, as somebody who knows the port reads it; with the owner's token, to look for the clients' in it.
  const [port] = listeners.filter(({ pid }) => pid === gcs).map(listener => listener.port);
  const script = join(scratch, 'store.py');
  writeFileSync(
    script,
    `import sys
from ray._raylet import GcsClient
client = GcsClient(address=sys.argv[1])
names = [b"", b"serve", b"fun", b"session", b"dashboard"]
values = [client.internal_kv_get(key, name) or b"" for name in names for key in client.internal_kv_keys(b"", name)]
print(len(values) > 5, any(sys.argv[2].encode() in value for value in values))
`,
  );
  const read = (more: Record<string, string>) => {
    const env = { PATH: process.env['PATH'], HOME: scratch, ...more };
    return promisify(execFile)(python, [script, `127.0.0.1:${port}`, token], { env });
  };
  const [stranger, owner] = await Promise.allSettled([
    read({}),
    read({ RAY_AUTH_MODE: 'token', RAY_AUTH_TOKEN_PATH: tokenPath }),
  ]);
  assert.match(stranger.status === 'rejected' ? stranger.reason.stderr : 'answered', /AuthenticationError/);
  assert.equal(owner.status === 'fulfilled' ? owner.value.stdout.trim() : owner.reason.stderr, 'True False');

  // Jobs are commands: the dashboard's agents take them.
  const agents = processesBelow(ray.process.pid!, /DashboardAgent|dashboard\/agent/);
  const ports = listeners.filter(({ pid }) => agents.includes(pid)).map(listener => listener.port);
  const body = JSON.stringify({ entrypoint: `touch ${join(scratch, 'job')}` });
  const statuses = await Promise.all(
    ports.map(async agentPort => {
      const url = `http://127.0.0.1:${agentPort}/api/job_agent/jobs/`;
      const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body }).catch(
        () => null,
      );
      return answer?.status ?? 0; // 0: gRPC only
    }),
  );
  assert.ok(statuses.includes(401), String(statuses));
  assert.ok(!existsSync(join(scratch, 'job')));
});

/** A request over REST as it is, without what a client's library adds; the body in pieces of unknown length. */
async function rawRest(path: string, headers: Record<string, string>, pieces: Iterable<string> = []): Promise<string> {
  const all = { authorization: `Bearer ${token}`, ...headers };
  const sent = request(ray.rest + path, { method: 'POST', headers: all });
  sent.setMaxListeners(0); // one waits for each full buffer
  const answered = once(sent, 'response');
  sent.on('error', () => {}); // the server need not take all of it
  let isAnswered = false;
  sent.on('response', () => {
    isAnswered = true;
  });
  for (const piece of pieces) {
    if (isAnswered) break;
    if (!sent.write(piece)) await Promise.race([once(sent, 'drain'), answered]);
  }
  sent.end();
  const [response] = await answered;
  let text = '';
  try {
    for await (const part of response) text += part;
  } catch (error) {
    // A server that closes with unread bytes before it may reset the connection behind its status.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
  return `${response.statusCode} ${text}`;
}

const ids = (numbers: unknown, shape: unknown = [1, 2], more = {}) =>
  JSON.stringify({ inputs: [{ name: 'ids', datatype: 'INT64', shape, data: numbers }], ...more });
const embed = '/v2/models/tiny-model-embed/infer';

test('REST refuses by the right status: pages, other hosts, bodies and numbers that cannot be meant', async () => {
  const { host } = new URL(ray.rest);
  assert.match(await rawRest(embed, { host }, [ids([1, 2])]), /^200 /);
  assert.match(await rawRest(embed, { host: host.replace('127.0.0.1', 'localhost') }, [ids([1, 2])]), /^200 /);
  const half = 2 ** 23;
  const cases: [RegExp, string, Record<string, string>?][] = [
    [/^403 /, ids([1, 2]), { host: 'rebound.example' }],
    [/^403 /, ids([1, 2]), { host: `127.0.0.1.example:${new URL(ray.rest).port}` }],
    [/^403 /, ids([1, 2]), { origin: 'http://evil.example', 'content-type': 'text/plain' }],
    [/^401 /, ids([1, 2]), { authorization: 'Bearer wrong' }],
    [/^400 .*JSON part has/, `${ids([1, 2])}${' '.repeat(2 * half)}`],
    [/^400 .*holds -1, expected no negative number/, ids([1, -1])],
    [/^400 .*4160 tokens \(65 x 64\), this server takes 4096/, ids(new Array(65 * 64).fill(1), [65, 64])],
    [/^400 .*300 axes/, ids([1], new Array(300).fill(1))],
    [/^400 .*something else than INT64/, ids([1, 2.5])],
    [/^400 .*something else than INT64/, ids([1, 2 ** 63])],
    [/^400 .*something else than INT64/, ids(['1', '2'])],
    [/^400 .*has 16 bytes, which is not INT64/, ids([1, 2], [1, 3])],
    [/^400 .*has the shape|^400 .*tokens|^400 .*expected INT64/, ids([], [2 ** 62, 0])],
    [
      /^400 .*has no input .+other/,
      JSON.stringify({ inputs: [{ name: 'other', datatype: 'INT64', shape: [1], data: [1] }] }),
    ],
    [/^400 .*id is not a text/, ids([1, 2], [1, 2], { id: { a: 1 } })],
    [/^400 .*inference-header-content-length/, ids([1, 2]), { 'inference-header-content-length': '-5' }],
    [/^400 /, '['.repeat(200_000)],
  ];
  for (const [expected, body, headers = {}] of cases) {
    assert.match(await rawRest(embed, headers, [body]), expected, body.slice(0, 100));
  }
});

test('REST takes no more of a body than a request can have, stated or not', async () => {
  const piece = ' '.repeat(2 ** 20);
  const started = Array.from({ length: 800 }, () => piece);
  const rest = processesBelow(ray.process.pid!, /ray::ServeReplica:mta:Rest/)[0]!;
  const peakMb = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${rest}/status`, 'utf8'))![1]) / 1024;
  const before = peakMb();
  assert.match(await rawRest(embed, {}, started), /^413 /);
  assert.match(await rawRest(embed, { authorization: 'Bearer wrong' }, started), /^401 /);
  assert.match(await rawRest(embed, { 'content-length': String(2 ** 31) }), /^413 .*at most \d+ bytes/);
  // On a busy machine Ray's proxy hands on some pieces before it hears that the body is refused; never most of them.
  assert.ok(peakMb() - before < 400, `${before} to ${peakMb()} MB`);
});

test('gRPC refuses by the right status what no model takes', async () => {
  const transport = createGrpcTransport({
    baseUrl: ray.grpc.replace('grpc', 'http'),
    interceptors: [
      next => sent => {
        sent.header.set('authorization', `Bearer ${token}`);
        return next(sent);
      },
    ],
  });
  const client = createClient(GRPCInferenceService, transport);
  const infer = (shape: number[], numbers: number[], datatype = 'INT64', modelName = 'tiny-model-embed') => {
    const contents = datatype === 'INT64' ? { int64Contents: numbers.map(BigInt) } : { intContents: numbers };
    const inputs = [{ name: 'ids', datatype, shape: shape.map(BigInt), contents }];
    return client.modelInfer({ modelName, inputs });
  };
  assert.equal((await infer([1, 2], [1, 2])).outputs[0]!.name, 'hidden');
  const cases: [string, ...Parameters<typeof infer>][] = [
    ['100 axes', new Array(100).fill(1), [1]],
    ['holds -1', [1, 1], [-1]],
    ['4160 tokens', [65, 64], new Array(65 * 64).fill(1)],
    ['something else than INT8', [1, 1], [300], 'INT8'],
    ['which no model takes', [1, 1], [1], 'BYTES'],
    ['there is no model', [1, 1], [1], 'INT64', 'no-such-model'],
    ['could not run', [1, 1], [2 ** 40]],
  ];
  for (const [message, ...call] of cases) {
    await assert.rejects(infer(...call), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.InvalidArgument, `${message}: ${error.message}`);
      assert.ok(error.message.includes(message), error.message);
      return true;
    });
  }
});

test('the server refuses secrets that others could read or that cannot reach every machine', async () => {
  const serve = async (args: string[], env: Record<string, string>) => {
    const all = { PATH: process.env['PATH'], ...env };
    const options = { cwd: join(root, 'models'), env: all, timeout: 60_000 };
    const { stderr } = await promisify(execFile)(python, ['-m', 'serving.serve', repository, ...args], options).catch(
      e => e,
    );
    return String(stderr);
  };
  const file = join(scratch, 'open-token');
  writeFileSync(file, 'secret', { mode: 0o644 });
  assert.match(
    await serve([], { MTA_SERVING_TOKEN_FILE: file }),
    /has mode 644: others can read the token in it. Run: chmod 600/,
  );
  assert.match(
    await serve(['--address', '127.0.0.1:1'], { MTA_SERVING_TOKEN: 'x' }),
    /every machine must read the token itself/,
  );
});
