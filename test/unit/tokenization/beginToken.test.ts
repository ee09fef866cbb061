import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginTokenOf } from '../../../src/tokenization/beginToken';

const begin = { SpecialToken: { id: '<s>', type_id: 0 } };
const text = { Sequence: { id: 'A', type_id: 0 } };
const special_tokens = { '<s>': { ids: [7] }, '<t>': { ids: [8, 9] } };
const template = { type: 'TemplateProcessing', single: [begin, text], special_tokens };
const sequence = (...processors: unknown[]) => ({ post_processor: { type: 'Sequence', processors } });

const cases: [what: string, json: unknown, id: number | null][] = [
  ['the special token before the text', { post_processor: template }, 7],
  ['an id of 0', { post_processor: { ...template, special_tokens: { '<s>': { ids: [0] } } } }, 0],
  ['a special token behind the text only', { post_processor: { ...template, single: [text, begin] } }, null],
  ['an empty template', { post_processor: { ...template, single: [] } }, null],
  ['a template that is not a list', { post_processor: { ...template, single: { 0: begin } } }, null],
  ['no template', { post_processor: { type: 'TemplateProcessing' } }, null],
  ['the first token of BERT', { post_processor: { type: 'BertProcessing', sep: ['b', 6], cls: ['a', 5] } }, 5],
  ['the first token of RoBERTa', { post_processor: { type: 'RobertaProcessing', sep: ['b', 6], cls: ['a', 5] } }, 5],
  ['no first token of BERT', { post_processor: { type: 'BertProcessing' } }, null],
  ['another kind of processor', { post_processor: { ...template, type: 'ByteLevel' } }, null],
  ['a token that the list lacks', { post_processor: { ...template, special_tokens: {} } }, null],
  ['no list of tokens', { post_processor: { ...template, special_tokens: undefined } }, null],
  ['a token without ids', { post_processor: { ...template, special_tokens: { '<s>': {} } } }, null],
  ['no ids', { post_processor: { ...template, special_tokens: { '<s>': { ids: [] } } } }, null],
  ['an id that is text', { post_processor: { ...template, special_tokens: { '<s>': { ids: ['7'] } } } }, null],
  ['a broken id', { post_processor: { ...template, special_tokens: { '<s>': { ids: [7.5] } } } }, null],
  ['a name that is not text', { post_processor: { ...template, single: [{ SpecialToken: { id: 7 } }] } }, null],
  ['a null in the template', { post_processor: { ...template, single: [null] } }, null],
  ['the first template of a sequence', sequence({ type: 'ByteLevel' }, template), 7],
  ['a template that follows an empty one', sequence({ ...template, single: [] }, template), 7],
  ['a null in a sequence', sequence(null, template), 7],
  ['an empty sequence', sequence(), null],
  ['processors that are not a list', { post_processor: { type: 'Sequence', processors: 3 } }, null],
  ['no processor', { post_processor: null }, null],
  ['no file', null, null],
  ['a file that is a text', 'x', null],
];
for (const [what, json, id] of cases) test(`begin token: ${what}`, () => assert.equal(beginTokenOf(json), id));

const double: [what: string, json: unknown][] = [
  ['a token with several ids', { post_processor: { ...template, single: [{ SpecialToken: { id: '<t>' } }] } }],
  ['two tokens', { post_processor: { ...template, single: [begin, begin, text] } }],
  ['two templates', sequence(template, template)],
];
for (const [what, json] of double) {
  test(`begin token: ${what} is refused`, () => {
    assert.throws(() => beginTokenOf(json), { code: 'bad-tokenizer', message: /puts 2 tokens \(ids \[\d, \d\]\)/ });
  });
}
