"""Checkpoints that survive a crash: written beside, synced, then renamed; the previous one is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Optional, Union

import torch

LATEST, PREVIOUS = "latest.pt", "previous.pt"


class CheckpointError(ValueError):
    """A checkpoint that cannot be written or read, with its path and the reason."""


def save_checkpoint(folder: Union[str, Path], content: Dict[str, Any]) -> Path:
    """Write `content` as the latest checkpoint of `folder`.

    The file is complete on disk before it gets its name, so neither a crash nor a full disk harms the last good one.
    Raises CheckpointError when it cannot be written.
    """
    folder = Path(folder)
    partial, latest = folder / f"{LATEST}.partial", folder / LATEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if latest.exists():
            os.replace(latest, folder / PREVIOUS)
        os.replace(partial, latest)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"Cannot write checkpoint {latest}: {error}. The previous one is untouched.") from error
    return latest


def read_checkpoint(path: Union[str, Path]) -> Dict[str, Any]:
    """A checkpoint that `training.train` wrote, with its `config` and the weights as `model`. Raises CheckpointError.

    Such files are our own: the sampler's state in them is NumPy's, which PyTorch reads only when it is asked to trust the file.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"There is no checkpoint {path}; training.train writes latest.pt.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # torch raises many kinds for damaged files
        raise CheckpointError(f"Cannot read checkpoint {path}: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(content, dict) or "config" not in content or "model" not in content:
        raise CheckpointError(f"{path} is not a checkpoint of training.train: it has no config and model.")
    return content


def load_checkpoint(folder: Union[str, Path]) -> Optional[Dict[str, Any]]:
    """The latest readable checkpoint of `folder`, or None when there is none at all.

    Falls back to the previous one when the latest is damaged; raises CheckpointError when all are.
    """
    failures = []
    for name in (LATEST, PREVIOUS):
        path = Path(folder) / name
        if not path.exists():
            continue
        try:
            try:
                return torch.load(path, map_location="cpu", weights_only=False)
            except TypeError:  # torch < 1.13 has no weights_only
                return torch.load(path, map_location="cpu")
        except Exception as error:  # torch raises many kinds for damaged files
            failures.append(f"{path}: {error}")
    if failures:
        raise CheckpointError("Cannot read any checkpoint. " + " | ".join(failures))
    return None
