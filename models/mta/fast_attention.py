"""Faster forms of attention for training, equal to the plain ones of `mta/attention.py` forward and backward.

- `triton`: the operations of `mta/triton_attention.py`, for NVIDIA GPUs.
- `shifted`: the convolution as a sum of shifted copies, which `torch.compile` fuses into one kernel that reads each
  score from cache 66 times; grouped `conv2d` with one channel a group runs badly. For any device.

Layers that do nothing to the map use PyTorch's own fused attention where it has one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, key_padding

FORMS = ("triton", "shifted")


def key_query_conv_shifted(scores: Tensor, kernel: Tensor, pad_key: str = "both") -> Tensor:
    """`key_query_conv` as a sum of shifted copies, accumulated in float32 (or wider).

    scores: [batch, head, query, key], masked cells already 0. kernel: [head, 1, query_kernel_size, key_kernel_size].
    Returns the shape and dtype of `scores`.
    """
    query_size, key_size = kernel.shape[-2:]
    before, after = key_padding(key_size, pad_key)
    n_queries, n_keys = scores.shape[-2:]
    padded = F.pad(scores, (before, after, query_size - 1, 0))
    taps = kernel[None, :, 0, :, :, None, None]
    total = None
    for row in range(query_size):
        for column in range(key_size):
            shifted = padded[:, :, row : row + n_queries, column : column + n_keys]
            term = taps[:, :, row, column] * shifted
            total = term if total is None else total + term
    return total.to(scores.dtype)


def attend_plainly(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention without any part of MTA, [batch, head, token, head_dim] each."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def fits_triton(attention: Attention) -> bool:
    """Whether the operations of `mta/triton_attention.py` can compute this layer; the sizes are those of their products."""
    if attention.n_heads > 32 or attention.head_dim % 16:
        return False
    pre, post = attention.mta_kernel, attention.mta_kernel_after_sm
    if post is not None:
        before, after = key_padding(post.shape[-1], attention.pad_key)
        if max(before, after) > 16:
            return False
    is_power_of_two = attention.head_dim & (attention.head_dim - 1) == 0
    return pre is None or (is_power_of_two and max(pre.shape[-2:]) <= 16)


def use_fast_attention(model: nn.Module, form: str) -> None:
    """Switch every attention layer of a model to `form`, one of `FORMS`. Causal masks only, no packed documents.

    A layer that does not fit the form `triton` gets the form `shifted`.
    """
    if form not in FORMS:
        raise ValueError(f'There is no form "{form}" of attention; use one of {", ".join(FORMS)}.')
    for module in model.modules():
        if not isinstance(module, Attention) or module.sliding_window is not None:
            continue  # the faster forms look back to the start
        if module.is_plain and hasattr(F, "scaled_dot_product_attention"):
            module.attend = attend_plainly
        elif form == "triton" and fits_triton(module):
            from . import triton_attention  # needs Triton, which not every machine has

            module.attend = triton_attention.attend
        else:
            module.convolve_maps = key_query_conv_shifted
