import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attentionLayerOf, attentionOutputs } from '../../../src/graph/attentionOutputs';

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
for (const [name, layerIdx] of names) test(name, () => assert.equal(attentionLayerOf(name), layerIdx));

test('outputs come in the order of layers, counted from 0 or from 1', () => {
  const shuffled = ['attn_10', 'logits', 'attn_2', ...[1, 3, 4, 5, 6, 7, 8, 9].map(i => `attn_${i}`)];
  assert.deepEqual(
    attentionOutputs(shuffled),
    Array.from({ length: 10 }, (_, i) => `attn_${i + 1}`),
  );
});

test('what names do not tell is said', () => {
  const said: [string[], RegExp][] = [
    [['logits'], /none of its outputs/],
    [['attn_0', 'attention.0'], /both attn_0 and attention\.0 look like the attention of layer 0/],
    [['attn_0', 'attn_2'], /of the layers 0, 2, so some are missing/],
    [['attn_5', 'attn_6'], /of the layers 5, 6, so some are missing/],
  ];
  for (const [outputs, why] of said) assert.match((attentionOutputs(outputs) as { why: string }).why, why);
});
