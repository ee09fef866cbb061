"""Rotary positions: tables of angles, stretched for longer contexts where a model asks for it, and the rotation itself.

The ways to stretch and their settings are those of Hugging Face's llama-class models (`rope_scaling`): linear, dynamic,
llama3 and yarn (arXiv:2309.00071).
"""

from __future__ import annotations

import math
from typing import Any, Mapping, Optional, Tuple

import torch
from torch import Tensor

ROPE_TYPES = ("linear", "dynamic", "llama3", "yarn")
ROPE_STYLES = ("interleaved", "half")


def rope_table(
    seqlen: int, head_dim: int, theta: float, device=None, scaling: Optional[Mapping[str, Any]] = None
) -> Tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each [token, head_dim / 2], float32.

    The angles are made in float32, because the published models were: a float64 table differs by 1.6e-4 at 2048.
    """
    frequencies, amplitude = rope_frequencies(seqlen, head_dim, theta, device, scaling)
    angles = torch.outer(torch.arange(seqlen, device=device).float(), frequencies)
    return torch.cos(angles) * amplitude, torch.sin(angles) * amplitude


def rope_frequencies(
    seqlen: int, head_dim: int, theta: float, device=None, scaling: Optional[Mapping[str, Any]] = None
) -> Tuple[Tensor, float]:
    """Angle per position of each pair, [head_dim / 2], and the factor on cosines and sines."""
    kind = scaling["rope_type"] if scaling else None
    if kind == "dynamic":
        original = scaling["original_max_position_embeddings"]
        stretch = scaling["factor"] * max(seqlen, original) / original - (scaling["factor"] - 1)
        theta = theta * stretch ** (head_dim / (head_dim - 2))
    frequencies = 1.0 / (theta ** (torch.arange(0, head_dim, 2, device=device)[: head_dim // 2].float() / head_dim))
    if kind == "linear":
        return frequencies / scaling["factor"], 1.0
    if kind == "llama3":
        return _by_wavelength(frequencies, scaling), 1.0
    if kind == "yarn":
        factor = scaling["factor"]
        given = scaling.get("attention_factor")
        amplitude = given if given is not None else 1.0 if factor <= 1 else 0.1 * math.log(factor) + 1.0
        share = _yarn_share(head_dim, theta, scaling).to(frequencies.device)
        return frequencies / factor * share + frequencies * (1 - share), amplitude
    return frequencies, 1.0


def _by_wavelength(frequencies: Tensor, scaling: Mapping[str, Any]) -> Tensor:
    factor, original = scaling["factor"], scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    wavelengths = 2 * math.pi / frequencies
    smooth = (original / wavelengths - low) / (high - low)
    between = (1 - smooth) * frequencies / factor + smooth * frequencies
    stretched = torch.where(wavelengths > original / low, frequencies / factor, between)
    return torch.where(wavelengths < original / high, frequencies, stretched)


def _yarn_share(head_dim: int, theta: float, scaling: Mapping[str, Any]) -> Tensor:
    """Share of interpolation of each pair: 0 where waves are short, 1 where they are longer than the first context."""

    def pair_of(rotations: float) -> float:
        original = scaling["original_max_position_embeddings"]
        return head_dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_of(scaling.get("beta_fast", 32.0)), pair_of(scaling.get("beta_slow", 1.0))
    if scaling.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001  # no division by zero
    return ((torch.arange(head_dim // 2).float() - low) / (high - low)).clamp(0, 1)


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor, style: str = "interleaved") -> Tensor:
    """Rotate each head's pairs: neighbours (2m, 2m+1), or (m, m + head_dim / 2) where `style` is "half".

    x: [batch, token, head, head_dim]; cos, sin: [token, head_dim / 2]. Returns x's shape and dtype.
    """
    cos, sin = cos[:, None, :], sin[:, None, :]
    if style == "half":
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1).to(x.dtype)
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    even, odd = pairs[..., 0], pairs[..., 1]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2).to(x.dtype)
