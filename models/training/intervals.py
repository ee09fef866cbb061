"""Intervals at 95 % for shares and for differences of paired shares; no random numbers in them."""

from __future__ import annotations

import math
from typing import Sequence, Tuple

Z95 = 1.959963984540054


def wilson_interval(successes: int, count: int) -> Tuple[float, float]:
    """The score interval of a share (Wilson 1927); (0, 1) when nothing was counted."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = successes / count, Z95 * Z95
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    # At 0 and at all of them the interval touches the share itself; rounding must not say otherwise.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == count else centre + half)


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> Tuple[float, float, float]:
    """Share of `first` minus share of `second` over the same samples, with its interval: (difference, low, high).

    Newcombe's score interval for paired proportions (Statistics in Medicine 17:2635, 1998, method 10): unlike a
    bootstrap it stays honest when the two hardly ever disagree.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"Paired samples need equal, non-zero counts; there are {len(first)} and {len(second)}.")
    pairs = list(zip(map(bool, first), map(bool, second)))
    both, only_first = pairs.count((True, True)), pairs.count((True, False))
    only_second, neither = pairs.count((False, True)), pairs.count((False, False))
    count = len(pairs)
    share1, share2 = (both + only_first) / count, (both + only_second) / count
    low1, high1 = wilson_interval(both + only_first, count)
    low2, high2 = wilson_interval(both + only_second, count)
    phi = _correlation(both, only_first, only_second, neither)
    down = (share1 - low1) ** 2 - 2 * phi * (share1 - low1) * (high2 - share2) + (high2 - share2) ** 2
    up = (high1 - share1) ** 2 - 2 * phi * (high1 - share1) * (share2 - low2) + (share2 - low2) ** 2
    difference = share1 - share2
    return difference, difference - math.sqrt(max(0.0, down)), difference + math.sqrt(max(0.0, up))


def mean_interval(values: Sequence[float]) -> Tuple[float, float, float]:
    """Mean with the normal interval of its standard error: (mean, low, high)."""
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / max(1, count - 1)
    half = Z95 * math.sqrt(variance / count)
    return mean, mean - half, mean + half


def _correlation(a: int, b: int, c: int, d: int) -> float:
    """Newcombe's phi of the 2 × 2 table, corrected for continuity when positive; 0 when a margin is empty."""
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    cross = a * d - b * c
    if cross > 0:
        cross = max(0.0, cross - (a + b + c + d) / 2)
    return cross / math.sqrt(margins)
