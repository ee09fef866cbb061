"""Attention maps on an NVIDIA GPU at a few reads and writes a cell, for training.

Two operations, each with its gradient:
- `convolve`: the key-query convolution as products with banded matrices, which tensor cores do: sixteen neighbouring
  outputs need 16 + key_kernel_size − 1 neighbouring inputs of each of the query_kernel_size rows, so a 64 × 32 tile of
  scores times a 32 × 16 matrix that holds a kernel row on its diagonals gives a 64 × 16 tile of the result.
- `mixed_softmax`: head mixing, masked softmax and head mixing again, row by row, nothing kept but the rows' log sums.

Cells above the diagonal are never read as anything but 0 and come out as 0. Maps are bfloat16, sums float32.
Needs Triton; importing this module without it raises ImportError. `TRITON_INTERPRET=1` runs it on a CPU, slowly.
"""

from __future__ import annotations

from typing import Tuple

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from .attention import Attention, key_padding, mix_heads

WINDOW, OUTPUTS = 32, 16
"""Columns read and written by one product; a kernel may be at most WINDOW − OUTPUTS + 1 = 17 keys wide."""
HEADS = 16
"""Rows of the head axis in a product: the least that tensor cores take, so at most 16 heads."""


@triton.jit
def _convolve(maps, bands, out, n_tokens, n_heads, first_row, first_column,
              N_ROWS: tl.constexpr, ROWS: tl.constexpr, STRIP: tl.constexpr, WINDOW: tl.constexpr, OUTPUTS: tl.constexpr):  # fmt: skip
    """out[i, j + v] = Σ_a Σ_u maps[i + first_row + a, j + first_column + u] · bands[a, u, v], below the diagonal."""
    plane = tl.program_id(2).to(tl.int64)
    maps += plane * n_tokens * n_tokens
    out += plane * n_tokens * n_tokens
    bands += (plane % n_heads) * N_ROWS * WINDOW * OUTPUTS
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    for start in range(tl.program_id(0) * STRIP, min(tl.program_id(0) * STRIP + STRIP, n_tokens), OUTPUTS):
        total = tl.zeros((ROWS, OUTPUTS), dtype=tl.float32)
        if start <= tl.program_id(1) * ROWS + ROWS - 1:
            column = start + first_column + u
            for a in tl.static_range(N_ROWS):
                source = row + first_row + a
                allowed = (source[:, None] >= column[None, :]) & (column[None, :] >= 0) & (source[:, None] < n_tokens)
                tile = tl.load(maps + source[:, None] * n_tokens + column[None, :], mask=allowed, other=0.0)
                band = tl.load(bands + a * WINDOW * OUTPUTS + u[:, None] * OUTPUTS + v[None, :])
                total += tl.dot(tile, band)
        to = start + v
        written = tl.where(to[None, :] <= row[:, None], total, 0.0)
        tl.store(out + row[:, None] * n_tokens + to[None, :], written.to(out.dtype.element_ty),
                 mask=(row[:, None] < n_tokens) & (to[None, :] < n_tokens))  # fmt: skip


@triton.jit
def _convolve_kernel_gradient(maps, grad, bands, n_tokens, first_row, first_column,
                              N_ROWS: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
                              WINDOW: tl.constexpr, OUTPUTS: tl.constexpr):  # fmt: skip
    """bands[a, v, u] = Σ_i Σ_j grad[i, j + v] · maps[i + first_row + a, j + first_column + u], over CHUNK rows i."""
    a, plane, chunk = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2)
    maps += plane * n_tokens * n_tokens
    grad += plane * n_tokens * n_tokens
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    total = tl.zeros((OUTPUTS, WINDOW), dtype=tl.float32)
    for first in range(chunk * CHUNK, min(chunk * CHUNK + CHUNK, n_tokens), ROWS):
        row = first + tl.arange(0, ROWS)
        source = row + first_row + a
        for start in range(0, min(first + ROWS, n_tokens), OUTPUTS):
            to, column = start + v, start + first_column + u
            g = tl.load(grad + row[None, :] * n_tokens + to[:, None],
                        mask=(to[:, None] <= row[None, :]) & (row[None, :] < n_tokens), other=0.0)  # fmt: skip
            s = tl.load(maps + source[:, None] * n_tokens + column[None, :],
                        mask=(source[:, None] >= column[None, :]) & (column[None, :] >= 0) & (source[:, None] < n_tokens),
                        other=0.0)  # fmt: skip
            total += tl.dot(g, s)
    at = ((chunk * tl.num_programs(1) + plane) * N_ROWS + a) * OUTPUTS * WINDOW
    tl.store(bands + at + v[:, None] * WINDOW + u[None, :], total)


@triton.jit
def _mixed_softmax(maps, before, after, out, log_sums, n_tokens, n_heads, HEADS: tl.constexpr, KEYS: tl.constexpr):
    """One query row: out = after · softmax(before · maps); log_sums gets the log of each head's softmax sum."""
    row, batch = tl.program_id(0), tl.program_id(1).to(tl.int64)
    head, key = tl.arange(0, HEADS), tl.arange(0, KEYS)
    weight_at = head[:, None] * HEADS + head[None, :]
    w_before, w_after = tl.load(before + weight_at), tl.load(after + weight_at)
    base = (batch * n_heads + head[:, None]).to(tl.int64) * n_tokens * n_tokens + row.to(tl.int64) * n_tokens
    top = tl.full((HEADS,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((HEADS,), dtype=tl.float32)
    for start in range(0, row + 1, KEYS):
        at = start + key[None, :]
        tile = tl.load(maps + base + at, mask=(head[:, None] < n_heads) & (at <= row), other=0.0)
        mixed = tl.where(at <= row, tl.dot(w_before, tile), float("-inf"))
        new_top = tl.maximum(top, tl.max(mixed, 1))
        mass = mass * tl.exp(top - new_top) + tl.sum(tl.exp(mixed - new_top[:, None]), 1)
        top = new_top
    log_sum = top + tl.log(mass)
    tl.store(log_sums + (batch * n_heads + head) * n_tokens + row, log_sum, mask=head < n_heads)
    for start in range(0, n_tokens, KEYS):
        at = start + key[None, :]
        result = tl.zeros((HEADS, KEYS), dtype=tl.float32)
        if start <= row:
            tile = tl.load(maps + base + at, mask=(head[:, None] < n_heads) & (at <= row), other=0.0)
            mixed = tl.where(at <= row, tl.dot(w_before, tile), float("-inf"))
            pattern = tl.exp(mixed - log_sum[:, None])
            result = tl.dot(w_after, pattern.to(out.dtype.element_ty))
        tl.store(out + base + at, result.to(out.dtype.element_ty), mask=(head[:, None] < n_heads) & (at < n_tokens))


@triton.jit
def _mixed_softmax_gradient(maps, before, before_t, after_t, log_sums, grad, out, weights, n_tokens, n_heads,
                            ROWS: tl.constexpr, HEADS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """ROWS query rows: out = gradient of maps; weights[0 and 1] = this program's share of those of before and after."""
    batch = tl.program_id(1).to(tl.int64)
    head, key = tl.arange(0, HEADS), tl.arange(0, KEYS)
    weight_at = head[:, None] * HEADS + head[None, :]
    w_before, w_before_t, w_after_t = tl.load(before + weight_at), tl.load(before_t + weight_at), tl.load(after_t + weight_at)
    grad_before = tl.zeros((HEADS, HEADS), dtype=tl.float32)
    grad_after = tl.zeros((HEADS, HEADS), dtype=tl.float32)
    for row in range(tl.program_id(0) * ROWS, min(tl.program_id(0) * ROWS + ROWS, n_tokens)):
        base = (batch * n_heads + head[:, None]).to(tl.int64) * n_tokens * n_tokens + row * n_tokens
        log_sum = tl.load(log_sums + (batch * n_heads + head) * n_tokens + row, mask=head < n_heads, other=0.0)
        inner = tl.zeros((HEADS,), dtype=tl.float32)
        for start in range(0, row + 1, KEYS):
            at = start + key[None, :]
            allowed = (head[:, None] < n_heads) & (at <= row)
            mixed = tl.dot(w_before, tl.load(maps + base + at, mask=allowed, other=0.0))
            pattern = tl.where(allowed, tl.exp(mixed - log_sum[:, None]), 0.0)
            inner += tl.sum(pattern * tl.dot(w_after_t, tl.load(grad + base + at, mask=allowed, other=0.0)), 1)
        for start in range(0, n_tokens, KEYS):
            at = start + key[None, :]
            result = tl.zeros((HEADS, KEYS), dtype=tl.float32)
            if start <= row:
                allowed = (head[:, None] < n_heads) & (at <= row)
                tile = tl.load(maps + base + at, mask=allowed, other=0.0)
                upper = tl.load(grad + base + at, mask=allowed, other=0.0)
                pattern = tl.where(allowed, tl.exp(tl.dot(w_before, tile) - log_sum[:, None]), 0.0)
                slope = (pattern * (tl.dot(w_after_t, upper) - inner[:, None])).to(out.dtype.element_ty)
                grad_before += tl.dot(slope, tl.trans(tile))
                grad_after += tl.dot(upper, tl.trans(pattern.to(out.dtype.element_ty)))
                result = tl.dot(w_before_t, slope)
            tl.store(out + base + at, result.to(out.dtype.element_ty), mask=(head[:, None] < n_heads) & (at < n_tokens))
    weights += (batch * tl.num_programs(0) + tl.program_id(0)) * 2 * HEADS * HEADS
    tl.store(weights + weight_at, grad_before)
    tl.store(weights + HEADS * HEADS + weight_at, grad_after)


def _bands(kernel: Tensor, dtype: torch.dtype) -> Tensor:
    """[head, query row, WINDOW, OUTPUTS]: each kernel row on the diagonals of a matrix."""
    n_columns = kernel.shape[-1]
    offset = torch.arange(WINDOW, device=kernel.device)[:, None] - torch.arange(OUTPUTS, device=kernel.device)
    offset = torch.where((offset >= 0) & (offset < n_columns), offset, n_columns)
    return F.pad(kernel[:, 0].to(dtype), (0, 1))[:, :, offset].contiguous()


def _launch_convolve(maps: Tensor, bands: Tensor, first_row: int, first_column: int) -> Tensor:
    n_batch, n_heads, n_tokens, _ = maps.shape
    out = _like(maps)
    rows, strip = 64, 128
    grid = (triton.cdiv(n_tokens, strip), triton.cdiv(n_tokens, rows), n_batch * n_heads)
    _convolve[grid](maps, bands, out, n_tokens, n_heads, first_row, first_column,
                    N_ROWS=bands.shape[1], ROWS=rows, STRIP=strip, WINDOW=WINDOW, OUTPUTS=OUTPUTS)  # fmt: skip
    return out


def convolve_forward(maps: Tensor, kernel: Tensor, before: int) -> Tensor:
    """`key_query_conv` of the cells on and below the diagonal; `before` columns of padding. Zero above it."""
    if kernel.shape[-1] > WINDOW - OUTPUTS + 1:
        raise ValueError(f"The kernel is {kernel.shape[-1]} keys wide; at most {WINDOW - OUTPUTS + 1} can be convolved.")
    return _launch_convolve(maps.contiguous(), _bands(kernel, maps.dtype), 1 - kernel.shape[-2], -before)


def convolve_backward(grad: Tensor, maps: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    """Gradients of maps and kernel."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    n_rows, n_columns = kernel.shape[-2:]
    maps, grad = maps.contiguous(), grad.contiguous()
    grad_maps = _launch_convolve(grad, _bands(kernel.flip(-1, -2), maps.dtype), 0, before - n_columns + 1)
    chunk = 256
    n_chunks = triton.cdiv(n_tokens, chunk)
    bands = torch.empty(n_chunks * n_batch, n_heads, n_rows, OUTPUTS, WINDOW, dtype=torch.float32, device=maps.device)
    _convolve_kernel_gradient[(n_rows, n_batch * n_heads, n_chunks)](
        maps, grad, bands, n_tokens, 1 - n_rows, -before, N_ROWS=n_rows, CHUNK=chunk, ROWS=64, WINDOW=WINDOW, OUTPUTS=OUTPUTS
    )
    v, b = torch.arange(OUTPUTS, device=maps.device)[:, None], torch.arange(n_columns, device=maps.device)
    grad_kernel = bands.sum(0)[:, :, v, v + b].sum(-2)
    return grad_maps, grad_kernel[:, None].to(kernel.dtype)


def _padded(weight: Tensor, dtype: torch.dtype) -> Tensor:
    n_heads = weight.shape[0]
    if n_heads > HEADS:
        raise ValueError(f"There are {n_heads} heads; at most {HEADS} can be mixed.")
    padded = torch.zeros(HEADS, HEADS, dtype=dtype, device=weight.device)
    padded[:n_heads, :n_heads] = weight.to(dtype)
    return padded


def mixed_softmax_forward(maps: Tensor, before: Tensor, after: Tensor) -> Tuple[Tensor, Tensor]:
    """after · softmax(before · maps) along keys; weights [destination, source]. Also the log sums [batch, head, query]."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, out = maps.contiguous(), _like(maps)
    log_sums = torch.empty(n_batch, n_heads, n_tokens, dtype=torch.float32, device=maps.device)
    _mixed_softmax[(n_tokens, n_batch)](
        maps, _padded(before, maps.dtype), _padded(after, maps.dtype), out, log_sums, n_tokens, n_heads, HEADS=HEADS, KEYS=128
    )
    return out, log_sums


def mixed_softmax_backward(grad: Tensor, maps: Tensor, before: Tensor, after: Tensor, log_sums: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Gradients of maps, before and after."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, grad, rows = maps.contiguous(), grad.contiguous(), 8
    n_programs = triton.cdiv(n_tokens, rows)
    out = _like(maps)
    weights = torch.empty(n_batch * n_programs, 2, HEADS, HEADS, dtype=torch.float32, device=maps.device)
    w_before, w_after = _padded(before, maps.dtype), _padded(after, maps.dtype)
    _mixed_softmax_gradient[(n_programs, n_batch)](
        maps, w_before, w_before.t().contiguous(), w_after.t().contiguous(), log_sums, grad, out, weights, n_tokens, n_heads,
        ROWS=rows, HEADS=HEADS, KEYS=128,
    )  # fmt: skip
    grad_before, grad_after = weights.sum(0)[:, :n_heads, :n_heads]
    return out, grad_before.to(before.dtype), grad_after.to(after.dtype)


@torch.library.custom_op("mta::convolve", mutates_args=())
def convolve(maps: Tensor, kernel: Tensor, before: int) -> Tensor:
    """`convolve_forward` with its gradient."""
    return convolve_forward(maps, kernel, before)


@torch.library.custom_op("mta::convolve_backward", mutates_args=())
def _convolve_backward(grad: Tensor, maps: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    return convolve_backward(grad, maps, kernel, before)


@torch.library.custom_op("mta::mixed_softmax", mutates_args=())
def mixed_softmax(maps: Tensor, before: Tensor, after: Tensor) -> Tuple[Tensor, Tensor]:
    """`mixed_softmax_forward` with its gradient."""
    return mixed_softmax_forward(maps, before, after)


@torch.library.custom_op("mta::mixed_softmax_backward", mutates_args=())
def _mixed_softmax_backward(
    grad: Tensor, maps: Tensor, before: Tensor, after: Tensor, log_sums: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    return mixed_softmax_backward(grad, maps, before, after, log_sums)


convolve.register_fake(lambda maps, kernel, before: _like(maps))
_convolve_backward.register_fake(lambda grad, maps, kernel, before: (_like(maps), torch.empty_like(kernel)))
mixed_softmax.register_fake(lambda maps, before, after: (_like(maps), maps.new_empty(maps.shape[:3], dtype=torch.float32)))
_mixed_softmax_backward.register_fake(
    lambda grad, maps, before, after, log_sums: (_like(maps), torch.empty_like(before), torch.empty_like(after))
)
convolve.register_autograd(
    lambda ctx, grad: (*_convolve_backward(grad, *ctx.saved_tensors, ctx.before), None),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs[:2], before=inputs[2]),
)
mixed_softmax.register_autograd(
    lambda ctx, grad, _: _mixed_softmax_backward(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: _save(ctx, (*inputs, output[1])),
)


def _like(maps: Tensor) -> Tensor:
    return torch.empty_like(maps, memory_format=torch.contiguous_format)


def _save(ctx, tensors: Tuple[Tensor, ...], **values) -> None:
    ctx.save_for_backward(*tensors)
    for name, value in values.items():
        setattr(ctx, name, value)


def attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal Multi-Token Attention with `attention`'s kernels, [batch, head, token, head_dim] each."""
    before, after = attention.head_mixings()
    pre, post = attention.mta_kernel, attention.mta_kernel_after_sm
    maps = (query * attention.head_dim**-0.5) @ key.transpose(-1, -2)
    if pre is not None:
        maps = convolve(maps, pre, key_padding(pre.shape[-1], attention.pad_key)[0])
    if post is None:
        return mixed_softmax(maps, before, after)[0] @ value
    maps = mixed_softmax(maps, before, torch.eye(attention.n_heads, device=maps.device))[0]
    maps = convolve(maps, post, key_padding(post.shape[-1], attention.pad_key)[0])
    return mix_heads(maps, after) @ value
