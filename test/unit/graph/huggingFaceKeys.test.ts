/** Every key of every family's configuration class in Hugging Face's library, each read, refused by its name, or known to change nothing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huggingFaceFamilies, parseHuggingFaceConfig } from '../../../src/graph/huggingFaceConfig';
import { Failure } from '../../../src/shared/tools/failure';
import library from '../../fixtures/huggingFaceKeys.json';

/** Keys that change training, saving or other tasks, and nothing of what a text gives. */
const neutral = new Set([
  ...['initializer_range', 'init_std', 'lambda_std_dev', 'use_cache', 'pad_token_id', 'bos_token_id', 'pretraining_tp'],
  ...[
    'attention_dropout',
    'hidden_dropout',
    'classifier_dropout',
    'dropout',
    'resid_pdrop',
    'embd_pdrop',
    'residual_dropout',
    'embedding_dropout',
    'attn_pdrop',
  ],
  ...['layerdrop', 'router_aux_loss_coef', 'router_jitter_noise', 'output_router_logits', 'is_decoder'],
  // Which code computes the same.
  ...[
    'fuse_norm',
    'fuse_swiglu',
    'fuse_cross_entropy',
    'fuse_linear_cross_entropy',
    'use_l2warp',
    'elementwise_affine',
  ],
  // Another order of the same products, which matters in fp16 only.
  'reorder_and_upcast_attn',
  ...['summary_type', 'summary_use_proj', 'summary_activation', 'summary_proj_to_labels', 'summary_first_dropout'],
]);
/** Keys that the library's class has and does nothing with as long as another key has its default. */
const idle: Readonly<Record<string, readonly string[]>> = {
  attn_logit_softcapping: ['gemma3_text'],
  original_max_position_embeddings: ['phi3'],
  sliding_window: ['qwen2', 'qwen2_moe', 'qwen3', 'qwen3_moe', 'smollm3'],
  use_sliding_window: ['smollm3'],
  num_kv_heads: ['falcon'],
  max_window_layers: ['qwen2', 'qwen3', 'qwen2_moe'],
};
const values: readonly unknown[] = [-1, 0, 1, 1.5, 2, 3, 7, 'x', {}, [], [0], ['x'], true, false, Number.NaN];

function outcome(json: Readonly<Record<string, unknown>>): string | Failure {
  try {
    return JSON.stringify(parseHuggingFaceConfig(json, 'config.json', null));
  } catch (error) {
    if (error instanceof Failure && error.code === 'bad-config') return error;
    throw error;
  }
}

test('the list has every family', () => {
  assert.deepEqual(Object.keys(library).sort(), [...huggingFaceFamilies].sort());
});

for (const [type, keys] of Object.entries(library)) {
  test(`${type}: every key of the library's class is read, refused by its name, or known to change nothing`, () => {
    const usual = outcome({ model_type: type });
    assert.equal(typeof usual, 'string', String(usual));
    for (const [key, byDefault] of Object.entries(keys)) {
      let isNoticed = false;
      for (const value of values) {
        const found = outcome({ model_type: type, [key]: value });
        if (found !== usual) isNoticed = true;
        if (typeof found === 'string') continue;
        // Experts of a token are compared with experts, heads with the width.
        const names =
          found.message.includes(key) || /num_experts_per_tok is \d+, expected a whole number/.test(found.message);
        assert.ok(names, `${key} ${JSON.stringify(value)}: ${found.message}`);
        assert.doesNotMatch(
          found.message.replace(key, 'KEY'),
          /\b(n_layers|n_heads|n_kv_heads|hidden_dim|max_seqlen|norm_eps\b|experts\.)/,
        );
      }
      const isIdle = neutral.has(key) || idle[key]?.includes(type) === true;
      assert.ok(isNoticed || isIdle, `${key}, ${JSON.stringify(byDefault)} by default, is not read`);
    }
  });
}

/** Keys that stand for a choice between computations which no tensor shows, with a value that is not the usual one. */
const choices: Readonly<Record<string, unknown>> = {
  ...{ attention_chunk_size: 8, attn_logit_softcapping: 50, final_logit_softcapping: 30, query_pre_attn_scalar: 144 },
  ...{ attention_multiplier: 0.5, embedding_multiplier: 3, residual_multiplier: 0.2, logits_scaling: 4, clip_qkv: 8 },
  ...{ alibi: true, use_qk_norm: true, qk_layernorm: true, no_rope_layers: [1, 0], layer_types: ['chunked_attention'] },
  ...{ attn_temperature_tuning: true, use_bidirectional_attention: true, add_cross_attention: true, rotary_pct: 0.5 },
  ...{ use_parallel_residual: true, scale_attn_weights: false, scale_attn_by_inverse_layer_idx: true, swiglu_limit: 7 },
  ...{ do_layer_norm_before: false, partial_rotary_factor: 0.5, kv_lora_rank: 16, num_local_experts: 4 },
};

test('a choice of another family is never ignored', () => {
  const ignored = [];
  for (const type of huggingFaceFamilies) {
    const usual = outcome({ model_type: type });
    for (const [key, value] of Object.entries(choices)) {
      // The library reads Gemma 3's cap of scores and does not use it.
      if (type === 'gemma3_text' && key === 'attn_logit_softcapping') continue;
      // The usual value of these families.
      const same = outcome({ model_type: type, [key]: value }) === usual;
      if (same && !(key in (library as Record<string, object>)[type]!)) ignored.push(`${type}.${key}`);
    }
  }
  assert.deepEqual(ignored, []);
});
