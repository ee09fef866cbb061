/**
 * The remote engine against two independent servers on loopback: our Ray Serve application with two replicas, and
 * MLServer. The same numbers as here, by every way in; a replica that dies and many requests at once lose nothing.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { exportRepository } from '../../src/cli/repository';
import { InferenceClient } from '../../src/inference/client';
import { Engine } from '../../src/inference/engine';
import { openEndpoint } from '../../src/inference/runtime/remote/endpoint';
import { openTransport } from '../../src/inference/runtime/remote/openTransport';
import { int64 } from '../../src/inference/runtime/values';
import { startProcess } from '../../src/inference/startProcess';
import type { LayerResult } from '../../src/shared/analysis';
import type { RemoteOptions } from '../../src/shared/remote';
import { Failure } from '../../src/shared/tools/failure';
import { cliEntry, inferenceEntry, root, tinyModelDirectory } from '../fixtures/paths';
import { texts } from '../fixtures/texts';
import { processesBelow, type Server, startMlserver, startRay, token } from './servers';

const quiet = { debug() {}, info() {} };
const scratch = mkdtempSync(join(tmpdir(), 'mta-serving-'));
const repository = join(scratch, 'repository');
let ray: Server;
let mlserver: Server;

before(async () => {
  const python = join(root, 'models', 'serving', '.venv', 'bin', 'python'); // made by scripts/test.mjs
  await exportRepository(tinyModelDirectory, repository);
  [ray, mlserver] = await Promise.all([
    startRay(python, repository, scratch, 'replicas: 2\ngroups: 1'),
    startMlserver(python, repository, scratch),
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

function assertSame(found: Map<string, ArrayLike<number>>, wanted: Map<string, ArrayLike<number>>): void {
  assert.deepEqual([...found.keys()], [...wanted.keys()]);
  for (const [name, values] of wanted) {
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
    const wanted = await inspect(here.engine, here.layers);
    await here.engine.release();
    const there = await open({ ...local, modelDirectory: '', remote: remote() });
    assert.match(there.engine.providerNote, note);
    assert.equal(there.engine.provider, 'remote');
    assert.deepEqual({ ...there.engine.model, directory: '' }, { ...here.engine.model, directory: '' });
    assertSame(await inspect(there.engine, there.layers), wanted);
    await there.engine.release();
  });
}

test('the inference process runs a remote model for the extension', async () => {
  const layers: number[] = [];
  const client = new InferenceClient(() => startProcess(inferenceEntry, quiet, ['--import', 'tsx']));
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
    const command = [
      '--import',
      'tsx',
      cliEntry,
      'analyze',
      file,
      '--layer',
      '2',
      '--head',
      '1',
      '--json',
      '-',
      ...args,
    ];
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
  const [wanted] = await Promise.all(transports.map(transport => transport.infer(call)));
  const replicas = processesBelow(ray.process.pid!, /ray::ServeReplica:mta:part-0/);
  assert.equal(replicas.length, 2, ray.log());
  const kill = (async () => {
    await transports[0]!.infer(call);
    process.kill(replicas[0]!, 'SIGKILL');
  })();
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => transports[i % 2]!.infer(call)));
  await kill;
  for (const { hidden_out } of answers) assert.deepEqual(hidden_out!.data, wanted!['hidden_out']!.data);
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
