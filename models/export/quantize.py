"""Write a model folder again with its matrices in 8 bits, in files of limited size.

Usage: python3 -m export.quantize FOLDER --out OUT [--shard-mb 49] [--name NAME]

A quantized matrix `NAME` is I8 [out, in], with `NAME.scales`, F16 [out, in / 32]: value = number × scale. Kernels, head mixing,
norms and biases stay F32. config.json says so under `quantization`; `export.to_safetensors.load_bundle` and the extension read it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Dict, Iterator, Mapping, Union

import torch
from torch import Tensor

from export.safetensors_file import read_safetensors, write_safetensors
from mta.program import read_json, run_program

BLOCK = 32
QUANTIZATION = {"bits": 8, "block": BLOCK}
MATRIX = re.compile(r"(tok_embeddings|output|layers\.\d+\.(attention\.w[qkvo]|feed_forward\.w[123]))\.weight")
INDEX = "model.safetensors.index.json"


def quantize(weights: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Tensors as they are stored. Raises ValueError naming one that is not finite, or too large for the scales' fp16."""
    stored = {}
    for name, weight in weights.items():
        values = weight.detach().cpu().float()
        if not torch.isfinite(values).all():
            raise ValueError(f"Cannot quantize {name}: it has values that are not finite.")
        if not MATRIX.fullmatch(name) or values.dim() != 2 or values.shape[1] % BLOCK:
            stored[name] = values
            continue
        blocks = values.view(values.shape[0], -1, BLOCK)
        scales = (blocks.abs().amax(-1) / 127).half()
        if not torch.isfinite(scales).all():
            raise ValueError(f"Cannot quantize {name}: its values are too large for scales of 16 bits.")
        divisors = torch.where(scales == 0, torch.ones_like(scales), scales).float()
        numbers = (blocks / divisors[..., None]).round().clamp(-127, 127) * (scales != 0)[..., None]
        stored[name] = numbers.to(torch.int8).view(values.shape)
        stored[f"{name}.scales"] = scales
    return stored


def dequantize(stored: Mapping[str, Tensor], where: Union[str, Path]) -> Dict[str, Tensor]:
    """Weights in float32. Raises ValueError naming a matrix whose scales do not fit."""
    weights = {}
    scales_used = set()
    for name, value in stored.items():
        if value.dtype != torch.int8:
            continue
        key = f"{name}.scales"
        expected = (value.shape[0], value.shape[1] // BLOCK) if value.dim() == 2 and value.shape[1] % BLOCK == 0 else None
        if expected is None or not MATRIX.fullmatch(name):
            raise ValueError(f"Cannot read {where}: {name} of shape {list(value.shape)} is no matrix that may be of type I8.")
        scales = stored.get(key)
        if scales is None or scales.dtype != torch.float16 or tuple(scales.shape) != expected:
            found = "missing" if scales is None else f"{scales.dtype} {list(scales.shape)}"
            raise ValueError(f"Cannot read {where}: {key} is {found}, expected float16 {list(expected)}.")
        if not torch.isfinite(scales).all():
            raise ValueError(f"Cannot read {where}: {key} has a value that is not finite.")
        weights[name] = (value.view(value.shape[0], -1, BLOCK).float() * scales.float()[..., None]).view(value.shape)
        scales_used.add(key)
    return {name: weights.get(name, value) for name, value in stored.items() if name not in scales_used}


def weight_files(folder: Path) -> Iterator[Path]:
    """The files of a folder's weights: one, or shards that its index names."""
    if (folder / "model.safetensors").is_file() or not (folder / INDEX).is_file():
        return iter([folder / "model.safetensors"])
    names = sorted(set(read_json(folder / INDEX, "weight_map")["weight_map"].values()))
    for name in names:
        if Path(name).name != name:
            raise ValueError(f"Cannot read {folder / INDEX}: it names {name}, which is not a file of the folder.")
    return iter([folder / name for name in names])


def read_weights(folder: Union[str, Path]) -> Dict[str, Tensor]:
    """All weights of a folder in our layout, those of 8 bits in float32. Raises ValueError naming the tensor that is wrong."""
    folder = Path(folder)
    stored: Dict[str, Tensor] = {}
    for path in weight_files(folder):
        stored.update(read_safetensors(path))
    quantization = read_json(folder / "config.json").get("quantization")
    if quantization is None:
        whole = next((name for name, value in stored.items() if value.dtype == torch.int8), None)
        if whole is not None:
            raise ValueError(f"Cannot read {folder}: {whole} is of type I8, and config.json has no quantization.")
        return stored
    if quantization != QUANTIZATION:
        raise ValueError(f"Cannot read {folder / 'config.json'}: quantization is {quantization}, expected {QUANTIZATION}.")
    return dequantize(stored, folder)


def write_shards(folder: Path, tensors: Mapping[str, Tensor], limit: int) -> None:
    """Write model.safetensors, or shards of at most `limit` bytes with their index. A larger tensor has a file of its own."""
    shards, size = [{}], 0
    for name, value in tensors.items():
        n_bytes = value.numel() * value.element_size() + 200
        if shards[-1] and size + n_bytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += n_bytes
    many = len(shards) > 1
    names = [f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)] if many else ["model.safetensors"]
    for name, shard in zip(names, shards):
        write_safetensors(folder / name, shard, {"format": "pt"})
    if many:
        total = sum(value.numel() * value.element_size() for value in tensors.values())
        places = {key: name for name, shard in zip(names, shards) for key in shard}
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        names.append(INDEX)
    for old in folder.glob("model*.safetensors*"):
        if old.name not in names:
            old.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard-mb", type=float, default=49, help="largest file, in MB")
    parser.add_argument("--name", help="that of the folder when absent")
    args = parser.parse_args()
    if args.out.resolve() == args.folder.resolve():
        raise ValueError(f"--out is {args.out}, the folder that is read; name another.")
    content = read_json(args.folder / "config.json")
    args.out.mkdir(parents=True, exist_ok=True)
    write_shards(args.out, quantize(read_weights(args.folder)), int(args.shard_mb * 1e6))
    content = {**content, **({"name": args.name} if args.name else {}), "quantization": QUANTIZATION}
    (args.out / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for path in sorted(args.folder.iterdir()):
        if path.name in ("tokenizer.json", "README.md", "kernel-history.safetensors") or path.suffix == ".svg":
            shutil.copyfile(path, args.out / path.name)
    files = list(weight_files(args.out))
    print(f"{args.out}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB")


if __name__ == "__main__":
    run_program(main)
