"""What Hugging Face's `transformers` computes with tiny llama-class models, for tests that need no such library.

Usage: python3 -m export.hugging_face_cases ../test/fixtures/hugging-face      (needs torch and transformers)

One JSON file per model: its config.json as the library writes it, the tokens, and the library's logits and attentions
(float32, row-major, base64). Weights are not stored: `export.generated_weights` makes them from the tensors' names.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Tuple

import numpy as np
import torch

from export.generated_weights import generated_state_dict

FORMAT = "mta-hugging-face-1"
SEED = 20251125
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BASE: Dict[str, Any] = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
    vocab_size=64, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None,
)  # fmt: skip
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16, rope_theta=500000.0)  # fmt: skip
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0)

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
    "olmo2-grouped": ("olmo2", dict(num_key_value_heads=2, num_hidden_layers=3, tie_word_embeddings=True), "bf16", 17),
}  # fmt: skip


def compute_case(name: str) -> Dict[str, Any]:
    """One case's JSON, computed anew. Raises ImportError without `transformers`."""
    import transformers

    model_type, changes, dtype, n_tokens = CASES[name]
    config = transformers.AutoConfig.for_model(model_type, **{**BASE, **changes})
    config._attn_implementation = "eager"  # the only one that tells its attentions
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()
              if not (config.tie_word_embeddings and key == "lm_head.weight")}  # fmt: skip
    weights = {key: value.to(DTYPES[dtype]).float() for key, value in generated_state_dict(shapes, SEED).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"{name}: missing {missing}, unexpected {unexpected}.")
    model.tie_weights()
    tokens = torch.from_numpy(np.random.default_rng(SEED).integers(0, config.vocab_size, (1, n_tokens)))
    with torch.no_grad():
        output = model(tokens, output_attentions=True, use_cache=False)
    return {
        "format": FORMAT, "transformers": transformers.__version__, "seed": SEED, "dtype": dtype,
        "config": json.loads(config.to_json_string()), "shapes": {key: list(shape) for key, shape in shapes.items()},
        "tokens": tokens[0].tolist(), "logits": encoded(output.logits[0]),
        "attentions": [encoded(attention[0]) for attention in output.attentions],
    }  # fmt: skip


def encoded(values: torch.Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode("ascii")


def decoded(text: str) -> np.ndarray:
    """The values of an `encoded` tensor, flat."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def compute_cases() -> Iterator[Tuple[str, Dict[str, Any]]]:
    for name in CASES:
        yield name, compute_case(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, case in compute_cases():
        (args.out / f"{name}.json").write_text(json.dumps(case, indent=1) + "\n", encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    main()
