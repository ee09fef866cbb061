"""Convert a llama-class GGUF file to our layout, as the start for adding kernels or fine-tuning.

Usage: python3 -m export.from_gguf FILE.gguf --out OUT [--name NAME] [--bos-token-id N] [--dtype fp32|fp16]

Quantized weights are dequantized by the `gguf` package (pip install gguf), so the folder computes what the file holds,
its quantization error included. llama.cpp keeps the rows of wq and wk in the order of interleaved rotary positions;
so does the folder, with `rope_style` "interleaved".
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import numpy as np
import torch

from export.model_folder import ConversionError, write_model_folder
from export.to_safetensors import DTYPES
from mta.config import ModelConfig, config_from_mapping
from mta.program import run_program

SIZES = {
    "embedding_length": "dim", "block_count": "n_layers", "attention.head_count": "n_heads", "attention.head_count_kv": "n_kv_heads",
    "attention.key_length": "head_dim", "feed_forward_length": "hidden_dim", "vocab_size": "vocab_size", "context_length": "max_seqlen",
    "attention.layer_norm_rms_epsilon": "norm_eps", "rope.freq_base": "rope_theta",
}  # fmt: skip
MATRICES = {"attn_q": "attention.wq", "attn_k": "attention.wk", "attn_v": "attention.wv", "attn_output": "attention.wo",
            "attn_norm": "attention_norm", "ffn_norm": "ffn_norm",
            "ffn_gate": "feed_forward.w1", "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2"}  # fmt: skip
ENDS = {"token_embd.weight": "tok_embeddings.weight", "output_norm.weight": "norm.weight", "output.weight": "output.weight"}
# How each pre-tokenizer of the file cuts text before GPT-2's byte-level rules; llama.cpp's names.
PRE_TOKENIZERS = {"gpt-2": [], "smollm": [{"type": "Digits", "individual_digits": True}]}
CONTROL, USER_DEFINED = 3, 4


def gguf_config(metadata: Mapping[str, Any], is_tied: bool) -> ModelConfig:
    """Our configuration of a file's metadata. Raises ConversionError for other architectures."""
    architecture = metadata.get("general.architecture")
    if architecture != "llama":
        raise ConversionError(f'general.architecture is "{architecture}"; only "llama" is converted.')
    scaling = metadata.get("llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ConversionError(f'llama.rope.scaling.type is "{scaling}"; only files without scaled positions are converted.')
    mapping = {ours: metadata[f"llama.{theirs}"] for theirs, ours in SIZES.items() if f"llama.{theirs}" in metadata}
    if "vocab_size" not in mapping and "tokenizer.ggml.tokens" in metadata:
        mapping["vocab_size"] = len(metadata["tokenizer.ggml.tokens"])
    # The file keeps float32: 1e-5 comes back as 9.999999747378752e-06.
    mapping = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in mapping.items()}
    config = config_from_mapping(ModelConfig, {**mapping, "rope_style": "interleaved", "weight_tying": is_tied}, "metadata")
    rotated = metadata.get("llama.rope.dimension_count", config.head_dim)
    if rotated != config.head_dim:
        raise ConversionError(f"llama.rope.dimension_count is {rotated}; only rotation of all {config.head_dim} dimensions of a head is converted.")
    return config


def our_key(name: str) -> str:
    """Our name of a tensor. Raises ConversionError for one that a llama does not have."""
    if name in ENDS:
        return ENDS[name]
    layer = re.match(r"blk\.(\d+)\.(\w+)\.weight$", name)
    if layer is None or layer[2] not in MATRICES:
        raise ConversionError(f"There is no place for {name} in a llama-class model.")
    return f"layers.{layer[1]}.{MATRICES[layer[2]]}.weight"


def gguf_tokenizer(metadata: Mapping[str, Any]) -> Dict[str, Any]:
    """The content of tokenizer.json. Raises ConversionError when the file's tokenizer is not a known byte-level BPE."""
    kind, pre = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "gpt-2")
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        raise ConversionError(f'The tokenizer is "{kind}" with "{pre}"; known is "gpt2" with {", ".join(PRE_TOKENIZERS)}.')
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    added = [
        {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": kind == CONTROL}
        for index, (token, kind) in enumerate(zip(tokens, types)) if kind in (CONTROL, USER_DEFINED)
    ]  # fmt: skip
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*PRE_TOKENIZERS[pre], byte_level]}, "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: index for index, token in enumerate(tokens)}, "merges": list(metadata["tokenizer.ggml.merges"])},
    }  # fmt: skip


def begin_token_of(metadata: Mapping[str, Any]) -> Optional[int]:
    """The token that the file puts before a text, if it does."""
    return metadata.get("tokenizer.ggml.bos_token_id") if metadata.get("tokenizer.ggml.add_bos_token", True) else None


def read_gguf(path: Path) -> Tuple[Dict[str, Any], Dict[str, torch.Tensor]]:
    """Metadata, and weights in float32 by our names. Raises ConversionError."""
    from gguf import GGUFReader, dequantize  # only here: CI has no such package

    try:
        reader = GGUFReader(path)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise ConversionError(f"Cannot read {path}: {error}. Expected a complete GGUF file, version 2 or 3.") from error
    metadata = {key: field.contents() for key, field in reader.fields.items()}
    weights = {our_key(tensor.name): torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type))) for tensor in reader.tensors}
    return metadata, weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="the file's name when absent")
    parser.add_argument("--bos-token-id", type=int, help="token before every text; when absent, the file's own if it adds one")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp32")
    args = parser.parse_args()
    metadata, weights = read_gguf(args.file)
    config = gguf_config(metadata, "output.weight" not in weights)
    begin = begin_token_of(metadata) if args.bos_token_id is None else args.bos_token_id
    weights = {key: value.to(DTYPES[args.dtype]) for key, value in weights.items()}
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder) / "tokenizer.json"
        tokenizer.write_text(json.dumps(gguf_tokenizer(metadata), ensure_ascii=False), encoding="utf-8")
        end = metadata.get("tokenizer.ggml.eos_token_id")
        write_model_folder(args.out, config, weights, tokenizer, args.name or args.file.stem, begin, end)
    print(f"{args.out}: {sum(value.numel() for value in weights.values()) / 1e6:.1f} M parameters")


if __name__ == "__main__":
    run_program(main)
