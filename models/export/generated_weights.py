"""Weights made from a seed, the same in every language, so that large golden cases need not store them.

Rule (mta-spec §10): per key a mulberry32 stream seeded by FNV-1a of the key XOR the seed, v uniform in [−1, 1).
"""

from __future__ import annotations

import math
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np
import torch

from mta.attention import identity_kernel

_MASK = 0xFFFFFFFF


def fnv1a_32(text: str) -> int:
    """FNV-1a hash, 32 bits, of the text's UTF-8 bytes."""
    value = 0x811C9DC5
    for byte in text.encode("utf-8"):
        value = ((value ^ byte) * 0x01000193) & _MASK
    return value


def mulberry32(seed: int, count: int) -> np.ndarray:
    """`count` numbers of the mulberry32 stream, float64 in [0, 1). Vectorised: state n is seed + n·0x6D2B79F5."""
    s = (np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x6D2B79F5)) & np.uint64(_MASK)
    mask, one, big = np.uint64(_MASK), np.uint64(1), np.uint64(61)
    t = ((s ^ (s >> np.uint64(15))) * (s | one)) & mask
    t = t ^ ((t + (((t ^ (t >> np.uint64(7))) * (t | big)) & mask)) & mask)
    return ((t ^ (t >> np.uint64(14))) & mask).astype(np.float64) / 2.0**32


def generated_tensor(key: str, shape: Sequence[int], seed: int) -> torch.Tensor:
    """One float32 weight by its state-dict key, with sizes that suit its role."""
    shape = tuple(shape)
    v = 2.0 * mulberry32(fnv1a_32(key) ^ seed, math.prod(shape)).reshape(shape) - 1.0
    if ".lambda_" in key:
        v = 0.5 * v
    elif key.endswith(("norm.weight", "subln.weight")) or (len(shape) == 1 and not key.endswith("bias")):
        v = 1.0 + 0.2 * v
    elif "mta_kernel" in key:
        v = 0.3 * v + identity_kernel(shape[0], shape[2], shape[3]).double().numpy()
    elif any(part in key for part in ("wpsm", "wposm", "head_kernel")):
        v = 0.3 * v + np.eye(shape[-1])
    elif key.endswith("bias"):
        v = 0.5 * v
    else:
        v = v * math.sqrt(3.0) / math.sqrt(shape[1])
    return torch.from_numpy(v.astype(np.float32))


def generated_state_dict(shapes: Mapping[str, Tuple[int, ...]], seed: int) -> Dict[str, torch.Tensor]:
    """All weights of a model, by key."""
    return {key: generated_tensor(key, shape, seed) for key, shape in shapes.items()}
