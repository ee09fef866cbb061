"""Convert a Hugging Face llama-class folder to our layout, as the start for adding kernels or fine-tuning.

Usage: python3 -m export.from_huggingface FOLDER --out OUT [--name NAME]

The engine opens such folders as they are when their weights are safetensors; this is for pickled weights
(`pytorch_model.bin`), which the engine never opens, and for training. Dtypes are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import torch

from export.model_folder import ConversionError, write_model_folder
from export.pickled_file import read_pickled
from export.safetensors_file import read_safetensors
from mta.config import ModelConfig, config_from_mapping
from mta.program import read_json, run_program

# What a family does whatever its config.json says, as in src/graph/huggingFaceConfig.ts.
FAMILIES: Dict[str, Dict[str, Any]] = {
    "llama": {}, "mistral": {"qkv_bias": False, "output_bias": False}, "qwen2": {"qkv_bias": True, "output_bias": False},
    "qwen3": {"qk_norm": "head"}, "olmo2": {"qk_norm": "full", "norm_position": "after"},
}  # fmt: skip
SIZES = {
    "hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "num_key_value_heads": "n_kv_heads",
    "head_dim": "head_dim", "intermediate_size": "hidden_dim", "vocab_size": "vocab_size", "max_position_embeddings": "max_seqlen",
    "rms_norm_eps": "norm_eps", "tie_word_embeddings": "weight_tying",
}  # fmt: skip
MATRICES = {"q_proj": "attention.wq", "k_proj": "attention.wk", "v_proj": "attention.wv", "o_proj": "attention.wo",
            "q_norm": "attention.q_norm", "k_norm": "attention.k_norm",
            "gate_proj": "feed_forward.w1", "up_proj": "feed_forward.w3", "down_proj": "feed_forward.w2"}  # fmt: skip
ENDS = {"model.embed_tokens.weight": "tok_embeddings.weight", "model.norm.weight": "norm.weight", "lm_head.weight": "output.weight"}


def hugging_face_config(content: Mapping[str, Any]) -> ModelConfig:
    """Our configuration of a Hugging Face config.json. Raises ConversionError for other families."""
    family = content.get("model_type")
    if family not in FAMILIES:
        raise ConversionError(f'config.json has model_type "{family}"; it must be one of {", ".join(FAMILIES)}.')
    if family == "mistral" and content.get("layer_types"):
        raise ConversionError("layer_types is set, so that windows differ by layer: for mistral that is not converted.")
    if content.get("hidden_act", "silu") not in ("silu", "swish") or content.get("quantization_config"):
        raise ConversionError("Only silu feed-forwards and weights without quantization are converted.")
    mapping: Dict[str, Any] = {ours: content[theirs] for theirs, ours in SIZES.items() if content.get(theirs) is not None}
    if family == "qwen3":
        mapping.setdefault("head_dim", 128)
    mapping.setdefault("norm_eps", 1e-5 if family == "olmo2" else 1e-6)
    bias = bool(content.get("attention_bias", False))
    mapping.update(rope_style="half", qkv_bias=bias, output_bias=bias, ffn_bias=family == "llama" and bool(content.get("mlp_bias", False)))
    mapping.update(_rope(content))
    mapping.update(_sliding_window(content, family))
    mapping.update(FAMILIES[family])
    scaling = mapping["rope_scaling"]
    if scaling and scaling["rope_type"] in ("dynamic", "yarn"):
        reach = math.floor(scaling["factor"] * scaling["original_max_position_embeddings"])
        mapping["max_seqlen"] = max(mapping["max_seqlen"], reach)
    return config_from_mapping(ModelConfig, mapping, "config.json")


def _rope(content: Mapping[str, Any]) -> Dict[str, Any]:
    # As the library reads them: rope_scaling counts before rope_parameters.
    given = dict(content.get("rope_scaling") or content.get("rope_parameters") or {})
    theta = given.pop("rope_theta", None) or content.get("rope_theta") or 10000.0
    kind = given.pop("rope_type", None) or given.pop("type", None) or "default"
    if kind == "default":
        return {"rope_theta": float(theta), "rope_scaling": None}
    longest = content["max_position_embeddings"]
    original = longest if kind == "dynamic" else given.get("original_max_position_embeddings") or longest
    factor = given.get("factor") or longest / original
    scaling = {**given, "rope_type": kind, "factor": factor, "original_max_position_embeddings": original}
    scales = given.get("mscale"), given.get("mscale_all_dim")
    if scaling.get("attention_factor") is None and all(scales) and factor > 1:
        first, second = (0.1 * scale * math.log(factor) + 1 for scale in scales)
        scaling["attention_factor"] = first / second
    return {"rope_theta": float(theta), "rope_scaling": scaling}


def _sliding_window(content: Mapping[str, Any], family: str) -> Dict[str, Any]:
    window = content.get("sliding_window", 4096)
    if family == "mistral":
        return {"sliding_window": window}
    if family not in ("qwen2", "qwen3") or window is None or not content.get("use_sliding_window"):
        return {}
    first = content.get("max_window_layers", 28)
    types = content.get("layer_types") or ["sliding_attention" if i >= first else "" for i in range(content["num_hidden_layers"])]
    return {"sliding_window": window, "sliding_layers": [i for i, kind in enumerate(types) if kind == "sliding_attention"]}


def our_key(key: str, norm_position: str) -> str:
    """Our name of a tensor."""
    if not key.startswith("model.") and key != "lm_head.weight":
        key = f"model.{key}"  # saved from the model without its head
    if key in ENDS:
        return ENDS[key]
    layer = re.match(r"model\.layers\.(\d+)\.(?:self_attn\.|mlp\.)?(\w+)\.(weight|bias)$", key)
    if layer is None:
        raise ConversionError(f"There is no place for {key} in a llama-class model.")
    n, part, kind = layer.groups()
    norms = {"input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm"}
    if norm_position == "after":
        norms = {"post_attention_layernorm": "attention_norm", "post_feedforward_layernorm": "ffn_norm"}
    ours = MATRICES.get(part) or norms.get(part)
    if ours is None:
        raise ConversionError(f"There is no place for {key} in a llama-class model.")
    return f"layers.{n}.{ours}.{kind}"


def begin_token_of(tokenizer: Mapping[str, Any]) -> Optional[int]:
    """What the tokenizer's template puts before a text."""
    processor = tokenizer.get("post_processor") or {}
    for template in processor.get("processors") or [processor]:
        first = (template.get("single") or [{}])[0].get("SpecialToken")
        if template.get("type") == "TemplateProcessing" and first:
            return template["special_tokens"][first["id"]]["ids"][0]
    return None


def read_hugging_face(folder: Path) -> Tuple[ModelConfig, Dict[str, torch.Tensor]]:
    """Configuration and weights, by our names. Raises ConversionError, ConfigError or PickledFileError."""
    config = hugging_face_config(read_json(folder / "config.json"))
    for stem, suffix, read in (("model", "safetensors", read_safetensors), ("pytorch_model", "bin", read_pickled)):
        index = folder / f"{stem}.{suffix}.index.json"
        if index.is_file():
            names = sorted(set(read_json(index, "weight_map")["weight_map"].values()))
            paths = [folder / Path(name).name for name in names]
            break
        if (folder / f"{stem}.{suffix}").is_file():
            paths = [folder / f"{stem}.{suffix}"]
            break
    else:
        raise ConversionError(f"{folder} holds neither model.safetensors nor pytorch_model.bin.")
    weights = {}
    for path in paths:
        for key, value in read(path).items():
            if not key.endswith("rotary_emb.inv_freq"):
                weights[our_key(key, config.norm_position)] = value
    return _tied_as_the_library(config, weights)


def _tied_as_the_library(config: ModelConfig, weights: Dict[str, torch.Tensor]) -> Tuple[ModelConfig, Dict[str, torch.Tensor]]:
    """Of tied models a head of its own counts where it differs from the embedding, and is the embedding where that is missing."""
    if not config.weight_tying or "output.weight" not in weights:
        return config, weights
    head = weights.pop("output.weight")
    embedding = weights.setdefault("tok_embeddings.weight", head)
    if torch.equal(embedding, head):
        return config, weights
    return replace(config, weight_tying=False), {**weights, "output.weight": head}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="the folder's name when absent")
    args = parser.parse_args()
    config, weights = read_hugging_face(args.folder)
    tokenizer = args.folder / "tokenizer.json"
    begin = begin_token_of(read_json(tokenizer)) if tokenizer.is_file() else None
    write_model_folder(args.out, config, weights, tokenizer, args.name or args.folder.name, begin)
    print(f"{args.out}: {sum(value.numel() for value in weights.values()) / 1e6:.1f} M parameters")


if __name__ == "__main__":
    run_program(main)
