"""Multi-Token Attention on an NVIDIA GPU as operations with gradients, for training.

From queries and keys to what attention writes: `mixed_pattern`, then `convolve` and `mix` where there is a convolution
after the softmax, then `weighted_values`.
Scores are float16, which rounds them eight times finer than bfloat16; patterns and gradients bfloat16, sums float32.
Needs Triton and torch >= 2.4; importing this module without them raises ImportError or AttributeError.
"""

from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor

from .attention import Attention, key_padding
from .triton_maps import (
    convolve_backward, convolve_forward, mix_backward, mix_forward, mixed_softmax_backward, mixed_softmax_forward,
    wide_scores_backward, wide_scores_forward,
)  # fmt: skip
from .triton_products import across, dense_rows, down, like_vectors, new_maps, overhang, scores


@torch.library.custom_op("mta::mixed_pattern", mutates_args=())
def mixed_pattern(
    query: Tensor, key: Tensor, kernel: Optional[Tensor], band: Optional[Tensor], columns: int, before: Tensor, after: Optional[Tensor]
) -> Tuple[Tensor, Tensor, Tensor]:
    """after · softmax(before · scores) with its gradient, where scores are query · key, convolved with `kernel` if there is one.

    query, key: [batch, head, token, head_dim]. kernel: [head, query_kernel_size, key_kernel_size], `columns` of padding on
    its left, with `band` from `overhang`. before, after: head mixings [destination, source]. Also returns what the gradient
    needs: scores and log sums. One operation, because the gradient of float16 scores must not be float16.
    """
    query, key = dense_rows(query), dense_rows(key)
    maps = scores(query, key, torch.float16) if kernel is None else wide_scores_forward(query, key, kernel, band, columns)
    pattern, log_sums = mixed_softmax_forward(maps, before, after)
    return pattern, maps, log_sums


@torch.library.custom_op("mta::mixed_pattern_backward", mutates_args=())
def _mixed_pattern_backward(
    grad: Tensor, query: Tensor, key: Tensor, kernel: Optional[Tensor], n_band: int, columns: int, before: Tensor,
    after: Optional[Tensor], maps: Tensor, log_sums: Tensor,
) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    query, key = dense_rows(query), dense_rows(key)
    grad_maps, grad_before, grad_after = mixed_softmax_backward(grad, maps, before, after, log_sums)
    if kernel is None:
        grad_query, grad_key = down(grad_maps, key, like_vectors(query)), across(grad_maps, query, like_vectors(key))
        grad_kernel, grad_band = (before.new_empty(0) for _ in range(2))
    else:
        grad_query, grad_key, grad_kernel, grad_band = wide_scores_backward(grad_maps, query, key, kernel, n_band, columns)
    return grad_query, grad_key, grad_kernel, grad_band, grad_before, grad_after


@torch.library.custom_op("mta::weighted_values", mutates_args=())
def weighted_values(maps: Tensor, value: Tensor) -> Tensor:
    """maps · value over the keys that each query sees."""
    return down(maps, dense_rows(value), like_vectors(value))


@torch.library.custom_op("mta::weighted_values_backward", mutates_args=())
def _weighted_values_backward(grad: Tensor, maps: Tensor, value: Tensor) -> Tuple[Tensor, Tensor]:
    grad = dense_rows(grad)
    return scores(grad, dense_rows(value), maps.dtype), across(maps, grad, like_vectors(value))


@torch.library.custom_op("mta::convolve", mutates_args=())
def convolve(maps: Tensor, kernel: Tensor, before: int) -> Tensor:
    """`convolve_forward` with its gradient."""
    return convolve_forward(maps, kernel, before)


@torch.library.custom_op("mta::convolve_backward", mutates_args=())
def _convolve_backward(grad: Tensor, maps: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    return convolve_backward(grad, maps, kernel, before)


@torch.library.custom_op("mta::mix", mutates_args=())
def mix(maps: Tensor, weight: Tensor) -> Tensor:
    """`mix_forward` with its gradient."""
    return mix_forward(maps, weight)


@torch.library.custom_op("mta::mix_backward", mutates_args=())
def _mix_backward(grad: Tensor, maps: Tensor, weight: Tensor) -> Tuple[Tensor, Tensor]:
    return mix_backward(grad, maps, weight)


def _save(ctx, tensors: Tuple[Optional[Tensor], ...], **values) -> None:
    ctx.save_for_backward(*tensors)
    for name, value in values.items():
        setattr(ctx, name, value)


def _keep_for_pattern(ctx, inputs: tuple, output: Tuple[Tensor, Tensor, Tensor]) -> None:
    query, key, kernel, band, ctx.columns, before, after = inputs
    ctx.n_band = 0 if band is None else band.shape[-1]
    ctx.save_for_backward(query, key, kernel, before, after, *output[1:])
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)


def _pattern_gradient(ctx, grad: Tensor, *_) -> tuple:
    query, key, kernel, before, after, maps, log_sums = ctx.saved_tensors
    grads = _mixed_pattern_backward(grad, query, key, kernel, ctx.n_band, ctx.columns, before, after, maps, log_sums)
    grad_query, grad_key, grad_kernel, grad_band, grad_before, grad_after = grads
    if kernel is None:
        grad_kernel = grad_band = None
    return grad_query, grad_key, grad_kernel, grad_band, None, grad_before, None if after is None else grad_after


mixed_pattern.register_fake(
    lambda query, key, kernel, band, columns, before, after: (
        new_maps(query, torch.bfloat16), new_maps(query, torch.float16), query.new_empty(query.shape[:3], dtype=torch.float32))
)  # fmt: skip
_mixed_pattern_backward.register_fake(
    lambda grad, query, key, kernel, n_band, columns, before, after, maps, log_sums: (
        like_vectors(query), like_vectors(key), *(
            (before.new_empty(0), before.new_empty(0)) if kernel is None
            else (kernel.new_empty(kernel.shape), query.new_empty(*query.shape[:3], n_band, dtype=torch.float32))
        ), before.new_empty(before.shape), before.new_empty(before.shape, dtype=torch.float32))
)  # fmt: skip
mixed_pattern.register_autograd(_pattern_gradient, setup_context=_keep_for_pattern)
weighted_values.register_fake(lambda maps, value: like_vectors(value))
_weighted_values_backward.register_fake(lambda grad, maps, value: (torch.empty_like(maps), like_vectors(value)))
weighted_values.register_autograd(
    lambda ctx, grad: _weighted_values_backward(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs),
)
mix.register_fake(lambda maps, weight: torch.empty_like(maps))
_mix_backward.register_fake(lambda grad, maps, weight: (torch.empty_like(maps), weight.new_empty(weight.shape)))
mix.register_autograd(
    lambda ctx, grad: _mix_backward(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs),
)
convolve.register_fake(lambda maps, kernel, before: torch.empty_like(maps))
_convolve_backward.register_fake(lambda grad, maps, kernel, before: (torch.empty_like(maps), torch.empty_like(kernel)))
convolve.register_autograd(
    lambda ctx, grad: (*_convolve_backward(grad, *ctx.saved_tensors, ctx.before), None),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs[:2], before=inputs[2]),
)


def attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal Multi-Token Attention with `attention`'s kernels, [batch, head, token, head_dim] each."""
    before, after = attention.head_mixings()
    pre, post = attention.mta_kernel, attention.mta_kernel_after_sm
    query, key, value = (vectors.to(torch.bfloat16) for vectors in (query * attention.head_dim**-0.5, key, value))
    kernel = band = None
    columns = 0
    if pre is not None:
        kernel, columns = pre[:, 0], key_padding(pre.shape[-1], attention.pad_key)[0]
        with torch.autocast(query.device.type, enabled=False):
            band = overhang(query, key, kernel, columns)
    maps = mixed_pattern(query, key, kernel, band, columns, before, after if post is None else None)[0]
    if post is not None:
        maps = mix(convolve(maps, post, key_padding(post.shape[-1], attention.pad_key)[0]), after)
    return weighted_values(maps, value)
