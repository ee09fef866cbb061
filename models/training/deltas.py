"""What training changed in a model, as a few small files: the next run goes on from them and the model it began with.

Usage: python3 -m training.deltas pack START CHECKPOINT --out FOLDER [--step 1.0]
       python3 -m training.deltas unpack START FOLDER --out MODEL_FOLDER

START is the model folder that training began with. Changes of a matrix are rounded to multiples of `step` times the root
mean square of their row, and the whole numbers Huffman-coded; everything else (kernels, head mixing, norms) is kept in
float32. Of changes that are spread normally, a step of 1.0 takes about 2.1 bits each and loses 29 % of their size, 0.5 about
3.1 bits and 14 %. Optimizer state is left out.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Dict, Iterator, Mapping, Tuple

import numpy as np
import torch
from torch import Tensor

from export.model_folder import write_model_folder
from export.safetensors_file import read_safetensors, write_safetensors
from export.to_safetensors import load_bundle
from mta.config import ModelConfig, config_from_mapping, model_config_from_bundle
from mta.program import read_json, run_program
from training.checkpoint import read_checkpoint
from training.optimizer import KERNEL_NAMES

MAX_FILE_BYTES = 15_500_000


class DeltaError(ValueError):
    """Changes that do not belong to a model, with the first weight that shows it."""


def quantized(change: Tensor, step: float) -> Tuple[Tensor, Tensor]:
    """Whole numbers, int8, and the scale of each row, float32; their product is the change as it will be read."""
    scale = (change.square().mean(1, keepdim=True).sqrt() * step).clamp_min(1e-12)
    return (change / scale).round().clamp(-127, 127).to(torch.int8), scale


def pack(start: Mapping[str, Tensor], trained: Mapping[str, Tensor], step: float) -> Tuple[Dict[str, Tensor], float]:
    """Tensors to store, and the error: the root mean square of what is lost, as a share of that of the changes."""
    stored, lost, total = {}, 0.0, 0.0
    for name, value in trained.items():
        before = start.get(name)
        if before is not None and before.shape != value.shape:
            raise DeltaError(f"{name} is {tuple(value.shape)}; in the model that training began with it is {tuple(before.shape)}.")
        if before is not None and torch.equal(before.float(), value.float()):
            continue
        if before is None or value.ndim != 2 or KERNEL_NAMES.search(name):
            stored[name] = value.float()
            continue
        change = value.float() - before.float()
        numbers, scale = quantized(change, step)
        lost += float((numbers * scale - change).square().sum())
        total += float(change.square().sum())
        coder = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
        coded = coder.compress(numbers.numpy().tobytes()) + coder.flush()
        stored[f"{name}.change"] = torch.from_numpy(np.frombuffer(coded, dtype=np.uint8).copy())
        stored[f"{name}.scale"] = scale
    return stored, (lost / total) ** 0.5 if total else 0.0


def unpack(start: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """The trained weights, in float32. Raises DeltaError when they were not made from this start."""
    weights = {name: value.float() for name, value in start.items()}
    for name, value in stored.items():
        if name.endswith(".scale"):
            continue
        if not name.endswith(".change"):
            weights[name] = value
            continue
        name = name[: -len(".change")]
        if name not in weights:
            raise DeltaError(f"There is a change of {name}, which the model that training began with does not have.")
        numbers = np.frombuffer(zlib.decompress(value.numpy().tobytes()), dtype=np.int8)
        if numbers.size != weights[name].numel():
            raise DeltaError(f"The change of {name} has {numbers.size} numbers; its weight has {weights[name].numel()}.")
        weights[name] = weights[name] + torch.from_numpy(numbers.copy()).reshape(weights[name].shape) * stored[f"{name}.scale"]
    return weights


def files_of(stored: Mapping[str, Tensor], limit: int = MAX_FILE_BYTES) -> Iterator[Dict[str, Tensor]]:
    """Cut into parts of at most `limit` bytes, where one tensor is not larger by itself."""
    part: Dict[str, Tensor] = {}
    size = 0
    for name, value in stored.items():
        n_bytes = value.numel() * value.element_size() + 200
        if part and size + n_bytes > limit:
            yield part
            part, size = {}, 0
        part[name] = value
        size += n_bytes
    yield part


def read_parts(folder: Path) -> Tuple[dict, Dict[str, Tensor]]:
    """Description and tensors of a folder that `pack` wrote. Raises DeltaError when a part is missing."""
    description = read_json(folder / "delta.json", "step", "model", "files")
    stored: Dict[str, Tensor] = {}
    for name in description["files"]:
        if not (folder / name).is_file():
            raise DeltaError(f"{folder / name} is missing; delta.json names {', '.join(description['files'])}.")
        stored.update(read_safetensors(folder / name))
    return description, stored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["pack", "unpack"])
    parser.add_argument("start", type=Path)
    parser.add_argument("trained", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--step", type=float, default=1.0)
    args = parser.parse_args()
    if args.action == "pack":
        checkpoint = read_checkpoint(args.trained)
        stored, error = pack(load_bundle(args.start).state_dict(), checkpoint["model"], args.step)
        args.out.mkdir(parents=True, exist_ok=True)
        parts = list(files_of(stored))
        names = [f"delta-{i:02d}.safetensors" for i in range(len(parts))]
        for name, part in zip(names, parts):
            write_safetensors(args.out / name, part)
        description = {"step": args.step, "relative_error": round(error, 4), "files": names, "progress": checkpoint["progress"],
                       "model": checkpoint["config"]["model"], "trains": checkpoint["config"]["trains"], "optimizer": checkpoint["config"]["optimizer"]}
        (args.out / "delta.json").write_text(json.dumps(description, indent=1) + "\n")
        size = sum((args.out / name).stat().st_size for name in names)
        print(f"{args.out}: {len(names)} files, {size / 1e6:.1f} MB; {error:.1%} of the changes' size is lost")
        return
    description, stored = read_parts(args.trained)
    config = config_from_mapping(ModelConfig, description["model"], "model")
    start = model_config_from_bundle(args.start)
    if (start.dim, start.n_layers, start.vocab_size) != (config.dim, config.n_layers, config.vocab_size):
        raise DeltaError(f"{args.start} has other sizes than the model in {args.trained}; name the folder that training began with.")
    content = read_json(args.start / "config.json")
    weights = unpack(load_bundle(args.start).state_dict(), stored)
    write_model_folder(args.out, config, weights, args.start / "tokenizer.json", args.out.name, content.get("bos_token_id"), content.get("eos_token_id"))


if __name__ == "__main__":
    run_program(main)
