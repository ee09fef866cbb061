/** Models of a hub in the workbench: described, fetched, cancelled, refused, removed. The hub is a small one on loopback. */

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { Locator } from 'playwright-core';
import { partSuffix } from '../../src/hub/fetched';
import { FakeHub, type HubRepository, sha256 } from '../fixtures/hub';
import { writeSnapshot } from '../fixtures/modelStores';
import { tinyModelDirectory } from '../fixtures/paths';
import { spellingGguf } from '../fixtures/spellingGguf';
import { openList, takeNotification, untilDone } from './harness/panel';
import { eventually, startWorkbench, type Workbench } from './harness/workbench';

const scratch = mkdtempSync(join(tmpdir(), 'mta-e2e-hub-'));
const folder = join(scratch, 'documents');
const home = join(scratch, 'home');
const cache = join(scratch, 'cache');

const commit = 'c'.repeat(40);
const names = ['config.json', 'model.safetensors', 'tokenizer.json'];
const files = Object.fromEntries(
  names.map(name => [name, new Uint8Array(readFileSync(join(tinyModelDirectory, name)))]),
);
const weights = files['model.safetensors']!;
const tiny: HubRepository = {
  commit,
  files: { ...files, 'README.md': new Uint8Array(9), 'pytorch_model.bin': weights },
};
const hub = new FakeHub({
  'owner/tiny': tiny,
  'owner/gated': { ...tiny, isGated: true },
  'owner/spoiled': tiny,
  'owner/removed': tiny,
  'owner/pickles': { commit, files: { 'config.json': files['config.json']!, 'pytorch_model.bin': weights } },
  'owner/ggufs': { commit, files: { 'a-Q8_0.gguf': spellingGguf(), 'b.gguf': spellingGguf() } },
});
const repositoryOf = (id: string) => join(cache, `models--${id.replace('/', '--')}`);
const fetchedOf = (id: string) => readdirSync(join(repositoryOf(id), 'snapshots', commit)).sort();

let workbench: Workbench;
before(async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'a.txt'), 'one two three, one two three, one two four\n');
  writeSnapshot(cache, 'here/tiny', tinyModelDirectory);
  await hub.start();
  const environment = {
    ...{ HOME: home, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache, HF_HOME: join(home, 'hf'), NO_PROXY: '127.0.0.1' },
    ...{ HF_TOKEN: '', HUGGING_FACE_HUB_TOKEN: '', HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '' },
  };
  workbench = await startWorkbench({ folder, environment });
  await workbench.openFile('a.txt');
});
after(async () => {
  await workbench?.close();
  hub.stop();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  hub.heard.length = 0;
});

const dialog = () => workbench.page.locator('.monaco-dialog-box');

/** Types an id or words, and takes the entry that they make. */
async function ask(text: string): Promise<void> {
  const list = { command: 'Add Model from Hugging Face…', placeholder: 'OWNER/NAME of a model' };
  const { rows } = await openList(workbench, list, text);
  const description = text.includes('/') ? 'Model to look at' : 'Search Hugging Face';
  await rows.filter({ hasText: text }).filter({ hasText: description }).first().click();
}

/** Takes an entry of the list that comes next. */
async function take(entry: RegExp): Promise<void> {
  await workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: entry }).first().click();
}

/** Waits for the question in a dialog, and returns what it shows. */
async function question(text: RegExp): Promise<string> {
  await dialog().getByText(text).first().waitFor();
  return (await dialog().textContent()) ?? '';
}

async function answer(button: string): Promise<void> {
  await dialog().getByRole('button', { name: button, exact: true }).click();
  await dialog().waitFor({ state: 'hidden' });
}

async function download(id: string): Promise<void> {
  await ask(id);
  await question(/^Download /);
  await answer('Download');
}

/** Types the token into the box that asks for it. */
async function giveToken(token: string): Promise<void> {
  const input = workbench.page.locator('.quick-input-widget input.input[type="password"]');
  await input.fill(token);
  await input.press('Enter');
  await input.waitFor({ state: 'hidden' });
}

/** A notification in the list of all: of several within a second VS Code shows no toast. */
async function listedNotification(text: RegExp): Promise<Locator> {
  await workbench.runCommand('Notifications: Show Notifications');
  return workbench.notification(text).first();
}

test('a model is described before it is fetched; Cancel keeps nothing', async () => {
  await ask('owner/tiny');
  const shown = await question(/^Download /);
  for (const expected of [
    /Download owner\/tiny\? 0\.2 MB are fetched\./,
    /mta, [\d.]+ million parameters, 0\.2 MB/,
    /License: apache-2\.0/,
    /Needs \d[\d.]* MB of memory\./,
    /Revision main, commit cccccccc/,
  ]) {
    assert.match(shown, expected);
  }
  await workbench.screenshot('before-a-download');
  await answer('Cancel');
  assert.equal(existsSync(repositoryOf('owner/tiny')), false);
  const fetched = hub.heard.filter(({ path }) => path.includes('safetensors') && !path.startsWith('/api/'));
  assert.deepEqual(fetched, []);
});

test('a download shows how far it is, is cancelled, and goes on where it was', async () => {
  const nBytes = 60_000;
  const part = join(repositoryOf('owner/tiny'), 'blobs', `${sha256(weights)}${partSuffix}`);
  hub.holdAt = nBytes;
  try {
    await download('owner/tiny');
    const progress = workbench.notification('Downloading owner/tiny');
    await progress.getByText(/[\d.]+ MB of 0\.2 MB/).waitFor();
    await eventually('what the hub has sent on the disk', async () => {
      return statSync(part, { throwIfNoEntry: false })?.size === nBytes || undefined;
    });
    await progress.getByRole('button', { name: 'Cancel' }).click();
    await progress.waitFor({ state: 'hidden' });
    assert.equal(statSync(part).size, nBytes);
  } finally {
    hub.holdAt = null;
  }

  hub.heard.length = 0;
  await download('owner/tiny');
  const frame = await untilDone(workbench);
  await frame
    .getByText(/tokens .* on CPU/)
    .first()
    .waitFor();
  const content = hub.heard.filter(({ path }) => path.includes(sha256(weights)));
  assert.deepEqual(
    content.map(({ host, range, authorization }) => [host, range, authorization]),
    [['content', `bytes=${nBytes}-`, undefined]],
  );
  assert.deepEqual(fetchedOf('owner/tiny'), names, 'neither pickles nor code');
});

test('words are searched for, and one of what is found is looked at', async () => {
  await ask('tin');
  await take(/owner\/tiny.*mit, 7 downloads/s);
  assert.match(await question(/^Download /), /Download owner\/tiny\?/);
  await answer('Cancel');
});

test('of a repository with GGUF files alone one is chosen and fetched', async () => {
  await ask('owner/ggufs');
  await take(/a-Q8_0\.gguf/);
  assert.match(await question(/^Download /), /Download owner\/ggufs\?/);
  await answer('Download');
  await untilDone(workbench);
  assert.deepEqual(fetchedOf('owner/ggufs'), ['a-Q8_0.gguf']);
});

test('contents with another hash than the hub lists are refused, and nothing of them stays', async () => {
  hub.spoil = bytes => (bytes.length === weights.length ? new Uint8Array(bytes.length) : bytes);
  try {
    await download('owner/spoiled');
    await takeNotification(workbench, /What was sent of model\.safetensors is not what the hub lists: its hash is \w+/);
  } finally {
    hub.spoil = bytes => bytes;
  }
  assert.ok(!fetchedOf('owner/spoiled').includes('model.safetensors'));
  const blobs = readdirSync(join(repositoryOf('owner/spoiled'), 'blobs'));
  assert.ok(!blobs.some(name => name.startsWith(sha256(weights))), blobs.join());
});

test('a model with pickles alone, and one that is not there, are refused in words', async () => {
  await ask('owner/pickles');
  await takeNotification(workbench, /Cannot download owner\/pickles: its weights are in pytorch_model\.bin only/);
  await ask('owner/none');
  await takeNotification(workbench, /There is no model owner\/none at 127\.0\.0\.1:\d+, or/);
});

test('a gated model asks for a token, which stays secret and goes to the hub alone', async () => {
  await workbench.runCommand('MTA Inspector: Clear Hugging Face Token');
  await takeNotification(workbench, /The Hugging Face token is deleted\./);
  hub.heard.length = 0;
  await ask('owner/gated');
  const terms = /owner\/gated: its owner asks you to accept terms/;
  const refused = await listedNotification(terms);
  await refused.getByRole('button', { name: 'Open Page' }).waitFor();
  const nHeard = hub.heard.length;
  await refused.getByRole('button', { name: 'Try Again' }).click();
  await eventually('another request to the hub', async () => hub.heard.length > nHeard || undefined);
  await (await listedNotification(terms)).getByRole('button', { name: 'Set Token…' }).click();
  await giveToken('hf_anotherToken');
  // A token without access: the hub answers 403.
  const noAccess = await listedNotification(/owner\/gated: your account has no access/);
  await noAccess.getByRole('button', { name: 'Set Token…' }).click();
  await giveToken(hub.token);
  await question(/^Download /);
  await answer('Download');
  await untilDone(workbench);
  assert.deepEqual(fetchedOf('owner/gated'), names);
  assert.ok(hub.heard.some(({ authorization }) => authorization === `Bearer ${hub.token}`));
  for (const { host, authorization } of hub.heard) if (host === 'content') assert.equal(authorization, undefined);
  const logs = workbench.logFiles('');
  for (const token of [hub.token, 'hf_anotherToken']) assert.ok(!logs.includes(token));
  assert.ok(!readFileSync(join(workbench.userData, 'User', 'settings.json'), 'utf8').includes('hf_'));
});

test('a token is set and cleared by commands', async () => {
  const sent = async () => {
    hub.heard.length = 0;
    await ask('owner/none');
    await takeNotification(workbench, /There is no model owner\/none/);
    return hub.heard[0]!.authorization;
  };
  await workbench.runCommand('MTA Inspector: Set Hugging Face Token…');
  await giveToken('hf_third');
  await takeNotification(workbench, /The Hugging Face token is kept in the secret storage\./);
  assert.equal(await sent(), 'Bearer hf_third');
  await workbench.runCommand('MTA Inspector: Clear Hugging Face Token');
  await takeNotification(workbench, /The Hugging Face token is deleted\./);
  assert.equal(await sent(), undefined);
});

test('Remove from Cache… asks, and removes only what was fetched here', async () => {
  await download('owner/removed');
  await untilDone(workbench);
  writeFileSync(join(repositoryOf('owner/removed'), 'blobs', 'of-another-program'), 'x');
  const list = { command: 'Remove from Cache…', placeholder: 'Model to remove from the cache' };

  const { rows } = await openList(workbench, list);
  await rows.filter({ hasText: 'owner/removed' }).waitFor();
  assert.equal(await rows.filter({ hasText: 'here/' }).count(), 0, 'what another program put there');
  await rows.filter({ hasText: 'owner/removed' }).click();
  await question(/Remove owner\/removed from the cache\? 0\.2 MB are deleted\./);
  await answer('Cancel');
  assert.deepEqual(fetchedOf('owner/removed'), names);

  await openList(workbench, list);
  await take(/owner\/removed/);
  await question(/Remove owner\/removed from the cache\?/);
  await answer('Remove');
  await takeNotification(workbench, /Removed owner\/removed from the cache\./);
  assert.equal(existsSync(join(repositoryOf('owner/removed'), 'snapshots', commit)), false);
  assert.deepEqual(readdirSync(join(repositoryOf('owner/removed'), 'blobs')), ['of-another-program']);
  assert.ok(existsSync(join(repositoryOf('here/tiny'), 'snapshots')));
});
