"""Convert a checkpoint of the authors' training code (lingua) to a folder that the engine opens.

Usage: python3 -m export.from_lingua FOLDER --tokenizer TOKENIZER.JSON --out OUT [--name NAME] [--bos-token-id ID] [--dtype fp16]

FOLDER holds `params.json` (the run's configuration, sizes under `model`, kernels under `model.mta`) and the consolidated
weights, `consolidated.pth` or `consolidated/consolidated.pth`, as `lingua.checkpoint` writes them. The pickled file is
read by PyTorch's restricted reader only, which runs nothing that is in it.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import torch

from export.model_folder import ConversionError, write_model_folder
from export.pickled_file import read_pickled
from mta.config import ModelConfig, MTAConfig, config_from_mapping
from mta.program import read_json, run_program

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
PLACES = ("consolidated.pth", "consolidated/consolidated.pth", "consolidated.00.pth")


def lingua_config(params: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> ModelConfig:
    """Our configuration of a lingua run; sizes that its file leaves open are read off the weights."""
    model = params.get("model", params)
    if not isinstance(model, Mapping) or "n_layers" not in model:
        raise ConversionError("params.json has no model with n_layers; is this a lingua checkpoint?")
    try:
        embedding, first = weights["tok_embeddings.weight"], weights["layers.0.feed_forward.w1.weight"]
    except KeyError as error:
        raise ConversionError(f"The weights have no {error}; is this a lingua checkpoint?") from None
    known = {f.name for f in dataclasses.fields(ModelConfig)} & {
        "dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "norm_eps", "rope_theta", "weight_tying", "max_seqlen",
    }  # fmt: skip
    mta = model.get("mta") or {}
    mta_known = {f.name for f in dataclasses.fields(MTAConfig)}
    mapping = {
        **{key: model[key] for key in known if model.get(key) is not None},
        "vocab_size": embedding.shape[0], "hidden_dim": first.shape[0],
        "mta": {key: value for key, value in mta.items() if key in mta_known},
    }  # fmt: skip
    return config_from_mapping(ModelConfig, mapping, "params.json")


def read_lingua(folder: Path) -> Tuple[ModelConfig, Dict[str, torch.Tensor]]:
    """Configuration and weights of a checkpoint folder. Raises ConversionError or PickledFileError."""
    if not (folder / "params.json").is_file():
        raise ConversionError(f"There is no {folder / 'params.json'}; name the folder of a lingua checkpoint.")
    path = next((folder / place for place in PLACES if (folder / place).is_file()), None)
    if path is None:
        raise ConversionError(
            f"{folder} holds none of {', '.join(PLACES)}; consolidate the checkpoint first (lingua.checkpoint)."
        )
    weights = read_pickled(path)
    config = lingua_config(read_json(folder / "params.json"), weights)
    if config.weight_tying:
        weights = {key: value for key, value in weights.items() if not key.startswith("output.")}
    return config, weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True, help="the model's tokenizer.json (Llama 3.1's in the paper)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="the folder's name when absent")
    parser.add_argument("--bos-token-id", type=int)
    parser.add_argument("--dtype", choices=sorted(DTYPES), help="as stored when absent")
    args = parser.parse_args()
    config, weights = read_lingua(args.folder)
    if args.dtype:
        weights = {key: value.to(DTYPES[args.dtype]) for key, value in weights.items()}
    write_model_folder(args.out, config, weights, args.tokenizer, args.name or args.folder.name, args.bos_token_id)
    print(f"{args.out}: {sum(value.numel() for value in weights.values()) / 1e6:.1f} M parameters")


if __name__ == "__main__":
    run_program(main)
