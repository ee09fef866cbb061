"""What Hugging Face's `transformers` computes with tiny models of every family, for tests that need no such library.

Usage: python3 -m export.hugging_face_cases ../test/fixtures/hugging-face      (needs torch and transformers)

One JSON file per model: its config.json as the library writes it, or as an older file has it, the tokens, and the
library's logits and attentions (float32, row-major, base64). Weights are not stored: `export.generated_weights` makes
them from the names that the tensors have in the library's files.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import inspect
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Tuple

import numpy as np
import torch

from export.forgetting_attention import reference_kernels
from export.generated_weights import generated_state_dict
from mta.program import run_program

FORMAT = "mta-hugging-face-1"
# Of flash-linear-attention; the other families are the library's own.
FORGETTING = "forgetting_transformer"
SEED = 20251125
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BASE: Dict[str, Any] = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
    vocab_size=64, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None,
)  # fmt: skip
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16, rope_theta=500000.0)  # fmt: skip
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0)

SMALL: Dict[str, Any] = dict(vocab_size=48, max_position_embeddings=32)
GPT: Dict[str, Any] = dict(n_embd=32, n_layer=2, n_head=4, n_positions=32, vocab_size=48)

# name -> (model type, changes to BASE, dtype of the weights, tokens)
CASES: Dict[str, Tuple[str, Mapping[str, Any], str, int]] = {
    "llama": ("llama", {}, "fp32", 24),
    "llama-grouped-bias": ("llama", dict(num_key_value_heads=2, attention_bias=True, mlp_bias=True), "fp32", 17),
    "llama-head-dim": ("llama", dict(hidden_size=30, num_attention_heads=3, num_key_value_heads=1, head_dim=16), "fp16", 24),
    "llama-linear": ("llama", dict(rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=10000.0)), "fp32", 24),
    "llama-dynamic": ("llama", dict(max_position_embeddings=16, rope_parameters=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0)), "fp32", 40),
    "llama-dynamic-short": ("llama", dict(rope_parameters=dict(rope_type="dynamic", factor=3.0, rope_theta=10000.0)), "fp32", 9),
    "llama-3": ("llama", dict(num_key_value_heads=2, head_dim=16, rope_parameters=LLAMA3, tie_word_embeddings=True), "bf16", 40),
    "llama-yarn": ("llama", dict(rope_parameters=YARN), "fp32", 40),
    "llama-yarn-scales": ("llama", dict(head_dim=32, rope_parameters=dict(YARN, beta_fast=16.0, beta_slow=2.0, mscale=0.7, mscale_all_dim=1.3)), "fp32", 24),
    "smollm": ("llama", dict(hidden_size=36, num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True, rms_norm_eps=1e-5), "bf16", 24),
    "tinyllama": ("llama", dict(hidden_size=64, num_attention_heads=8, num_key_value_heads=1, rms_norm_eps=1e-5, num_hidden_layers=3), "fp32", 16),
    "mistral": ("mistral", dict(num_key_value_heads=2, sliding_window=None, rope_parameters=dict(rope_type="default", rope_theta=1e6)), "bf16", 24),
    "mistral-window": ("mistral", dict(num_key_value_heads=1, head_dim=12, sliding_window=7), "fp32", 24),
    "mistral-window-1": ("mistral", dict(sliding_window=1), "fp32", 6),
    "qwen2": ("qwen2", dict(num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=1e6)), "bf16", 24),
    "qwen2-window": ("qwen2", dict(num_hidden_layers=4, use_sliding_window=True, sliding_window=5, max_window_layers=2), "fp32", 16),
    "qwen2-yarn": ("qwen2", dict(num_attention_heads=2, num_key_value_heads=1, rope_parameters=dict(YARN, factor=2.0)), "fp16", 32),
    "qwen3": ("qwen3", dict(num_key_value_heads=2, head_dim=16, tie_word_embeddings=True), "fp32", 24),
    "qwen3-bias": ("qwen3", dict(head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=6, max_window_layers=1), "fp32", 20),
    "olmo2": ("olmo2", dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0)), "fp32", 24),
    "gpt2": ("gpt2", dict(_bare=True, **GPT), "fp32", 16),
    "gpt2-scales": ("gpt2", dict(_bare=True, _raw=True, **dict(GPT, n_inner=40, activation_function="gelu"), scale_attn_by_inverse_layer_idx=True, layer_norm_epsilon=1e-3), "fp16", 16),
    "gpt2-unscaled": ("gpt2", dict(_bare=True, **GPT, scale_attn_weights=False, activation_function="relu", tie_word_embeddings=False, reorder_and_upcast_attn=True), "fp32", 12),
    "gpt2-common-names": ("gpt2", dict(_bare=True, _raw=True, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=16, vocab_size=48, activation_function="quick_gelu"), "fp32", 12),
    "pythia": ("gpt_neox", SMALL, "fp32", 16),
    "pythia-old-keys": ("gpt_neox", dict(SMALL, _raw=True, rotary_pct=0.5, rotary_emb_base=5000, hidden_act="gelu_fast"), "fp16", 16),
    "gpt-neox-sequential": ("gpt_neox", dict(SMALL, use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=10000.0, partial_rotary_factor=1.0)), "bf16", 16),
    "olmo": ("olmo", dict(SMALL, clip_qkv=0.9, num_key_value_heads=2), "fp32", 16),
    "olmo-bias": ("olmo", dict(SMALL, attention_bias=True, tie_word_embeddings=True, _raw=True, rope_theta=500.0), "bf16", 12),
    "olmo3": ("olmo3", dict(SMALL, num_hidden_layers=4, sliding_window=5), "fp32", 16),
    "olmo3-yarn": ("olmo3", dict(SMALL, _raw=True, num_key_value_heads=2, layer_types=["full_attention", "sliding_attention"], sliding_window=4, rope_theta=2000.0, rope_scaling=dict(YARN, attention_factor=1.2, truncate=False)), "fp32", 16),
    "ministral": ("ministral", dict(SMALL, head_dim=8, num_key_value_heads=2, layer_types=["sliding_attention", "full_attention"], sliding_window=6), "fp32", 16),
    "ministral-all-sliding": ("ministral", dict(SMALL, _raw=True, num_key_value_heads=4, sliding_window=3, head_dim=16, rope_scaling=dict(YARN, rope_theta=1e6)), "bf16", 16),
    "gemma": ("gemma", dict(SMALL, num_key_value_heads=1, head_dim=12), "fp32", 16),
    "gemma-gelu": ("gemma", dict(SMALL, _raw=True, hidden_act="gelu", head_dim=8, attention_bias=True, tie_word_embeddings=False, rope_theta=500.0), "bf16", 12),
    "gemma2": ("gemma2", dict(SMALL, num_key_value_heads=2, head_dim=12, sliding_window=5, query_pre_attn_scalar=20, attn_logit_softcapping=2.0, final_logit_softcapping=3.0), "fp32", 16),
    "gemma2-no-caps": ("gemma2", dict(SMALL, _raw=True, head_dim=8, attn_logit_softcapping=None, final_logit_softcapping=None, sliding_window=3, layer_types=["full_attention", "sliding_attention"], rope_theta=300.0), "bf16", 12),
    # As their GGUF files can say: scale and windows follow from the sizes.
    "gemma2-usual": ("gemma2", dict(SMALL, num_key_value_heads=2, head_dim=12, sliding_window=5, query_pre_attn_scalar=12, attn_logit_softcapping=2.0, final_logit_softcapping=3.0), "fp32", 12),
    "gemma3-usual": ("gemma3_text", dict(SMALL, num_hidden_layers=7, num_key_value_heads=2, head_dim=12, sliding_window=4, query_pre_attn_scalar=12), "fp32", 10),
    "gemma3": ("gemma3_text", dict(SMALL, num_hidden_layers=3, num_key_value_heads=2, head_dim=12, sliding_window=4, layer_types=["sliding_attention", "full_attention", "sliding_attention"], query_pre_attn_scalar=10, attn_logit_softcapping=1.5, final_logit_softcapping=2.5), "fp32", 16),
    "gemma3-old-keys": ("gemma3_text", dict(SMALL, _raw=True, head_dim=8, num_key_value_heads=1, sliding_window=6, sliding_window_pattern=2, rope_theta=20000.0, rope_local_base_freq=100.0, rope_scaling=dict(rope_type="linear", factor=8.0)), "bf16", 16),
    "gemma3-pictures": ("gemma3", dict(_bare=True, _raw=True, text_config=dict(BASE, **SMALL, model_type="gemma3_text", head_dim=8, sliding_window=4, sliding_window_pattern=2),
        vision_config=dict(model_type="siglip_vision_model", hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=16, patch_size=8), mm_tokens_per_image=4, image_token_index=47, boi_token_index=46, eoi_token_index=45), "fp32", 16),
    "llama-bare-names": ("llama", dict(SMALL, tie_word_embeddings=True, _strip="model."), "fp32", 12),
    "llama-bare-names-head": ("llama", dict(SMALL, _strip="model."), "fp32", 12),
    "llama-tied-own-head": ("llama", dict(SMALL, tie_word_embeddings=True, _head="lm_head.weight"), "fp32", 12),
    "llama-tied-only-head": ("llama", dict(SMALL, tie_word_embeddings=True, _only_head="lm_head.weight"), "fp32", 12),
    "llama-both-ropes": ("llama", dict(SMALL, _raw=True, rope_theta=700.0, rope_parameters=dict(rope_type="default", rope_theta=90.0), rope_scaling=dict(rope_type="linear", factor=3.0), hidden_act="swish", eos_token_id=-1), "fp32", 12),
    "llama-longrope": ("llama", dict(SMALL, _raw=True, rope_scaling=dict(type="longrope", short_factor=[1.0, 1.2, 1.5, 2.0], long_factor=[1.5, 2.0, 4.0, 8.0], original_max_position_embeddings=8)), "fp32", 12),
    "llama-other-activations": ("llama", dict(SMALL, hidden_act="relu2", original_max_position_embeddings=4, _raw=True, rope_scaling=YARN), "fp32", 12),
    "olmo2-no-eps": ("olmo2", dict(SMALL, _raw=True), "fp32", 12),
    "mistral-layer-types": ("mistral", dict(SMALL, _raw=True, sliding_window=4, layer_types=["full_attention", "sliding_attention"], num_key_value_heads=2, head_dim=8), "fp32", 12),
    "gpt2-bare-names": ("gpt2", dict(_bare=True, **GPT, _strip="transformer.", _head="lm_head.weight"), "fp32", 12),
    "gptj": ("gptj", dict(_bare=True, **GPT, rotary_dim=4), "fp32", 16),
    "gptj-tied": ("gptj", dict(_bare=True, _raw=True, **dict(GPT, n_inner=40, activation_function="gelu_fast", n_head=2), rotary_dim=16, layer_norm_epsilon=1e-3), "fp16", 12),
    "opt": ("opt", dict(_bare=True, hidden_size=32, num_hidden_layers=2, ffn_dim=48, num_attention_heads=4, **SMALL), "fp32", 16),
    "opt-no-biases": ("opt", dict(_bare=True, _raw=True, hidden_size=32, num_hidden_layers=2, ffn_dim=48, num_attention_heads=2, **SMALL, enable_bias=False, layer_norm_elementwise_affine=False, tie_word_embeddings=False, activation_function="gelu", word_embed_proj_dim=32), "bf16", 12),
    "falcon-7b": ("falcon", dict(_bare=True, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, **SMALL), "fp32", 16),
    "falcon-40b": ("falcon", dict(_bare=True, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True, bias=True, **SMALL), "fp32", 16),
    "falcon-11b": ("falcon", dict(_bare=True, _raw=True, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True, num_ln_in_parallel_attn=1, ffn_hidden_size=40, rope_theta=500.0, tie_word_embeddings=False, **SMALL), "bf16", 12),
    "falcon-sequential": ("falcon", dict(_bare=True, _raw=True, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, multi_query=False, parallel_attn=False, bias=True, layer_norm_epsilon=1e-3, activation="relu", **SMALL), "fp32", 12),
    "phi3": ("phi3", dict(SMALL, num_key_value_heads=2, sliding_window=5), "fp32", 16),
    "phi3-longrope-short": ("phi3", dict(SMALL, _raw=True, partial_rotary_factor=0.75, max_position_embeddings=64, original_max_position_embeddings=16, tie_word_embeddings=True, rope_scaling=dict(type="longrope", short_factor=[1.0, 1.1, 1.3], long_factor=[1.5, 3.0, 6.0])), "bf16", 12),
    "phi3-longrope-long": ("phi3", dict(SMALL, max_position_embeddings=64, original_max_position_embeddings=8, rope_parameters=dict(rope_type="longrope", short_factor=[1.0, 1.1, 1.3, 1.4], long_factor=[1.5, 3.0, 6.0, 9.0])), "fp32", 16),
    "phi3-su": ("phi3", dict(SMALL, _raw=True, original_max_position_embeddings=8, num_key_value_heads=1, rope_scaling=dict(type="su", original_max_position_embeddings=8, short_factor=[1.0, 1.1, 1.3, 1.4], long_factor=[1.5, 3.0, 6.0, 9.0])), "fp32", 12),
    "smollm3": ("smollm3", dict(SMALL, num_hidden_layers=4, num_key_value_heads=2), "fp32", 12),
    "smollm3-window": ("smollm3", dict(SMALL, _raw=True, num_key_value_heads=4, no_rope_layers=[1, 0], use_sliding_window=True, sliding_window=4, attention_bias=True, mlp_bias=True, tie_word_embeddings=False), "bf16", 12),
    "granite": ("granite", dict(SMALL, embedding_multiplier=3.0, logits_scaling=4.0, residual_multiplier=0.22, attention_multiplier=0.5), "fp32", 16),
    "granite-biases": ("granite", dict(SMALL, _raw=True, attention_bias=True, mlp_bias=True, tie_word_embeddings=True, num_key_value_heads=2), "bf16", 12),
    "stablelm": ("stablelm", dict(SMALL, hidden_size=64), "fp32", 16),
    "stablelm-parallel": ("stablelm", dict(SMALL, _raw=True, use_parallel_residual=True, use_qkv_bias=True, partial_rotary_factor=0.5, num_key_value_heads=2, layer_norm_eps=1e-3), "fp16", 12),
    "starcoder2": ("starcoder2", dict(SMALL, num_key_value_heads=2, norm_epsilon=1e-3), "fp32", 16),
    "starcoder2-window": ("starcoder2", dict(SMALL, _raw=True, num_key_value_heads=1, use_bias=False, sliding_window=4, tie_word_embeddings=True, hidden_act="gelu", rope_theta=300.0), "bf16", 12),
    "mixtral": ("mixtral", dict(SMALL, num_key_value_heads=2, num_local_experts=4), "fp32", 16),
    "mixtral-window": ("mixtral", dict(SMALL, num_key_value_heads=4, num_local_experts=3, num_experts_per_tok=1, sliding_window=4, head_dim=12, tie_word_embeddings=True), "bf16", 12),
    "qwen3-moe": ("qwen3_moe", dict(SMALL, num_hidden_layers=3, num_key_value_heads=2, head_dim=8, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=20, mlp_only_layers=[1]), "fp32", 12),
    "qwen3-moe-normalized": ("qwen3_moe", dict(SMALL, num_key_value_heads=4, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=20, norm_topk_prob=True, decoder_sparse_step=2, attention_bias=True, use_sliding_window=True, sliding_window=5), "bf16", 12),
    "qwen2-moe": ("qwen2_moe", dict(SMALL, num_hidden_layers=3, num_key_value_heads=2, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=20, shared_expert_intermediate_size=24, mlp_only_layers=[1]), "fp32", 12),
    "qwen2-moe-normalized": ("qwen2_moe", dict(SMALL, num_experts=5, num_experts_per_tok=3, moe_intermediate_size=12, shared_expert_intermediate_size=40, norm_topk_prob=True, qkv_bias=False, use_sliding_window=True, sliding_window=5, max_window_layers=1, tie_word_embeddings=True), "bf16", 12),
    "gpt-oss": ("gpt_oss", dict(SMALL, num_key_value_heads=2, head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=4), "bf16", 16),
    "gpt-oss-unscaled": ("gpt_oss", dict(SMALL, num_hidden_layers=3, num_key_value_heads=4, head_dim=8, num_local_experts=3, num_experts_per_tok=3, layer_types=["full_attention", "sliding_attention", "full_attention"], sliding_window=3, attention_bias=False, rope_parameters=dict(rope_type="default", rope_theta=1000.0), swiglu_limit=1.0, swiglu_alpha=1.2, tie_word_embeddings=True), "fp32", 12),
    "llama4": ("llama4_text", dict(SMALL, num_hidden_layers=4, num_key_value_heads=2, head_dim=8, intermediate_size=20, intermediate_size_mlp=40, num_local_experts=4, interleave_moe_layer_step=2, attention_chunk_size=5, floor_scale=4, attn_scale=0.3), "fp32", 17),
    "llama4-types": ("llama4_text", dict(SMALL, _raw=True, num_hidden_layers=3, head_dim=12, intermediate_size=16, intermediate_size_mlp=24, num_local_experts=3, num_experts_per_tok=2, moe_layers=[1], no_rope_layers=[1, 0, 1], layer_types=["full_attention", "chunked_attention", "chunked_attention"], attention_chunk_size=7, use_qk_norm=False, attn_temperature_tuning=False, attention_bias=True, tie_word_embeddings=True, rope_scaling=LLAMA3), "bf16", 16),
    "llama4-pictures": ("llama4", dict(_bare=True, _raw=True, _add="language_model.", text_config=dict(BASE, **SMALL, model_type="llama4_text", head_dim=8, intermediate_size=12, intermediate_size_mlp=16, num_local_experts=2, no_rope_layer_interval=2, attention_chunk_size=4, floor_scale=3, rope_theta=800.0, rope_scaling=YARN),
        vision_config=dict(model_type="llama4_vision_model", hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=28, patch_size=14, vision_output_dim=8, projector_input_dim=8, projector_output_dim=8)), "fp32", 12),
    "diffllama": ("diffllama", dict(SMALL), "fp32", 16),
    "diffllama-grouped": ("diffllama", dict(SMALL, _raw=True, num_hidden_layers=3, num_attention_heads=8, num_key_value_heads=4, head_dim=12, attention_bias=True, tie_word_embeddings=True, rms_norm_eps=1e-2, rope_scaling=dict(type="linear", factor=2.0)), "bf16", 12),
    "forgetting": ("forgetting_transformer", dict(_bare=True, fuse_norm=False, vocab_size=48, hidden_size=32, num_hidden_layers=2, num_heads=4, intermediate_size=40), "fp32", 16),
    "forgetting-grouped": ("forgetting_transformer", dict(_bare=True, _raw=True, fuse_norm=False, vocab_size=48, hidden_size=24, num_hidden_layers=3, num_heads=6, num_kv_heads=2, qkv_bias=True, norm_eps=1e-3, hidden_ratio=3, tie_word_embeddings=True), "bf16", 12),
    "olmo2-grouped": ("olmo2", dict(num_key_value_heads=2, num_hidden_layers=3, tie_word_embeddings=True), "bf16", 17),
}  # fmt: skip


def config_of(model_type: str, changes: Mapping[str, Any]) -> Dict[str, Any]:
    """A case's config.json. `_raw`: as it stands, not as the library writes it. `_bare`: nothing of BASE."""
    changes = {key: value for key, value in changes.items() if key not in FILE_CHANGES}
    raw, bare = changes.pop("_raw", False), changes.pop("_bare", False)
    given = {"model_type": model_type, **({} if bare else BASE), **changes}
    if raw:
        return given
    import transformers

    if model_type == FORGETTING:
        import fla.models  # noqa: F401  registers its classes

    return json.loads(transformers.AutoConfig.for_model(**given).to_json_string())


# `_strip`: a prefix that the files' names lack. `_add`: one that they have. `_head`: a head of this name beside tied embeddings, or instead of them.
FILE_CHANGES = ("_strip", "_add", "_head", "_only_head")


def changed_shapes(shapes: Mapping[str, Tuple[int, ...]], changes: Mapping[str, Any]) -> Dict[str, Tuple[int, ...]]:
    """The tensors of a file that is not as the library writes it."""
    strip = changes.get("_strip", "")
    shapes = {changes.get("_add", "") + key: shape for key, shape in shapes.items()}
    changed = {key[len(strip):] if key.startswith(strip) else key: shape for key, shape in shapes.items()}
    for head in ("_head", "_only_head"):
        if head in changes:
            embedding = next(key for key in changed if key.endswith(("embed_tokens.weight", "wte.weight")))
            changed[changes[head]] = changed[embedding]
            if head == "_only_head":
                del changed[embedding]
    return changed


def build_case(name: str, folder: str):
    """The library's model of a case and its tokens, written to `folder` as the library writes and reads it; also shapes and config."""
    import transformers
    from safetensors.torch import load_file, save_file

    model_type, changes, dtype, n_tokens = CASES[name]
    if model_type == FORGETTING:
        import fla.models  # noqa: F401  registers its classes
    written = config_of(model_type, changes)
    Path(folder, "config.json").write_text(json.dumps(written))
    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    file = Path(folder, "model.safetensors")
    shapes = changed_shapes({key: tuple(value.shape) for key, value in load_file(file).items()}, changes)
    weights = {key: value.to(DTYPES[dtype]).float() for key, value in generated_state_dict(shapes, SEED).items()}
    save_file(weights, file, metadata={"format": "pt"})
    Path(folder, "config.json").write_text(json.dumps(written))
    # The only implementation that gives its attentions.
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    if (loading["missing_keys"] and "_only_head" not in changes) or loading["unexpected_keys"] or loading["mismatched_keys"]:
        raise ValueError(f"{name}: {loading}.")
    vocab_size = config.get_text_config().vocab_size
    tokens = torch.from_numpy(np.random.default_rng(SEED).integers(0, vocab_size, (1, n_tokens)))
    return model.eval(), tokens, shapes, written


def compute_case(name: str) -> Dict[str, Any]:
    """One case's JSON, computed anew from a folder as the library writes and reads it. Raises ImportError without `transformers`."""
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        model, tokens, shapes, written = build_case(name, folder)
    if CASES[name][0] == FORGETTING:
        with torch.no_grad(), reference_kernels() as seen:
            logits = model(tokens, use_cache=False).logits
        return {
            "format": FORMAT, "transformers": transformers.__version__, "seed": SEED, "dtype": CASES[name][2],
            "config": written, "shapes": {key: list(shape) for key, shape in shapes.items()},
            "tokens": tokens[0].tolist(), "logits": encoded(logits[0]),
            "attentions": [encoded(attention) for attention in seen["attentions"]],
            "stages": {stage: [encoded(layer) for layer in seen[stage]] for stage in ("scores", "decayed_scores")},
        }  # fmt: skip
    with torch.no_grad(), _Recorder() as recorder:
        output = model(tokens, output_attentions=True, use_cache=False)
    return {
        "format": FORMAT, "transformers": transformers.__version__, "seed": SEED, "dtype": CASES[name][2],
        "config": written, "shapes": {key: list(shape) for key, shape in shapes.items()},
        "tokens": tokens[0].tolist(), "logits": encoded(output.logits[0]),
        "attentions": [encoded(attention[0]) for attention in output.attentions],
        **({"stages": differences(model, output.attentions)} if CASES[name][0] == "diffllama" else {"stages": recorder.stages(model.config.get_text_config())} if name in CASES_WITH_STAGES else {}),
    }  # fmt: skip


# Whose values before and beside the softmax are stored too.
CASES_WITH_STAGES = ("gemma2", "gemma2-usual", "gemma3", "gpt-oss", "gpt-oss-unscaled", "gpt2-scales", "pythia", "falcon-40b", "granite", "diffllama", "diffllama-grouped")


def differences(model: Any, attentions: Iterable[torch.Tensor]) -> Dict[str, List[str]]:
    """Per layer the weights of head p minus lambda times those of head p + H / 2, for heads 2p and 2p + 1 each."""
    layers = []
    for layer_idx, (layer, attention) in enumerate(zip(model.model.layers, attentions)):
        part = layer.self_attn
        first, second = (torch.exp((q * k).sum()) for q, k in ((part.lambda_q1, part.lambda_k1), (part.lambda_q2, part.lambda_k2)))
        weights, subtracted = attention[0].chunk(2)
        difference = weights - (first - second + 0.8 - 0.6 * math.exp(-0.3 * layer_idx)) * subtracted
        layers.append(encoded(difference.repeat_interleave(2, dim=0)))
    return {"differential_pattern": layers}


class _Recorder(torch.overrides.TorchFunctionMode):
    """Notes what goes into and comes out of the softmax and the tanh of attention, [1, head, query, key] each."""

    def __init__(self) -> None:
        super().__init__()
        self.tanh: List[Tuple[torch.Tensor, torch.Tensor]] = []
        self.softmax: List[Tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        of = {"tanh": self.tanh, "softmax": self.softmax}.get(getattr(func, "__name__", ""))
        if of is not None and args[0].dim() == 4:
            of.append((args[0], result))
        return result

    def stages(self, config: Any) -> Dict[str, List[str]]:
        """Per layer: `scores`, `capped_scores` where scores are capped, [head, query, key], 0 where the key comes after the
        query; where there are sinks instead `sink` [head, query], what no key gets."""
        n_layers = config.num_hidden_layers
        if len(self.softmax) != n_layers or len(self.tanh) not in (0, n_layers):
            raise ValueError(f"{len(self.softmax)} softmaxes and {len(self.tanh)} tanhs in {n_layers} layers.")
        if config.model_type == "gpt_oss":
            return {"sink": [encoded(after[0, :, :, -1]) for _, after in self.softmax]}
        if not self.tanh:
            return {"scores": [encoded(before[0].tril()) for before, _ in self.softmax]}
        cap = config.attn_logit_softcapping
        return {"scores": [encoded(cap * before[0].tril()) for before, _ in self.tanh],
                "capped_scores": [encoded(cap * after[0].tril()) for _, after in self.tanh]}  # fmt: skip


def library_keys(model_types: Iterable[str]) -> Dict[str, Dict[str, Any]]:
    """Per family every key that the library's configuration class has of its own, with its default; also other names of keys."""
    from transformers import PreTrainedConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    common = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    found = {}
    for model_type in model_types:
        if model_type == FORGETTING:
            from fla.models import ForgettingTransformerConfig

            parameters = inspect.signature(ForgettingTransformerConfig).parameters.values()
            found[model_type] = {given.name: given.default for given in parameters if given.name != "kwargs"}
            continue
        kind = CONFIG_MAPPING[model_type]
        keys = {field.name: field.default for field in dataclasses.fields(kind) if field.name not in common}
        for name, own in kind.attribute_map.items():
            keys.setdefault(own, keys.get(name))
            keys.setdefault(name, keys[own])
        found[model_type] = keys
    return found


def encoded(values: torch.Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode("ascii")


def decoded(text: str) -> np.ndarray:
    """The values of an `encoded` tensor, flat."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="cases to compute; all by default")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or CASES:
        case = compute_case(name)
        (args.out / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    run_program(main)
