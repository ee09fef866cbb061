"""Write a trained model as a folder that the engine opens: config.json, tokenizer.json, model.safetensors.

Usage: python3 -m export.to_safetensors CHECKPOINT --tokenizer TOKENIZER.JSON --name NAME --out FOLDER [--metrics JSON]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Mapping, Optional, Union

import torch

from export.quantize import QUANTIZATION, quantize, read_weights, write_shards
from mta.config import ModelConfig, bundle_config, config_from_mapping, model_config_from_bundle
from mta.program import InputError, read_json, run_program
from mta.transformer import Transformer
from training.checkpoint import read_checkpoint

DTYPES = {"fp16": torch.float16, "fp32": torch.float32}
# Of 8 bits: files that are kept in a repository.
SHARD_BYTES = 49_000_000


def export_bundle(
    model: Transformer,
    folder: Union[str, Path],
    name: str,
    tokenizer_file: Union[str, Path],
    bos_token_id: Optional[int],
    eos_token_id: Optional[int] = None,
    dtype: str = "fp16",
    training: Optional[Mapping[str, Any]] = None,
    metrics: Optional[Mapping[str, Any]] = None,
) -> None:
    """Write the files, of int8 in shards. Raises ValueError when a weight is not finite in `dtype`."""
    folder = Path(folder)
    if not Path(tokenizer_file).is_file():
        raise InputError(f"There is no tokenizer {tokenizer_file}; name a tokenizer.json with --tokenizer.")
    folder.mkdir(parents=True, exist_ok=True)
    is_int8 = dtype == "int8"
    weights = {key: value.detach().cpu() for key, value in sorted(model.state_dict().items())}
    weights = quantize(weights) if is_int8 else {key: value.to(DTYPES[dtype]) for key, value in weights.items()}
    for key, value in weights.items():
        if not torch.isfinite(value.float()).all():
            raise ValueError(f'Cannot export "{name}": {key} has values that {dtype} cannot hold.')
    write_shards(folder, weights, SHARD_BYTES if is_int8 else sys.maxsize)
    content = bundle_config(
        model.config, name=name, bos_token_id=bos_token_id, eos_token_id=eos_token_id,
        training=dict(training or {}), metrics=dict(metrics or {}), **({"quantization": QUANTIZATION} if is_int8 else {}),
    )
    (folder / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if Path(tokenizer_file).resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer_file, folder / "tokenizer.json")


def load_bundle(folder: Union[str, Path]) -> Transformer:
    """The model of a folder, in float32 (whatever its files have), in evaluation mode."""
    model = Transformer(model_config_from_bundle(folder))
    set_weights(model, read_weights(folder), folder)
    return model.eval()


def set_weights(model: Transformer, weights: Mapping[str, torch.Tensor], where: Union[str, Path]) -> None:
    """Give the model its weights, as float32. Raises ValueError that names `where` when they do not fit its configuration."""
    try:
        model.load_state_dict({key: value.float() for key, value in weights.items()}, strict=True)
    except RuntimeError as error:  # PyTorch lists every weight that does not fit
        raise ValueError(f"The weights of {where} do not fit its configuration: {' '.join(str(error).split())[:400]}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bos-token-id", type=int)
    parser.add_argument("--metrics", type=Path, help="JSON object for config.json; export.model_card fills it in from training.evaluate")
    parser.add_argument("--dtype", choices=[*sorted(DTYPES), "int8"], default="fp16")
    args = parser.parse_args()

    checkpoint = read_checkpoint(args.checkpoint)
    model = Transformer(config_from_mapping(ModelConfig, checkpoint["config"]["model"], "model"))
    set_weights(model, checkpoint["model"], args.checkpoint)
    metrics = read_json(args.metrics) if args.metrics else {}
    export_bundle(model, args.out, args.name, args.tokenizer, args.bos_token_id, dtype=args.dtype,
                  training=checkpoint.get("progress", {}), metrics=metrics)


if __name__ == "__main__":
    run_program(main)
