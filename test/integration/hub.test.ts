/** Downloads from a hub on loopback: what is fetched and what never, cuts, wrong hashes, refusals, the token, the cache. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { type DownloadProgress, download } from '../../src/hub/download';
import { listDownloads, lockFile, removeDownload } from '../../src/hub/fetched';
import { type HubSettings, readHubSettings } from '../../src/hub/hubSettings';
import { planDownload, searchModels } from '../../src/hub/planDownload';
import { modelFacts } from '../../src/inference/modelFacts';
import { cachedModels } from '../../src/inference/stores/huggingFaceCache';
import { FakeHub, gitHash, type HubRepository, sha256 } from '../fixtures/hub';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-hub-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const file = (name: string) => new Uint8Array(readFileSync(join(tinyModelDirectory, name)));
const bytesOf = (text: string) => new TextEncoder().encode(text);
const commit = 'c'.repeat(40);
const tiny: HubRepository = {
  commit,
  files: {
    'README.md': bytesOf('# A model'),
    'config.json': file('config.json'),
    'generation_config.json': bytesOf('{}'),
    'modeling_tiny.py': bytesOf('import os'),
    'model.safetensors': file('model.safetensors'),
    'pytorch_model.bin': bytesOf('pickled'),
    'tokenizer.json': file('tokenizer.json'),
  },
};
const ggufs = {
  'a-Q4_K_M.gguf': bytesOf(`GGUF${'4'.repeat(5000)}`),
  'b-00001-of-00002.gguf': bytesOf('GGUF1'),
  'b-00002-of-00002.gguf': bytesOf('GGUF2'),
  'mmproj-a.gguf': bytesOf('GGUF'),
};
const repositories: Record<string, HubRepository> = {
  'owner/tiny': tiny,
  'owner/gated': { ...tiny, isGated: true },
  'owner/pickles': { commit, files: { 'config.json': file('config.json'), 'pytorch_model.bin': bytesOf('x') } },
  'owner/quantized': { commit, files: ggufs },
};

let hub: FakeHub;
let cache: string;
let count = 0;
beforeEach(async () => {
  hub = new FakeHub(repositories);
  cache = join(scratch, String(count++));
  await hub.start();
});
afterEach(() => hub.stop());

const settings = (change: Partial<HubSettings> = {}): HubSettings => ({
  ...{ endpoint: hub.endpoint, isOffline: false, token: null, cache, hasLinks: true, fetch },
  ...change,
});
const never = new AbortController().signal;

async function fetchModel(
  id = 'owner/tiny',
  change: Partial<HubSettings> = {},
  signal = never,
  gguf: string | null = null,
) {
  const progress: DownloadProgress[] = [];
  const plan = await planDownload(settings(change), { id, revision: null }, gguf, signal);
  const snapshot = await download(settings(change), plan, signal, each => progress.push(each));
  return { plan, snapshot, progress };
}

const wanted = ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json'];
const blobs = () => join(cache, 'models--owner--tiny', 'blobs');

test('a model is described before, fetched without code and pickles, and runs from the cache', async () => {
  const { plan, snapshot, progress } = await fetchModel();
  assert.deepEqual(
    { ...plan.facts },
    {
      id: 'owner/tiny',
      commit,
      license: 'apache-2.0',
      isGated: false,
      isPrivate: false,
      family: null,
      nParameters: null,
    },
  );
  const sizeBytes = wanted.reduce((sum, name) => sum + tiny.files[name]!.length, 0);
  assert.deepEqual([plan.sizeBytes, plan.missingBytes], [sizeBytes, sizeBytes]);
  assert.equal(plan.weightBytes, tiny.files['model.safetensors']!.length);
  assert.deepEqual(readdirSync(snapshot).sort(), wanted);
  for (const name of wanted) assert.deepEqual(new Uint8Array(readFileSync(join(snapshot, name))), tiny.files[name]);
  if (process.platform !== 'win32') {
    const weights = tiny.files['model.safetensors']!;
    assert.equal(readlinkSync(join(snapshot, 'model.safetensors')), join('..', '..', 'blobs', sha256(weights)));
    assert.equal(
      readlinkSync(join(snapshot, 'generation_config.json')),
      join('..', '..', 'blobs', gitHash(bytesOf('{}'))),
    );
  }
  assert.equal(readFileSync(join(cache, 'models--owner--tiny', 'refs', 'main'), 'utf8'), commit);
  assert.deepEqual((await modelFacts(snapshot)).problem, null);
  const [model] = await cachedModels(cache);
  assert.deepEqual([model!.name, model!.revision], ['owner/tiny', 'main']);
  assert.equal(progress.at(-1)!.doneBytes, sizeBytes);
  assert.ok(!hub.heard.some(({ path }) => /README|modeling|pytorch_model/.test(path)));
});

test('what is in the cache is not fetched again', async () => {
  await fetchModel();
  const nBefore = hub.heard.filter(({ host }) => host === 'content').length;
  const { plan } = await fetchModel();
  assert.equal(plan.missingBytes, 0);
  assert.equal(hub.heard.filter(({ host }) => host === 'content').length, nBefore);
});

test('without links there are plain files, as on Windows', async () => {
  const { snapshot } = await fetchModel('owner/tiny', { hasLinks: false });
  for (const name of wanted) assert.ok(lstatSync(join(snapshot, name)).isFile(), name);
  assert.deepEqual(readdirSync(blobs()), []);
  assert.equal((await modelFacts(snapshot)).problem, null);
});

test('a cut connection goes on where it stopped', async () => {
  hub.cuts.push(5000, 7000);
  const { snapshot } = await fetchModel();
  assert.equal((await modelFacts(snapshot)).problem, null);
  const weights = sha256(tiny.files['model.safetensors']!);
  const ranges = hub.heard
    .filter(({ host, path }) => host === 'content' && path.includes(weights))
    .map(({ range }) => range);
  const first = ranges.findIndex(range => range !== undefined);
  assert.equal(ranges[first - 1], undefined);
  const [from, then] = ranges.slice(first, first + 2).map(range => Number(/\d+/.exec(range ?? '')?.[0]));
  assert.ok(from! > 0 && from! <= 5000 && then! > from! && then! <= 12_000, String(ranges));
});

test('a server that knows no ranges sends it all again', async () => {
  hub.knowsRanges = false;
  hub.cuts.push(5000);
  const { snapshot } = await fetchModel();
  assert.equal((await modelFacts(snapshot)).problem, null);
});

test('a cancelled download leaves no model, and the next one goes on', async () => {
  const cancel = new AbortController();
  const cut = Array.from({ length: 20 }, () => 3000);
  hub.cuts.push(...cut);
  const plan = await planDownload(settings(), { id: 'owner/tiny', revision: null }, null, never);
  let firstBytes: number | undefined;
  const running = download(settings(), plan, cancel.signal, ({ name, doneBytes }) => {
    if (name !== 'model.safetensors') return;
    firstBytes ??= doneBytes;
    if (doneBytes > firstBytes) cancel.abort(); // in the middle of the file, however fast the machine is
  });
  await assert.rejects(running, { code: 'cancelled' });
  assert.ok(!existsSync(lockFile(cache, 'owner/tiny')));
  assert.ok(!existsSync(join(cache, 'models--owner--tiny', 'refs', 'main')));
  assert.ok(
    readdirSync(blobs()).some(name => name.endsWith('.incomplete')),
    readdirSync(blobs()).join(),
  );
  hub.cuts.length = 0;
  const nBefore = hub.heard.length;
  const { snapshot } = await fetchModel();
  assert.equal((await modelFacts(snapshot)).problem, null);
  assert.ok(hub.heard.slice(nBefore).some(({ range }) => range !== undefined));
  assert.ok(!readdirSync(blobs()).some(name => name.endsWith('.incomplete')));
});

for (const [what, spoil] of [
  ['another byte', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 10 ? byte ^ 1 : byte))],
  ['more bytes', (bytes: Uint8Array) => new Uint8Array([...bytes, 1])],
] as const) {
  test(`${what} than listed: nothing of it stays`, async () => {
    const plan = await planDownload(settings(), { id: 'owner/tiny', revision: null }, null, never);
    hub.spoil = spoil;
    await assert.rejects(
      download(settings(), plan, never, () => {}),
      { code: 'bad-download', message: /is not what the hub lists/ },
    );
    assert.deepEqual(readdirSync(blobs()), []);
    assert.ok(!existsSync(join(cache, 'models--owner--tiny', 'refs', 'main')));
  });
}

test('a part that another program spoiled is noticed and fetched anew', async () => {
  mkdirSync(blobs(), { recursive: true });
  const weights = tiny.files['model.safetensors']!;
  writeFileSync(join(blobs(), `${sha256(weights)}.mta-inspector.incomplete`), new Uint8Array(9000));
  const { snapshot } = await fetchModel();
  assert.equal((await modelFacts(snapshot)).problem, null);
});

const refused: [string, Partial<HubSettings>, string, RegExp][] = [
  ['owner/none', {}, 'no-model', /There is no model owner\/none at 127\.0\.0\.1:\d+, or it is private.*set a token/],
  ['owner/none', { token: 'hf_other' }, 'no-model', /or the token has no access to it/],
  [
    'owner/gated',
    {},
    'gated',
    /its owner asks you to accept terms\. Accept them at http:.*owner\/gated and set a token/,
  ],
  ['owner/gated', { token: 'hf_other' }, 'gated', /your account has no access\. Ask for it at/],
  ['owner/pickles', {}, 'no-model', /its weights are in pytorch_model\.bin only, which could run code/],
  ['owner/tiny', { isOffline: true }, 'offline', /HF_HUB_OFFLINE/],
  ['owner/tiny', { endpoint: 'http://127.0.0.1:9' }, 'unreachable', /Cannot reach 127\.0\.0\.1:9/],
];
for (const [id, change, code, message] of refused) {
  test(`refused: ${id} ${JSON.stringify(change)}`, async () => {
    await assert.rejects(fetchModel(id, change), { code, message });
    if (code === 'offline') assert.deepEqual(hub.heard, []);
    assert.ok(!existsSync(cache) || !existsSync(join(cache, `models--${id.replace('/', '--')}`)));
  });
}

test('a revision that is not there', async () => {
  const plan = planDownload(settings(), { id: 'owner/tiny', revision: 'v9' }, null, never);
  await assert.rejects(plan, { code: 'no-model', message: /owner\/tiny has no revision "v9"/ });
});

test('a busy hub is asked again when it says; one that asks for an hour is reported', async () => {
  hub.refusals.push({ status: 429, headers: { 'retry-after': '1' } }, { status: 503 });
  const start = performance.now();
  await planDownload(settings(), { id: 'owner/tiny', revision: null }, null, never);
  assert.ok(performance.now() - start > 1900);
  hub.refusals.push({ status: 429, headers: { 'retry-after': '3600' } });
  await assert.rejects(fetchModel(), { code: 'busy', message: /Try again in 3600 s/ });
});

test('the token goes to the endpoint alone, and into no message, file or output', async () => {
  const { token } = hub;
  const { snapshot } = await fetchModel('owner/gated', { token });
  assert.equal((await modelFacts(snapshot)).problem, null);
  const own = hub.heard.filter(({ host }) => host === 'hub');
  assert.ok(own.length > 3 && own.every(({ authorization }) => authorization === `Bearer ${token}`));
  const content = hub.heard.filter(({ host }) => host === 'content');
  assert.ok(content.length > 0 && content.every(({ authorization }) => authorization === undefined));
  for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8' })) {
    const path = join(cache, name);
    if (lstatSync(path).isFile()) assert.ok(!readFileSync(path, 'latin1').includes(token), name);
  }
});

test('what the hub sends back of the token reaches no message and no list', async () => {
  const { token } = hub;
  const withToken = { ...settings(), token };
  const plan = () => planDownload(withToken, { id: 'owner/tiny', revision: null }, null, never);
  const commit = 'a'.repeat(40);
  for (const info of [
    { id: token, sha: commit, siblings: [] },
    { id: 'owner/tiny', sha: commit, siblings: [], tags: [`license:${token}`] },
    { id: 'owner/tiny', sha: commit, siblings: [], [token]: 1 },
  ]) {
    hub.refusals.push({ status: 200, body: JSON.stringify(info) });
    await assert.rejects(plan(), { code: 'bad-answer', message: /not as expected/ });
  }
  hub.refusals.push({ status: 200, body: JSON.stringify([{ id: `owner/${token}`, downloads: 1 }]) });
  await assert.rejects(searchModels(withToken, 'tiny', never), { code: 'bad-answer' });
  for (const status of [400, 401, 403, 404, 500]) {
    const headers = { 'x-error-code': token, 'x-error-message': token };
    for (let i = 0; i < 6; i++) hub.refusals.push({ status, headers, body: JSON.stringify({ error: token }) });
    await assert.rejects(plan(), ({ message }: Error) => !message.includes(token));
    hub.refusals.length = 0;
  }
});

test('the token is the secret storage’s, else HF_TOKEN, else the file’s; unless the variable forbids it', async () => {
  const home = join(scratch, 'home');
  mkdirSync(join(home, '.cache', 'huggingface'), { recursive: true });
  writeFileSync(join(home, '.cache', 'huggingface', 'token'), 'hf_file\n');
  writeFileSync(join(home, 'other'), 'hf_other');
  const tokenOf = async (env: Record<string, string>, own: string | null = null) =>
    (await readHubSettings({ env, home, platform: 'linux', join }, own, fetch)).token;
  assert.equal(await tokenOf({ HF_TOKEN: 'hf_env' }, 'hf_own'), 'hf_own');
  assert.equal(await tokenOf({ HF_TOKEN: 'hf_env' }), 'hf_env');
  assert.equal(await tokenOf({}), 'hf_file');
  assert.equal(await tokenOf({ HF_TOKEN_PATH: join(home, 'other') }), 'hf_other');
  assert.equal(await tokenOf({ HF_HOME: join(home, 'elsewhere') }), null);
  assert.equal(await tokenOf({ HF_TOKEN: 'hf_env', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }), null);
  await assert.rejects(tokenOf({ HF_TOKEN: 'hf_bad\r\nx: y' }), error => {
    assert.match((error as Error).message, /has blanks/);
    assert.doesNotMatch((error as Error).message, /hf_bad/);
    return true;
  });
  await assert.rejects(
    readHubSettings({ env: { HF_ENDPOINT: 'file:///etc' }, home, platform: 'linux', join }, null, fetch),
    /HF_ENDPOINT/,
  );
});

test('GGUF: the files to choose from, one of them, and all parts of a split one', async () => {
  const { ggufs: names, files } = await planDownload(
    settings(),
    { id: 'owner/quantized', revision: null },
    null,
    never,
  );
  assert.deepEqual([names, files], [['a-Q4_K_M.gguf', 'b-00001-of-00002.gguf'], []]);
  const { snapshot } = await fetchModel('owner/quantized', {}, never, 'b-00001-of-00002.gguf');
  assert.deepEqual(readdirSync(snapshot).sort(), ['b-00001-of-00002.gguf', 'b-00002-of-00002.gguf']);
  await assert.rejects(
    fetchModel('owner/quantized', {}, never, 'c.gguf'),
    /has no GGUF file c\.gguf\. It has a-Q4_K_M/,
  );
});

test('a search lists models', async () => {
  const found = await searchModels(settings(), 'gated', never);
  assert.deepEqual(found, [{ id: 'owner/gated', license: 'mit', isGated: false, nDownloads: 7 }]);
});

test('one download of a model at a time; what a dead process left behind holds nobody up', async () => {
  const path = lockFile(cache, 'owner/tiny');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, String(process.pid));
  await assert.rejects(fetchModel(), { code: 'busy', message: /being downloaded by another window/ });
  utimesSync(path, new Date(0), new Date(0));
  await fetchModel();
  assert.ok(!existsSync(path));
});

test('only what was fetched is removed, and only when nothing else needs it', async () => {
  const { snapshot } = await fetchModel();
  const repository = join(cache, 'models--owner--tiny');
  const [own] = await listDownloads(cache);
  assert.deepEqual([own!.id, own!.commit, own!.refs], ['owner/tiny', commit, ['main']]);
  // Another program adds a file of its own, and a revision that shares the weights.
  const weights = sha256(tiny.files['model.safetensors']!);
  const other = join(repository, 'snapshots', 'd'.repeat(40));
  mkdirSync(other);
  symlinkSync(join('..', '..', 'blobs', weights), join(other, 'model.safetensors'));
  writeFileSync(join(snapshot, 'README.md'), 'x');
  await removeDownload(cache, own!);
  assert.deepEqual(readdirSync(snapshot), ['README.md']);
  assert.deepEqual(readdirSync(blobs()), [weights]);
  assert.ok(existsSync(join(repository, 'refs', 'main'))); // its snapshot is there still
  assert.deepEqual(await listDownloads(cache), []);
});

test('a model that nothing else uses leaves nothing behind; one of another program is not listed', async () => {
  await fetchModel();
  await fetchModel('owner/gated', { token: hub.token });
  rmSync(join(cache, 'models--owner--gated', '.mta-inspector.json'));
  const all = await listDownloads(cache);
  assert.deepEqual(
    all.map(({ id }) => id),
    ['owner/tiny'],
  );
  await removeDownload(cache, all[0]!);
  assert.deepEqual(
    readdirSync(cache).filter(name => name.startsWith('models')),
    ['models--owner--gated'],
  );
});

test('the command line shows what the model is, then fetches it; a proxy of the environment is used', async () => {
  const environment = {
    PATH: process.env['PATH'],
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_CACHE: cache,
    HF_TOKEN: hub.token,
  };
  const run = async (env: NodeJS.ProcessEnv, ...args: string[]) => {
    const child = spawn(process.execPath, [cliProgram, ...args], { cwd: root, env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', chunk => {
      stdout += chunk;
    });
    child.stderr.on('data', chunk => {
      stderr += chunk;
    });
    const [status] = await once(child, 'close');
    return { status, stdout, stderr };
  };
  const { status, stdout, stderr } = await run(environment, 'download', 'owner/gated');
  assert.equal(status, 0, stderr);
  assert.match(
    stderr,
    /^owner\/gated@main \(cccccccc\): mta, 0\.1 M parameters, license apache-2\.0, gated, 0\.2 MB, /,
  );
  assert.match(stderr, /needs 17\d MB of memory/);
  assert.equal(stdout, `${join(cache, 'models--owner--gated', 'snapshots', commit)}\n`);
  assert.ok(!stderr.includes(hub.token) && !stdout.includes(hub.token));
  const proxied = await run({ ...environment, http_proxy: 'http://127.0.0.1:9' }, 'download', 'owner/tiny');
  assert.match(proxied.stderr, /Cannot reach 127\.0\.0\.1/);
  const many = await run(environment, 'download', 'owner/quantized');
  assert.match(many.stderr, /has GGUF files only\. Choose one with --gguf: a-Q4_K_M\.gguf/);
});

/** Python's own library, where it is installed: MTA_HUB_PYTHON names an interpreter that has it. */
const python = process.env['MTA_HUB_PYTHON'] ?? 'python3';
const hasLibrary = spawnSync(python, ['-c', 'import huggingface_hub']).status === 0;
const skip = hasLibrary
  ? false
  : 'the Python package huggingface_hub is not installed (MTA_HUB_PYTHON names an interpreter)';

async function runPython(code: string): Promise<string> {
  const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_HUB_DISABLE_XET: '1' };
  const child = spawn(python, ['-c', `from huggingface_hub import *\n${code}`], { env });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const [status] = await once(child, 'close');
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('Python’s library finds what was fetched, whole and without complaint', { skip }, async () => {
  const { snapshot } = await fetchModel();
  const code = [
    'info = scan_cache_dir()',
    'repo, = info.repos',
    'revision, = repo.revisions',
    'print(repo.repo_id, len(info.warnings), revision.commit_hash, sorted(revision.refs), sorted(f.file_name for f in revision.files))',
    'print(snapshot_download("owner/tiny", local_files_only=True))',
    'print(hf_hub_download("owner/tiny", "model.safetensors", local_files_only=True))',
  ].join('\n');
  const listed = `owner/tiny 0 ${commit} ['main'] [${wanted.map(name => `'${name}'`).join(', ')}]`;
  assert.deepEqual((await runPython(code)).split('\n'), [listed, snapshot, join(snapshot, 'model.safetensors')]);
  const nBefore = hub.heard.filter(({ host }) => host === 'content').length;
  await runPython('hf_hub_download("owner/tiny", "model.safetensors"); hf_hub_download("owner/tiny", "config.json")');
  assert.equal(hub.heard.filter(({ host }) => host === 'content').length, nBefore); // nothing is fetched twice
});

test('what Python’s library fetched is found, opened, not fetched again and not removed', { skip }, async () => {
  hub.pageSize = 100;
  const snapshot = await runPython(
    'print(snapshot_download("owner/tiny", allow_patterns=["*.json", "*.safetensors"]))',
  );
  const [model] = await cachedModels(cache);
  assert.deepEqual([model!.name, model!.path, model!.revision], ['owner/tiny', snapshot, 'main']);
  assert.equal((await modelFacts(snapshot)).problem, null);
  const { plan } = await fetchModel();
  assert.equal(plan.missingBytes, 0);
  assert.deepEqual(await listDownloads(cache), []);
});
