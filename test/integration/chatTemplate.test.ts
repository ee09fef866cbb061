/** Chat templates in a process of their own: within limits, on the command line, through the inference process. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Ajv from 'ajv';
import { programsFolder } from '../../scripts/setup.mjs';
import { InferenceClient } from '../../src/inference/client';
import { Engine } from '../../src/inference/engine';
import { readChatTemplate, renderChat } from '../../src/inference/model/chatTemplate';
import { hasChatTemplate, openModelFolder } from '../../src/inference/model/openModelFolder';
import { startProcess } from '../../src/inference/startProcess';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { runCommand as cli } from '../fixtures/commandLine';
import { fetchGguf } from '../fixtures/ggufFile';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { inferenceProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-chat-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const golden = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'chatTemplates.json'), 'utf8'));
const program = join(programsFolder, 'renderChat.cjs');
const messages = [{ role: 'user', content: 'tide' }] as const;
const limits = { maxMs: 20_000, maxHeapMb: 64, maxBytes: 1 << 20 };

const render = (source: string, changed: Partial<typeof limits> = {}, signal?: AbortSignal) =>
  renderChat({ source, specialTokens: {} }, messages, 'm', signal, program, { ...limits, ...changed });

const attacks: readonly (readonly [what: string, template: string, why: RegExp, limits?: Partial<typeof limits>])[] = [
  [
    'a loop without an end',
    '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
    /takes longer than 2 s/,
    { maxMs: 2000 },
  ],
  [
    'a list that doubles',
    '{% set n = namespace(s=[1, 2]) %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}',
    /takes more than 64 MB of memory/,
  ],
  [
    'a text that doubles and is changed, which would end a process that only has it in a thread',
    "{% set n = namespace(s='abcdefgh') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% set x = n.s | upper %}{% endfor %}",
    /takes more than 64 MB of memory|Invalid string length|syntax cannot be read/,
  ],
  ['a long answer', '{% for i in range(100000) %}{{ messages }}{% endfor %}', /writes more than 1048576 bytes|memory/],
  ['nesting', '{% if 1 %}'.repeat(20_000), /its syntax cannot be read/],
  ['a refusal of its own', "{{ raise_exception('No\\n\\u202Esystem') }}", /: No.*system\. Change the messages/],
  ['a length', 'x'.repeat((1 << 20) + 1), /it has 1048577 characters, more than 1048576/],
];
for (const [what, template, why, changed] of attacks) {
  test(`${what} is refused, and this process goes on`, async () => {
    await assert.rejects(render(template, changed), { code: 'bad-chat-template', message: why });
  });
}

test('a canceled template is stopped at once', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  const endless = '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}';
  await assert.rejects(render(endless, {}, controller.signal), { name: 'Cancelled' });
});

test('a template sees nothing of the environment or the machine', async () => {
  const prompt = await render(
    '{{ process }}{{ env }}{{ require }}{{ globalThis }}{{ this }}{{ messages.constructor }}',
  );
  assert.equal(prompt, '');
});

/** The tiny model with a template: its vocabulary is bytes. */
const chatModel = join(scratch, 'chat');
const source = '{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}[answer] ';
cpSync(tinyModelDirectory, chatModel, { recursive: true });
writeFileSync(join(chatModel, 'chat_template.jinja'), source);
const file = join(scratch, 'tide.md');
writeFileSync(file, 'high\ntide');

// biome-ignore lint/suspicious/noExplicitAny: the schema says what it is
const parsed = (text: string): any => JSON.parse(text);

test('generate --chat: the file is the message; the tokens are those that follow the rendered text', async () => {
  const args = ['--model', chatModel, '--tokens', '4', '--chat', '--system', 'brief', '--branches', '2', '--json', '-'];
  const run = cli('generate', file, ...args);
  assert.equal(run.status, 0, run.stderr);
  const json = parsed(run.stdout);
  const schema = JSON.parse(readFileSync(join(root, 'src', 'cli', 'schemas', 'generate.schema.json'), 'utf8'));
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema);
  assert.ok(validate(JSON.parse(run.stdout)), JSON.stringify(validate.errors));
  const prompt = '[system] brief\n[user] high\ntide\n[answer] ';
  assert.deepEqual(json.prompt.chat, {
    messages: [
      { role: 'system', content: 'brief' },
      { role: 'user', content: 'high\ntide' },
    ],
    prompt,
  });
  const engine = await Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, () => {});
  try {
    const { ids } = engine.encode(prompt);
    assert.equal(json.prompt.tokens, ids.length);
    const { tokens } = await engine.continueIds(ids, { nTokens: 4, temperature: 0, topP: 1, seed: 0, topK: 1 });
    const idsOf = (list: readonly { readonly id: number }[]) => list.map(({ id }) => id);
    assert.deepEqual(idsOf(json.tokens), idsOf(tokens));
    assert.deepEqual(idsOf(json.branches[0].tokens), idsOf(tokens).slice(1));
  } finally {
    await engine.release();
  }
  const before = parsed(
    cli('generate', file, '--model', chatModel, '--tokens', '1', '--chat', '--at', '4', '--json', '-').stdout,
  );
  assert.equal(before.prompt.chat.prompt, '[user] high\n[answer] ');
});

test('what cannot be a conversation is said in words', () => {
  const refused = (...args: string[]) => {
    const { status, stderr } = cli('generate', file, '--tokens', '4', ...args);
    assert.doesNotMatch(stderr, /\n\s+at |undefined|\[object/);
    return `${status} ${stderr}`;
  };
  assert.match(
    refused('--model', tinyModelDirectory, '--chat'),
    /^1 .*has no chat template: neither chat_template.jinja, nor .*Continue the text itself, or pick a model/s,
  );
  assert.match(refused('--model', chatModel, '--system', 'x', '--at', '3'), /^2 .*--system needs --chat/s);
  assert.match(refused('--model', chatModel), /^2 .*generate needs --at OFFSET/s);
  assert.match(
    refused('--model', chatModel, '--chat', '--system', 'long '.repeat(40)),
    /^1 .*the messages take \d+ tokens and the model's context leaves 60 for them\. Shorten them/s,
  );
  const broken = join(scratch, 'broken');
  cpSync(tinyModelDirectory, broken, { recursive: true });
  for (const [config, why] of [
    ['{"chat_template": "{% if %}"}', /Cannot use the chat template of model/],
    ['{"chat_template": 5}', /is neither a text nor a list/],
    ['{"chat_template": ', /tokenizer_config.json cannot be read, it is not valid JSON/],
    ['{"chat_template": ""}', /makes nothing of the messages/],
  ] as const) {
    writeFileSync(join(broken, 'tokenizer_config.json'), config);
    assert.match(refused('--model', broken, '--chat'), why);
  }
  // The template matters to conversations alone.
  assert.equal(cli('generate', file, '--model', broken, '--tokens', '1', '--at', '3').status, 0);
});

test('a folder knows whether it has a template; a link out of it is not followed', async () => {
  assert.equal(await hasChatTemplate(chatModel), true);
  assert.equal(await hasChatTemplate(tinyModelDirectory), false);
  const linked = join(scratch, 'linked');
  mkdirSync(linked);
  symlinkSync(file, join(linked, 'chat_template.jinja'));
  await assert.rejects(readChatTemplate(linked, 'linked'), /chat_template.jinja cannot be read, it leads out/);
  assert.equal(await hasChatTemplate(chatModel), true);
});

let client: InferenceClient | undefined;
before(() => {
  const log = { debug() {}, info() {}, warn() {}, error() {}, trace() {} } as never;
  client = new InferenceClient((() => startProcess(inferenceProgram, log)) as never);
});
after(() => client?.dispose());

test('the inference process answers messages as other extensions send them', async () => {
  const signal = new AbortController().signal;
  await client!.load({ slot: 'api-1', modelDirectory: chatModel, provider: 'cpu', nThreads: 1 }, signal);
  const options = { nTokens: 3, temperature: 0, topP: 1, seed: 0, topK: 1 };
  const asked = { continuationId: 1, slot: 'api-1' as const, text: '', messages, ...options };
  const answer = await client!.continueText(asked, signal);
  assert.equal(answer.prompt, '[user] tide\n[answer] ');
  const text = await client!.continueText({ ...asked, messages: undefined, text: answer.prompt! }, signal);
  assert.equal(text.prompt, null);
  await client!.load({ slot: 'api-1', modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, signal);
  await assert.rejects(client!.continueText(asked, signal), { code: 'no-chat-template' });
});

const gguf = fetchGguf();
test('the template of a real GGUF file', { skip: 'why' in gguf ? gguf.why : false }, async () => {
  assert.ok('path' in gguf);
  assert.equal(await hasChatTemplate(gguf.path), true);
  const folder = await openModelFolder(gguf.path);
  const template = (await folder.chatTemplate!())!;
  const tokenizer = new Tokenizer(folder.tokenizerJson, 'SmolLM2');
  for (const [i, { prompt, ids }] of golden.gguf.entries()) {
    assert.equal(await renderChat(template, golden.messages[i], 'SmolLM2', undefined, program), prompt);
    assert.deepEqual([...tokenizer.encode(prompt).ids], ids);
  }
});
