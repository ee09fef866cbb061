/** Adding a model from the hub: known models before anything is typed, and that a choice only asks for facts. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import '../fixtures/vscode';
import { HubCommands } from '../../src/editor/hubCommands';
import { knownModels } from '../../src/hub/knownModels';
import { FakeHub } from '../fixtures/hub';
import { tinyModelDirectory } from '../fixtures/paths';
import { editor, type FakeItem, type FakeList } from '../fixtures/vscode';

const commit = 'c'.repeat(40);
const names = ['config.json', 'tokenizer.json', 'model.safetensors'];
const files = Object.fromEntries(
  names.map(name => [name, new Uint8Array(readFileSync(join(tinyModelDirectory, name)))]),
);
const known = 'HuggingFaceTB/SmolLM2-135M';
const hub = new FakeHub({
  [known]: { commit, files },
  'owner/tiny': { commit, files },
  'owner/gated': { commit, files, isGated: true },
});
const cache = join(tmpdir(), 'mta-no-cache');
const facts = { family: 'llama', nParameters: 134.5e6, sizeBytes: 269e6, memoryBytes: null, fitsInMemory: null };

before(() => hub.start());
after(() => hub.stop());
beforeEach(() => {
  editor.reset();
  secret = undefined;
  hub.heard.length = 0;
});

/** VS Code's secret storage. */
let secret: string | undefined;

/** Runs the command. @param act what is done in its list. @returns the paths that the hub heard. */
async function addModel(act: (items: readonly FakeItem[], list: FakeList) => void): Promise<string[]> {
  const here = { env: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache }, home: tmpdir(), platform: 'linux', join };
  const folders = { ask: async () => ({ ...facts, problem: null }) };
  const store = async (_: string, token: string) => {
    secret = token;
  };
  const secrets = { get: async () => secret, store };
  const commands = new HubCommands(secrets as never, folders as never, here);
  commands.register(run => run());
  editor.growing = act;
  await editor.commands.get('mtaInspector.addModelFromHub')!();
  return hub.heard.map(({ path }) => path);
}
const factsPath = (id: string) => `/api/models/${id}/revision/main`;

test('known models are listed under a heading, with family and size, before anything is typed or fetched', async () => {
  let listed: readonly (FakeItem & { kind?: number })[] = [];
  const heard = await addModel(items => {
    listed = items;
  });
  assert.deepEqual(heard, []);
  assert.deepEqual([listed[0]!.label, listed[0]!.kind], ['Known families', -1]);
  assert.deepEqual(
    listed.slice(1).map(({ label }) => label),
    knownModels.map(({ id }) => id),
  );
  const descriptionOf = (id: string) => listed.find(({ label }) => label === id)?.description;
  assert.equal(descriptionOf(known), 'llama, 135 million parameters');
  assert.equal(descriptionOf('google/gemma-3-270m'), 'gemma3_text, 268 million parameters, gated');
});

test('a known model is chosen as if its id was typed: its facts are asked for and shown, and no weights are fetched', async () => {
  const chosen = await addModel((items, list) => list.accept(items.find(({ label }) => label === known)));
  assert.equal(chosen[0], factsPath(known));
  assert.ok(chosen.every(path => !path.includes('safetensors')));
  assert.match(editor.notes.join(), /^Download HuggingFaceTB\/SmolLM2-135M\? [\d.]+ MB are fetched\.$/);
  assert.ok(!existsSync(cache));
  hub.heard.length = 0;
  assert.deepEqual(
    await addModel((_, list) => {
      list.type(known);
      list.accept(list.items[0]);
    }),
    chosen,
  );
});

test('what is typed comes first: an id is looked at, words are searched for, also where the list shows nothing', async () => {
  const heardOf = (text: string, description: string) =>
    addModel((_, list) => {
      list.type(` ${text} `);
      assert.deepEqual([list.items[0]!.label, list.items[0]!.description], [text, description]);
      assert.equal(list.items.length, knownModels.length + 2);
      list.accept(list.items[0]);
    });
  assert.equal((await heardOf('owner/tiny', 'Model to look at'))[0], factsPath('owner/tiny'));
  hub.heard.length = 0;
  assert.match((await heardOf('gpt2', 'Search Hugging Face'))[0]!, /^\/api\/models\?.*search=gpt2/);
  hub.heard.length = 0;
  const heard = await addModel((_, list) => {
    list.type('owner/tiny');
    list.accept();
  });
  assert.equal(heard[0], factsPath('owner/tiny'));
});

test('a text that is removed again leaves the list as it was, and Enter without any ends the command', async () => {
  const heard = await addModel((items, list) => {
    list.type('x');
    list.type(' ');
    assert.deepEqual(list.items, items);
    list.accept();
  });
  assert.deepEqual([heard, editor.notes], [[], []]);
});

test('a gated model offers its page, a token and another try, and is asked for again with the token', async () => {
  const typed: string[] = [];
  editor.answers.error = 'Set Token…';
  editor.answers.input = () => {
    typed.push('token');
    return typed.length === 1 ? 'hf_withoutAccess' : hub.token;
  };
  await addModel((_, list) => {
    list.type('owner/gated');
    list.accept(list.items[0]);
  });
  for (const end = Date.now() + 10_000; !/^Download /.test(editor.notes.at(-1) ?? '') && Date.now() < end; ) {
    await new Promise(done => setImmediate(done));
  }
  assert.match(editor.notes.at(-1)!, /^Download owner\/gated\? /);
  assert.deepEqual(
    editor.errors.map(({ message, buttons }) => [message.split(':')[0], buttons.map(({ title }) => title).join()]),
    Array(2).fill(['Cannot download owner/gated', 'Open Page,Set Token…,Try Again']),
  );
  assert.match(editor.errors[0]!.message, /asks you to accept terms/);
  assert.match(editor.errors[1]!.message, /your account has no access/);
  const sent = hub.heard.filter(({ path }) => path.includes('/resolve/')).map(({ authorization }) => authorization);
  assert.deepEqual([sent[0], sent[1]], [undefined, 'Bearer hf_withoutAccess']);
  assert.equal(sent.at(-1), `Bearer ${hub.token}`);
});
