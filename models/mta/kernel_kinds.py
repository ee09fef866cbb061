"""Names of kernels by what they do, after the table "Kinds of kernels" in docs/guide/kernels.md."""

from __future__ import annotations

import numpy as np

def kernel_name(kernel: np.ndarray) -> str:
    """Name of a key-query kernel [query, key]; its last row is the current query."""
    rows, columns = kernel.shape
    own = columns // 2
    energy = kernel**2
    if np.isnan(kernel).any():
        return "not a number"
    if energy.sum() == 0:
        return "zero"
    taps = lambda e: e.sum() ** 2 / (e**2).sum() if e.sum() > 0 else 0  # noqa: E731
    rest = np.ones(kernel.shape, dtype=bool)
    rest[-1, own] = False
    share_of_rest = lambda part: (energy * part * rest).sum() / energy[rest].sum()  # noqa: E731
    if energy[-1, own] / energy.sum() >= 0.9 and kernel[-1, own] > 0:
        return "near-identity"
    edge = -2 * (kernel[:, :-1] * kernel[:, 1:]).sum() / energy.sum()
    if edge >= 0.4 and taps(energy) <= 8:
        return "edge"
    back, key = np.meshgrid(np.arange(rows)[::-1], np.arange(columns) - own, indexing="ij")
    lines = [key + back == offset for offset in (-1, 0, 1)]
    line = max(lines, key=share_of_rest)
    if share_of_rest(line) >= 0.5 and taps((energy * rest)[line]) >= 1.5:
        return "diagonal"
    if share_of_rest(key == 0) >= 0.5:
        return "priming"
    if energy[rest].max() / energy.sum() >= 0.5:
        return "shift"
    if abs(kernel[rest].sum()) / np.abs(kernel[rest]).sum() >= 0.8 and taps(energy[rest]) >= 6:
        return "spread"
    return "mixed"


def mixing_name(row: np.ndarray, head: int) -> str:
    """Name of one row of a mixing matrix: what this head's map is made of."""
    energy = row**2
    others = np.arange(len(row)) != head
    if np.isnan(row).any():
        return "not a number"
    if energy.sum() == 0:
        return "zero"
    if energy[head] / energy.sum() >= 0.9 and row[head] > 0:
        return "near-identity"
    subtracted = energy[others & (row < 0)].sum()
    if (energy[others].sum() > 0 and subtracted >= 0.5 * energy[others].sum()) or row[head] < 0:
        return "contrast"
    return "blend"
