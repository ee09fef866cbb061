"""Writing a folder in our layout from a configuration and named weights, whatever they came from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import torch

from export.safetensors_file import write_safetensors
from mta.config import ModelConfig, bundle_config
from mta.transformer import Transformer


class ConversionError(ValueError):
    """Weights that do not fit their configuration, with the first that does not."""


def expected_shapes(config: ModelConfig) -> Dict[str, tuple]:
    """Name and shape of every weight of a model."""
    return {key: tuple(value.shape) for key, value in Transformer(config).state_dict().items()}


def write_model_folder(
    out: Path, config: ModelConfig, weights: Mapping[str, torch.Tensor], tokenizer_file: Path, name: str,
    bos_token_id: Optional[int], eos_token_id: Optional[int] = None, **extra: Any,
) -> None:  # fmt: skip
    """Check the weights against the configuration and write the three files. Raises ConversionError."""
    expected = expected_shapes(config)
    for key, shape in expected.items():
        if key not in weights:
            raise ConversionError(f"{key} is missing; the configuration asks for {'×'.join(map(str, shape))}.")
        if tuple(weights[key].shape) != shape:
            found = "×".join(map(str, weights[key].shape))
            raise ConversionError(f"{key} is {found}; the configuration asks for {'×'.join(map(str, shape))}.")
    unused = sorted(set(weights) - set(expected))
    if unused:
        raise ConversionError(f"The configuration has no place for {', '.join(unused[:5])}.")
    if not Path(tokenizer_file).is_file():
        raise ConversionError(f"There is no tokenizer {tokenizer_file}; name a tokenizer.json with --tokenizer.")
    out.mkdir(parents=True, exist_ok=True)
    write_safetensors(out / "model.safetensors", {key: weights[key] for key in expected}, {"format": "pt"})
    content = bundle_config(config, name=name, bos_token_id=bos_token_id, eos_token_id=eos_token_id, **extra)
    (out / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if Path(tokenizer_file).resolve() != (out / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer_file, out / "tokenizer.json")
