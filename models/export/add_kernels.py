"""Add Multi-Token Attention to a plain model, as a start for fine-tuning: kernels and head mixing that change nothing yet.

Usage: python3 -m export.add_kernels FOLDER --out OUT [--kernel 6x11] [--layers 2,6] [--no-post] [--no-head-mixing]

FOLDER is a model folder in our layout or a Hugging Face llama-class one. By default the paper's parts: key-query kernels of
6 queries × 11 keys before and after the softmax in every fourth layer from the third on, full head mixing in all layers.
All begin as the identity, so the model computes exactly what it did; norm and gate, which would change it, are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import torch

from export.from_huggingface import begin_token_of, read_hugging_face
from export.model_folder import ConversionError, write_model_folder
from export.quantize import read_weights
from mta.attention import identity_kernel
from mta.config import ModelConfig, MTAConfig, model_config_from_bundle
from mta.program import read_json, run_program


def read_plain(folder: Path) -> Tuple[ModelConfig, Dict[str, torch.Tensor], Optional[int], Optional[int]]:
    """Configuration, weights, begin and end token of a folder in either layout."""
    content = read_json(folder / "config.json")
    if content.get("model_type", "mta") == "mta":
        return model_config_from_bundle(folder), read_weights(folder), content.get("bos_token_id"), content.get("eos_token_id")
    config, weights = read_hugging_face(folder)
    begin = begin_token_of(read_json(folder / "tokenizer.json"))
    end = content.get("eos_token_id")
    return config, weights, begin, end[0] if isinstance(end, list) else end


def with_identity_kernels(
    config: ModelConfig, weights: Dict[str, torch.Tensor], mta: MTAConfig
) -> Tuple[ModelConfig, Dict[str, torch.Tensor]]:
    """The same model with the parts that `mta` names, each the identity, in float32. Raises ConversionError if it has some."""
    if config.mta.use_mta:
        raise ConversionError("The model has Multi-Token Attention already; fine-tune it as it is.")
    if mta.group_norm or mta.layer_norm_rescale or mta.curse_norm or mta.add_gating:
        raise ConversionError("Norm, depth scaling and gate change what a model computes; only kernels can be added.")
    config = dataclasses.replace(config, mta=mta)
    weights = dict(weights)
    n = config.n_heads
    for layer_idx in range(config.n_layers):
        attention = f"layers.{layer_idx}.attention"
        for name, size in (("mta_kernel", mta.pre_softmax_kernel(layer_idx)), ("mta_kernel_after_sm", mta.post_softmax_kernel(layer_idx))):
            if size:
                weights[f"{attention}.{name}"] = identity_kernel(n, *size)
        if mta.pre_sm_linear_head:
            weights[f"{attention}.wpsm.weight"] = torch.eye(n)
        if mta.head_kernel_size is not None:
            c = mta.head_kernel_size
            weights[f"{attention}.head_kernel"] = torch.eye(c).repeat(n // c, 1, 1)
    return config, weights


def kernel_size(text: str) -> Tuple[int, int]:
    """Queries and keys of "6x11". Raises ValueError for anything else."""
    queries, keys = text.split("x")
    return int(queries), int(keys)


def layer_list(text: str) -> List[int]:
    """Layers of "2,6". Raises ValueError for anything else."""
    return [int(layer) for layer in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="the folder's name and -mta when absent")
    parser.add_argument("--kernel", default="6x11", type=kernel_size, help="queries × keys of the key-query kernels")
    parser.add_argument("--layers", type=layer_list, help="layers with key-query kernels, as 2,6; every fourth from the third on when absent")
    parser.add_argument("--no-post", action="store_true", help="no key-query kernels after the softmax")
    parser.add_argument("--no-head-mixing", action="store_true")
    args = parser.parse_args()
    config, weights, begin, end = read_plain(args.folder)
    queries, keys = args.kernel
    layers = args.layers or list(range(min(2, config.n_layers - 1), config.n_layers, 4))
    after = (None, None) if args.no_post else (queries, keys)
    mta = MTAConfig(
        use_mta=True, query_kernel_size=queries, key_kernel_size=keys, mta_layers=tuple(layers),
        after_sm_query_kernel_size=after[0], after_sm_key_kernel_size=after[1],
        pre_sm_linear_head=not args.no_head_mixing, head_kernel_size=None if args.no_head_mixing else config.n_heads,
    )  # fmt: skip
    plain = sum(value.numel() for value in weights.values())
    config, weights = with_identity_kernels(config, weights, mta)
    name = args.name or f"{args.folder.resolve().name}-mta"
    write_model_folder(args.out, config, weights, args.folder / "tokenizer.json", name, begin, end)
    added = sum(value.numel() for value in weights.values()) - plain
    print(f"{args.out}: {added} parameters added to {plain / 1e6:.1f} M, key-query kernels in layers {', '.join(map(str, layers))}")


if __name__ == "__main__":
    run_program(main)
