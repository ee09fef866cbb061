"""Attention with head mixing on an NVIDIA GPU without a token-by-token map in memory, for layers without convolution.

Per query i, with scores S and pattern P of each head ("talking heads", arXiv:2003.02436):

    S_h = Q_h K_hᵀ / √d;   M_g = Σ_h before[g, h] S_h;   P_g = softmax of M_g over keys ≤ i;
    A_f = Σ_g after[f, g] P_g;   O_f = A_f V_f

As in FlashAttention (arXiv:2205.14135) a program holds one tile of queries × keys at a time and computes scores anew in
each pass; here it holds that tile of all heads at once, one register tensor a head, so that mixing is a sum of tensors
with scalar weights. Since every O_f needs every head's softmax sum, forward takes two passes over the keys:

- `log_sums`: L_g = log2 Σ_j 2^M_g, by running maxima and sums;
- `attend`: P_g = 2^(M_g − L_g), then A and O.

Backward, with dA_f = dO_f V_fᵀ, X_fg,i = Σ_j dA_f P_g, dP_g = Σ_f after[f, g] dA_f and D_g,i = Σ_j P_g dP_g:

- `value_gradient`, a tile of keys a program: dV_f = A_fᵀ dO_f, and this tile's share of X; D_g,i = Σ_f after[f, g] X_fg,i
  and the gradient of `after`, Σ_i X_fg,i, are sums of it;
- `query_gradient`, a tile of queries a program: dM_g = P_g (dP_g − D_g), dS_h = Σ_g before[g, h] dM_g, dQ_h = dS_h K_h;
- `key_gradient`, a tile of keys a program: dK_h = dS_hᵀ Q_h, and the gradient of `before`, Σ_ij dM_g S_h.

Tensors are [batch, token, head, head_dim] in bfloat16 or float16, sums float32; no atomic additions, so results repeat
exactly. Needs Triton; importing this module without it raises ImportError. `TRITON_INTERPRET=1` runs it on a CPU, slowly,
and in float16 only (the interpreter's products of bfloat16 are wrong).
"""

from __future__ import annotations

import math
from typing import Dict, Tuple

import torch
import triton
from torch import Tensor

from . import fused_kernels as kernels

MAX_HEADS = 8
"""All heads of a tile live in registers; more would not fit."""
HEAD_DIMS = (16, 32, 64)

Tiles = Dict[str, int]
TILES: Dict[str, Tiles] = {
    "log_sums": {"ROWS": 64, "KEYS": 32, "num_warps": 4, "num_stages": 2},
    "attend": {"ROWS": 64, "KEYS": 32, "num_warps": 8, "num_stages": 2},
    "value_gradient": {"ROWS": 64, "KEYS": 32, "num_warps": 8, "num_stages": 1},
    "query_gradient": {"ROWS": 64, "KEYS": 16, "num_warps": 8, "num_stages": 1},
    "key_gradient": {"ROWS": 64, "KEYS": 16, "num_warps": 8, "num_stages": 1},
}
"""Queries and keys of a tile, warps and pipeline stages of each kernel; `training/tune_attention.py` measures others."""


def fits(query: Tensor) -> bool:
    """True when the kernels can take queries [batch, head, token, head_dim] of this shape and type."""
    n_heads, head_dim = query.shape[1], query.shape[3]
    return n_heads <= MAX_HEADS and head_dim in HEAD_DIMS and query.dtype in (torch.bfloat16, torch.float16)


def scaled_mixing(before: Tensor, head_dim: int) -> Tensor:
    """`before` in units that make the softmax of unscaled products a power of two."""
    return before.float().contiguous() * (math.log2(math.e) * head_dim**-0.5)


def log_sums(query: Tensor, key: Tensor, scaled: Tensor) -> Tensor:
    """L, [batch, head, token] of float32."""
    sums = torch.empty(query.shape[0], query.shape[2], query.shape[1], dtype=torch.float32, device=query.device)
    grid, sizes = _by_queries("log_sums", query)
    kernels.log_sums_kernel[grid](query, key, scaled, sums, query.shape[1], **sizes)
    return sums


def attend(query: Tensor, key: Tensor, value: Tensor, scaled: Tensor, after: Tensor, sums: Tensor) -> Tensor:
    """O."""
    out = torch.empty_like(query)
    grid, sizes = _by_queries("attend", query)
    kernels.attend_kernel[grid](query, key, value, scaled, after, sums, out, query.shape[1], **sizes)
    return out


def value_gradient(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, scaled: Tensor, after: Tensor, sums: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """dV, D [batch, head, token] and the gradient of `after`."""
    n_batch, n_tokens, n_heads, _ = query.shape
    grid, sizes = _by_keys("value_gradient", query)
    grad_value, shares = torch.empty_like(value), _shares(query, grid)
    # Queries before a tile's keys get nothing from it, and are not written.
    inner = torch.zeros(n_batch, grid[0], n_tokens, 8, dtype=torch.float32, device=query.device)
    kernels.value_gradient_kernel[grid](
        query, key, value, grad, scaled, after, sums, grad_value, inner, shares, n_tokens, **sizes
    )  # fmt: skip
    return grad_value, inner.sum(1)[..., :n_heads].transpose(1, 2).contiguous(), _add_shares(shares).t().contiguous()


def query_gradient(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, scaled: Tensor, after: Tensor, sums: Tensor, inner: Tensor
) -> Tensor:
    """dQ."""
    grad_query = torch.empty_like(query)
    grid, sizes = _by_queries("query_gradient", query)
    kernels.query_gradient_kernel[grid](
        query, key, value, grad, scaled, after, sums, inner, grad_query, query.shape[1], math.log(2.0), **sizes
    )  # fmt: skip
    return grad_query


def key_gradient(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, scaled: Tensor, after: Tensor, sums: Tensor, inner: Tensor
) -> Tuple[Tensor, Tensor]:
    """dK, and the gradient of `before`."""
    grid, sizes = _by_keys("key_gradient", query)
    grad_key, shares = torch.empty_like(key), _shares(query, grid)
    kernels.key_gradient_kernel[grid](
        query, key, value, grad, scaled, after, sums, inner, grad_key, shares, query.shape[1], math.log(2.0), **sizes
    )  # fmt: skip
    return grad_key, _add_shares(shares) * query.shape[-1] ** -0.5


def _by_queries(name: str, query: Tensor) -> Tuple[Tuple[int, int], Dict[str, int]]:
    """Grid and sizes of a kernel whose programs have a tile of queries each."""
    tiles = TILES[name]
    sizes = {"N_HEADS": query.shape[2], "DIM": query.shape[3], **tiles}
    return (triton.cdiv(query.shape[1], tiles["ROWS"]), query.shape[0]), sizes


def _by_keys(name: str, query: Tensor) -> Tuple[Tuple[int, int], Dict[str, int]]:
    """Grid and sizes of a kernel whose programs have a tile of keys each."""
    tiles = TILES[name]
    groups = max(1, tiles["num_warps"] * 16 // tiles["ROWS"])  # a warp has 16 rows; the rest of the warps the next keys
    sizes = {"N_HEADS": query.shape[2], "DIM": query.shape[3], "GROUPS": groups, **tiles}
    return (triton.cdiv(query.shape[1], tiles["KEYS"]), query.shape[0]), sizes


def _shares(query: Tensor, grid: Tuple[int, int]) -> Tensor:
    """What each program adds to the gradient of a mixing: [batch, tile, head, 8 ≥ head]."""
    return torch.empty(query.shape[0], grid[0], query.shape[2], 8, dtype=torch.float32, device=query.device)


def _add_shares(shares: Tensor) -> Tensor:
    return shares.sum((0, 1))[:, : shares.shape[2]].contiguous()


@torch.library.custom_op("mta::mixed_attention", mutates_args=())
def mixed_attention(query: Tensor, key: Tensor, value: Tensor, before: Tensor, after: Tensor) -> Tuple[Tensor, Tensor]:
    """O and L, with their gradient; query, key, value [batch, token, head, head_dim], mixings [destination, source]."""
    query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    scaled, after = scaled_mixing(before, query.shape[-1]), after.float().contiguous()
    sums = log_sums(query, key, scaled)
    return attend(query, key, value, scaled, after, sums), sums


@torch.library.custom_op("mta::mixed_attention_backward", mutates_args=())
def _mixed_attention_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, before: Tensor, after: Tensor, sums: Tensor
) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    tensors = tuple(t.contiguous() for t in (query, key, value, grad))
    mixings = scaled_mixing(before, query.shape[-1]), after.float().contiguous()
    grad_value, inner, grad_after = value_gradient(*tensors, *mixings, sums)
    grad_query = query_gradient(*tensors, *mixings, sums, inner)
    grad_key, grad_before = key_gradient(*tensors, *mixings, sums, inner)
    return grad_query, grad_key, grad_value, grad_before.to(before.dtype), grad_after.to(after.dtype)


def _like(tensor: Tensor) -> Tensor:
    return tensor.new_empty(tensor.shape)


def _fake(query: Tensor, key: Tensor, value: Tensor, before: Tensor, after: Tensor) -> Tuple[Tensor, Tensor]:
    n_batch, n_tokens, n_heads, _ = query.shape
    return _like(query), query.new_empty((n_batch, n_heads, n_tokens), dtype=torch.float32)


mixed_attention.register_fake(_fake)
_mixed_attention_backward.register_fake(
    lambda grad, query, key, value, before, after, sums: tuple(_like(t) for t in (query, key, value, before, after))
)
mixed_attention.register_autograd(
    lambda ctx, grad, _: _mixed_attention_backward(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs, output[1]),
)


def attend_mixed(query: Tensor, key: Tensor, value: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Causal attention with both mixings, [batch, head, token, head_dim] each, for shapes that `fits` allows."""
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return mixed_attention(query, key, value, before, after)[0].transpose(1, 2)
