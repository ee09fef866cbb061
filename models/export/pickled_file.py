"""Reading weights from PyTorch's pickled checkpoints without running what is in them, and without unpacking bombs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Dict, Mapping, Union

import torch

# A checkpoint is stored, not compressed: what unpacks to much more than the file was not written by PyTorch.
MAX_UNPACKED_RATIO = 1.1
IGNORED_PREFIXES = ("rope_embeddings.",)


class PickledFileError(ValueError):
    """A checkpoint that is not read, with its path and the reason."""


def read_pickled(path: Union[str, Path]) -> Dict[str, torch.Tensor]:
    """Tensors by name, from the file itself or from `model` in it. Raises PickledFileError.

    Only PyTorch's restricted reader is used: a file that asks for anything but tensors and plain containers is refused.
    """
    path = Path(path)
    check_unpacked_size(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the reader raises many kinds for files that it refuses
        raise PickledFileError(f"Cannot read {path} without running code in it: {str(error)[:200]}") from error
    return tensors_of(content, path)


def tensors_of(content: Any, path: Path) -> Dict[str, torch.Tensor]:
    """The weights of a loaded checkpoint, names without wrappers' prefixes."""
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping) or not content:
        raise PickledFileError(f"{path} holds no weights by name.")
    tensors = {}
    for name, value in content.items():
        plain = str(name)
        for prefix in ("_orig_mod.", "module."):
            plain = plain[len(prefix):] if plain.startswith(prefix) else plain
        if plain.startswith(IGNORED_PREFIXES):
            continue
        if not isinstance(value, torch.Tensor):
            raise PickledFileError(f'{path}: "{name}" is {type(value).__name__}, no tensor.')
        tensors[plain] = value
    return tensors


def check_unpacked_size(path: Path) -> None:
    """Raises PickledFileError when the archive's parts are far larger than the file."""
    if not path.is_file():
        raise PickledFileError(f"There is no file {path}.")
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_UNPACKED_RATIO * path.stat().st_size + 1_000_000:
        raise PickledFileError(f"{path} would unpack from {path.stat().st_size} to {unpacked} bytes; no checkpoint does.")
