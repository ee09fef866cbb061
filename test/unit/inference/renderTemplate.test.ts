/** Chat templates make the text and the ids that `transformers` makes (models/export/chat_cases.py). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chatTemplateOf, ggufChatTemplate } from '../../../src/inference/model/chatTemplate';
import { renderTemplate } from '../../../src/inference/renderTemplate';
import type { ChatMessage } from '../../../src/shared/interventions';
import { Tokenizer } from '../../../src/tokenization/tokenizer';
import { root } from '../../fixtures/paths';

type Answer = { readonly prompt: string; readonly ids: readonly number[] } | { readonly error: string };
interface Golden {
  readonly tokenizer: unknown;
  readonly messages: readonly (readonly ChatMessage[])[];
  readonly cases: readonly {
    readonly name: string;
    readonly files: Readonly<Record<string, string>>;
    readonly answers: readonly Answer[];
  }[];
}
const golden: Golden = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'chatTemplates.json'), 'utf8'));
const tokenizer = new Tokenizer(golden.tokenizer, 'bytes');

for (const { name, files, answers } of golden.cases) {
  test(`"${name}": text and ids of ${answers.length} conversations, or the template's own refusal`, () => {
    const config = JSON.parse(files['tokenizer_config.json']!);
    const template = chatTemplateOf(files['chat_template.jinja'] ?? null, config, 'bytes')!;
    assert.equal(template.specialTokens['eos_token'], '</s>');
    for (const [i, expected] of answers.entries()) {
      const context = { ...template.specialTokens, messages: golden.messages[i], tools: null, documents: null };
      const answer = renderTemplate({
        template: template.source,
        context: { ...context, add_generation_prompt: true },
      });
      if ('error' in expected) {
        assert.deepEqual(answer, { reason: expected.error });
        continue;
      }
      assert.deepEqual(answer, { prompt: expected.prompt });
      assert.deepEqual([...tokenizer.encode(expected.prompt).ids], expected.ids);
    }
  });
}

test('special tokens that a message spells out are those tokens to the model, as in the library', () => {
  const [spelled] = golden.cases.map(({ answers }) => answers[3]!);
  const idOf = (token: string) => tokenizer.encode(token).ids[0]!;
  assert.ok('ids' in spelled! && spelled.ids.filter(id => id === idOf('<|im_end|>')).length === 2);
  assert.ok('ids' in spelled && spelled.ids.includes(idOf('</s>')));
});

test('the file of its own comes first, then the default of several; none is null; others are named', () => {
  const source = (jinja: string | null, config: unknown) => chatTemplateOf(jinja, config, 'm')?.source ?? null;
  assert.equal(source('own', { chat_template: 'other' }), 'own');
  const several = [
    { name: 'tool_use', template: 'a' },
    { name: 'default', template: 'b' },
  ];
  assert.equal(source(null, { chat_template: several }), 'b');
  for (const none of [null, {}, { chat_template: null }, [], 'x']) assert.equal(source(null, none), null);
  assert.throws(() => source(null, { chat_template: several.slice(0, 1) }), {
    code: 'bad-chat-template',
    message: /has the templates tool_use and none named default/,
  });
  assert.throws(() => source(null, { chat_template: [{ name: { toString: 1 } }, { template: 'a' }] }), {
    message: /has the templates an object, missing and none named default/,
  });
  for (const bad of [5, {}, [], [1], [{ name: 'default' }]]) {
    assert.throws(() => source(null, { chat_template: bad }), { code: 'bad-chat-template' });
  }
  const tokens = chatTemplateOf(
    'x',
    { bos_token: { content: '<b>' }, eos_token: null, pad_token: 3, image_token: '<i>' },
    'm',
  );
  assert.deepEqual(tokens?.specialTokens, { bos_token: '<b>', image_token: '<i>' });
});

test('GGUF metadata: the template, and special tokens by their ids', () => {
  const metadata = new Map<string, never>(
    Object.entries({
      'tokenizer.chat_template': '{{ bos_token }}',
      'tokenizer.ggml.tokens': ['<s>', '</s>'],
      'tokenizer.ggml.bos_token_id': 0,
      'tokenizer.ggml.eos_token_id': 1,
      'tokenizer.ggml.unknown_token_id': 9,
    }) as never,
  );
  assert.deepEqual(ggufChatTemplate(metadata), {
    source: '{{ bos_token }}',
    specialTokens: { bos_token: '<s>', eos_token: '</s>' },
  });
  metadata.delete('tokenizer.chat_template');
  assert.equal(ggufChatTemplate(metadata), null);
});

test('what cannot be read is said without the words of JavaScript', () => {
  const reason = (template: string) => renderTemplate({ template, context: {} });
  assert.deepEqual(reason('{% for x in messages %}'), { reason: 'its syntax cannot be read' });
  assert.deepEqual(reason("{{ '' | nosuch }}"), { reason: 'Unknown StringValue filter: nosuch' });
  assert.deepEqual(reason("{{ raise_exception('not so') }}"), { reason: 'not so' });
  for (const host of ["{{ ''.constructor('return process')() }}", "{{ ''['constructor'] }}{{ x.__proto__.y }}"]) {
    const answer = reason(host);
    assert.ok('reason' in answer || answer.prompt === '', JSON.stringify(answer));
  }
});
