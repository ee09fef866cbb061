import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attentionOutputs } from '../../../src/graph/attentionOutputs';

const names: [name: string, layerIdx: number | null][] = [
  ['attentions.0', 0],
  ['attentions_11', 11],
  ['attn_3', 3],
  ['attention_probs.7', 7],
  ['decoder_attentions.2', 2],
  ['/model/layers.5/self_attn/Softmax_output_0', 5],
  ['/transformer/h.4/attn/Softmax_output_0', 4],
  ['blocks[6].attn.pattern', 6],
  ['layer 9 attention weights', 9],
  ['Layer_10_Attention', 10],
  ['logits', null],
  ['hidden_states.3', null],
  ['present.3.key', null],
  ['cross_attentions.1', null],
  ['encoder_attentions.1', null],
  ['attention_mask', null],
  ['attention', null],
];
for (const [name, layerIdx] of names) {
  test(name, () => {
    if (layerIdx === null) return void assert.ok('why' in attentionOutputs([name]));
    const layers = Array.from({ length: layerIdx + 1 }, (_, i) => name.replace(/\d+/, String(i)));
    assert.deepEqual(attentionOutputs(layers.toReversed()), layers);
  });
}

test('outputs come in the order of layers, counted from 0 or from 1', () => {
  const shuffled = ['attn_10', 'logits', 'attn_2', ...[1, 3, 4, 5, 6, 7, 8, 9].map(i => `attn_${i}`)];
  assert.deepEqual(
    attentionOutputs(shuffled),
    Array.from({ length: 10 }, (_, i) => `attn_${i + 1}`),
  );
});

const series: [what: string, outputs: string[], layers: string[]][] = [
  ['a first name without a number', ['a_attn', 'a_attn_1', 'a_attn_2'], ['a_attn', 'a_attn_1', 'a_attn_2']],
  ['the same, in another order', ['attention_1', 'logits', 'attention'], ['attention', 'attention_1']],
  ['a suffix in the middle', ['mha_attn/Softmax', 'mha_attn_1/Softmax'], ['mha_attn/Softmax', 'mha_attn_1/Softmax']],
  ['other separators', ['attn', 'attn (1)', 'attn (2)'], ['attn', 'attn (1)', 'attn (2)']],
  ['a first block without a number', ['block/attn', 'block_1/attn'], ['block/attn', 'block_1/attn']],
  ['a number of its own in every name', ['attn2_1', 'attn2_0'], ['attn2_0', 'attn2_1']],
  ['numbered nodes', ['h.0/attn/Softmax', 'h.1/attn/Softmax_1'], ['h.0/attn/Softmax', 'h.1/attn/Softmax_1']],
];
for (const [what, outputs, layers] of series) {
  test(`a series with ${what}`, () => assert.deepEqual(attentionOutputs(outputs), layers));
}

test('a series of which an output has another shape is not shifted', () => {
  const { why } = attentionOutputs(['attn_1', 'attn_2'], ['attn', 'logits']) as { why: string };
  assert.match(why, /attn is of another shape/);
  assert.deepEqual(attentionOutputs(['attn_1', 'attn_2'], ['attention_output', 'logits']), ['attn_1', 'attn_2']);
});

test('what names do not tell is said', () => {
  const said: [string[], RegExp][] = [
    [['logits'], /none of its outputs/],
    [['attn_0', 'attention.0'], /both attn_0 and attention\.0 look like the attention of layer 0/],
    [['attn_0', 'attn_2'], /of the layers 0, 2, so some are missing/],
    [['attn', 'attn_2'], /of the layers 0, 2, so some are missing/],
    [['attn', 'attn_0', 'attn_1'], /both attn and attn_0 look like the attention of layer 0/],
    [['attn'], /output attn does not say of which layer it is/],
    [['attn_0', 'self_attention_1'], /of several series: attn, self_attention/],
    [['attn', 'attn_1', 'attention_bias'], /of several series: attn, attention_bias/],
    [['attn2', 'attn2_1', 'attn2_2'], /both attn2 and attn2_2 look like/],
    [['attn_0_0', 'attn_1_1'], /numbers in attn_0_0 do not say/],
    [['attn_00', 'attn_0'], /both attn_00 and attn_0/],
    [['attn_5', 'attn_6'], /of the layers 5, 6, so some are missing/],
  ];
  for (const [outputs, why] of said) assert.match((attentionOutputs(outputs) as { why: string }).why, why);
});
