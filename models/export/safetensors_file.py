"""Reading and writing of .safetensors files, without a package.

Format: 8 bytes little-endian length of the header, the header as JSON (name -> dtype, shape, data_offsets; plus
`__metadata__`), then the tensors' bytes. https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Dict, Mapping, Optional, Union

import numpy as np
import torch

_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<i2"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "I8": np.dtype("i1"), "U8": np.dtype("u1")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items() if name != "BF16"}


def write_safetensors(path: Union[str, Path], tensors: Mapping[str, torch.Tensor], metadata: Optional[Mapping[str, str]] = None) -> None:
    """Write tensors in the mapping's order. The file appears whole or not at all."""
    header, offset, blobs = {}, 0, []
    if metadata:
        header["__metadata__"] = dict(metadata)
    for name, tensor in tensors.items():
        is_bf16 = tensor.dtype == torch.bfloat16  # NumPy has no such type
        plain = tensor.detach().cpu().contiguous()
        array = np.ascontiguousarray((plain.view(torch.int16) if is_bf16 else plain).numpy())
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES and not is_bf16:
            raise TypeError(f'Cannot write "{name}": dtype {array.dtype} is none of {", ".join(_DTYPES)}.')
        blob = array.astype(dtype, copy=False).tobytes()
        header[name] = {"dtype": "BF16" if is_bf16 else _NAMES[dtype], "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    encoded = json.dumps(header, separators=(",", ":")).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    temporary = Path(f"{path}.partial")
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for blob in blobs:
            file.write(blob)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_safetensors(path: Union[str, Path]) -> Dict[str, torch.Tensor]:
    """All tensors of a file, by name. Raises ValueError naming file and tensor when something does not fit."""
    content = Path(path).read_bytes()
    if len(content) < 8 or struct.unpack("<Q", content[:8])[0] > len(content) - 8:
        raise ValueError(f"Cannot read {path}: {len(content)} bytes hold no complete safetensors header.")
    start = 8 + struct.unpack("<Q", content[:8])[0]
    try:
        header = json.loads(content[8:start])
    except ValueError as error:
        raise ValueError(f"Cannot read {path}: its header is not JSON ({error}).") from error
    if not isinstance(header, dict):
        raise ValueError(f"Cannot read {path}: its header is not an object of tensors.")
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, (begin, end) = _DTYPES.get(entry["dtype"]), entry["data_offsets"]
            n_bytes = 0 if dtype is None else dtype.itemsize * int(np.prod(entry["shape"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'Cannot read {path}: "{name}" lacks a dtype, a shape or data_offsets.') from error
        if dtype is None:
            raise ValueError(f'Cannot read {path}: "{name}" has dtype {entry["dtype"]}; known are {", ".join(_DTYPES)}.')
        if start + end > len(content) or end - begin != n_bytes:
            raise ValueError(f'Cannot read {path}: "{name}" asks for bytes {begin} to {end} of {len(content) - start}.')
        values = np.frombuffer(content[start + begin : start + end], dtype=dtype)
        tensor = torch.from_numpy(values.copy()).reshape(entry["shape"])
        tensors[name] = tensor.view(torch.bfloat16) if entry["dtype"] == "BF16" else tensor
    return tensors
