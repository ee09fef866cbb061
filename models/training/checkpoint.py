"""Checkpoints that are whole or not there: written beside the last one, then renamed over it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional, Union

import torch


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read, with its path and the reason."""


def save_checkpoint(path: Union[str, Path], content: dict) -> None:
    """Raises `CheckpointError` when it cannot be written (a full disk); the last good one stays as it was."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, partial)
        os.replace(partial, path)
    except Exception as error:  # a full disk, or content that cannot be stored
        partial.unlink(missing_ok=True)
        raise CheckpointError(f"Cannot write checkpoint {path}: {error}. The one before it is untouched.") from error


def load_checkpoint(path: Union[str, Path], device: Any = "cpu") -> Optional[dict]:
    """None when there is no checkpoint. Raises `CheckpointError` when it is damaged."""
    path = Path(path)
    if not path.exists():
        return None
    kwargs = {"weights_only": False} if torch.__version__ >= "2" else {}
    try:
        return torch.load(path, map_location=device, **kwargs)
    except Exception as error:  # torch raises many kinds for damaged files
        raise CheckpointError(f"Cannot read checkpoint {path}: {error}. Delete it to start anew.") from error
