"""The convolution and head mixing in forms that a compiler can fuse, for training on a GPU.

Equal to the plain forms of `mta/attention.py` forward and backward (tests/test_fast_attention.py). They are slower
than the plain ones unless compiled: `torch.compile` turns the shifted adds into one kernel that reads each score
from cache 66 times instead of from memory, where grouped `conv2d` with one channel a group runs badly.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, key_padding


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


def mix_heads_matmul(maps: Tensor, weight: Tensor) -> Tensor:
    """`mix_heads` as one matrix product a batch element, without moving the heads; weight [destination, source]."""
    return (weight.to(maps.dtype) @ maps.flatten(2)).view_as(maps)


class _UnrolledMix(torch.autograd.Function):
    """Head mixing as sums over single heads, which fuse with what comes before and after."""

    @staticmethod
    def forward(ctx, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return _mix_by_head(maps, weight)

    @staticmethod
    def backward(ctx, grad: Tensor):
        maps, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_weight = (grad.flatten(2) @ maps.flatten(2).transpose(1, 2)).sum(0)
        return _mix_by_head(grad, weight.t()), grad_weight.to(weight.dtype)


def _mix_by_head(maps: Tensor, weight: Tensor) -> Tensor:
    n_heads = maps.shape[1]
    mixed = [sum(weight[d, h] * maps[:, h] for h in range(n_heads)) for d in range(n_heads)]
    return torch.stack(mixed, dim=1).to(maps.dtype)


def mix_heads_unrolled(maps: Tensor, weight: Tensor) -> Tensor:
    """`mix_heads` through `_UnrolledMix`; weight [destination, source]."""
    return _UnrolledMix.apply(maps, weight)


MIXINGS = {"matmul": mix_heads_matmul, "unrolled": mix_heads_unrolled}


def use_fast_attention(model: nn.Module, mixing: str = "matmul") -> None:
    """Switch every attention layer of a model to the forms above; `mixing` is a key of `MIXINGS`."""
    for module in model.modules():
        if isinstance(module, Attention):
            module.convolve_maps = key_query_conv_shifted
            module.mix_all_heads = MIXINGS[mixing]
