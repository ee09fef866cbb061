"""Attention maps on an NVIDIA GPU at a few reads and writes a cell, for training.

Three operations, each with its gradient:
- `convolve`: the key-query convolution as products with banded matrices, which tensor cores do: a tile of 64 columns of
  scores times a matrix that holds a kernel row on its diagonals gives 32 columns of the result, for each kernel row.
- `mixed_softmax`: head mixing, masked softmax and head mixing again, row by row, nothing kept but the rows' log sums.
- `mix`: head mixing alone, where a convolution stands between it and the softmax.

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

from .attention import Attention, key_padding

OUTPUTS, WINDOW, MARGIN = 32, 64, 16
"""Columns written by one product, columns read for them, and how far before them reading starts: multiples of 16, so
that loads are whole vectors. A kernel may reach MARGIN columns to the left and to the right."""
HEADS = 16
"""Rows of the head axis in a product: the least that tensor cores take, so at most 16 heads."""


@triton.jit
def _window(maps, source, start, n_tokens, MARGIN: tl.constexpr, WINDOW: tl.constexpr):
    """Rows `source`, columns from start − MARGIN on; 0 above the diagonal and outside."""
    column = start - MARGIN + tl.arange(0, WINDOW)
    # Only bounds in the load's mask: they hold for whole vectors, the diagonal does not.
    inside = (source[:, None] >= 0) & (source[:, None] < n_tokens) & (column[None, :] >= 0) & (column[None, :] < n_tokens)
    tile = tl.load(maps + source[:, None] * n_tokens + column[None, :], mask=inside, other=0.0)
    return tl.where(column[None, :] <= source[:, None], tile, 0.0)


@triton.jit
def _convolve(maps, bands, out, n_tokens, n_heads, first_row, N_ROWS: tl.constexpr, ROWS: tl.constexpr,
              STRIP: tl.constexpr, OUTPUTS: tl.constexpr, WINDOW: tl.constexpr, MARGIN: tl.constexpr):  # fmt: skip
    """out[i, j + v] = Σ_a Σ_u maps[i + first_row + a, j − MARGIN + u] · bands[a, u, v], below the diagonal."""
    plane = tl.program_id(2).to(tl.int64)
    maps += plane * n_tokens * n_tokens
    out += plane * n_tokens * n_tokens
    bands += (plane % n_heads) * N_ROWS * WINDOW * OUTPUTS
    top = tl.program_id(1) * ROWS
    row = top + tl.arange(0, ROWS)
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    first = tl.program_id(0) * STRIP
    for start in range(first, min(first + STRIP, n_tokens), OUTPUTS):
        total = tl.zeros((ROWS, OUTPUTS), dtype=tl.float32)
        if start <= top + ROWS - 1:
            for a in tl.static_range(N_ROWS):
                tile = _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW)
                total += tl.dot(tile, tl.load(bands + a * WINDOW * OUTPUTS + u[:, None] * OUTPUTS + v[None, :]))
        to = start + v
        written = tl.where(to[None, :] <= row[:, None], total, 0.0)
        tl.store(out + row[:, None] * n_tokens + to[None, :], written.to(out.dtype.element_ty),
                 mask=(row[:, None] < n_tokens) & (to[None, :] < n_tokens))  # fmt: skip


@triton.jit
def _convolve_kernel_gradient(maps, grad, bands, n_tokens, first_row, N_ROWS: tl.constexpr, CHUNK: tl.constexpr,
                              ROWS: tl.constexpr, OUTPUTS: tl.constexpr, WINDOW: tl.constexpr, MARGIN: tl.constexpr):  # fmt: skip
    """bands[a, v, u] = Σ_i Σ_j grad[i, j + v] · maps[i + first_row + a, j − MARGIN + u], over CHUNK rows i."""
    a, plane, chunk = tl.program_id(0), tl.program_id(1).to(tl.int64), tl.program_id(2)
    maps += plane * n_tokens * n_tokens
    grad += plane * n_tokens * n_tokens
    total = tl.zeros((OUTPUTS, WINDOW), dtype=tl.float32)
    for top in range(chunk * CHUNK, min(chunk * CHUNK + CHUNK, n_tokens), ROWS):
        row = top + tl.arange(0, ROWS)
        for start in range(0, min(top + ROWS, n_tokens), OUTPUTS):
            upper = _window(grad, row, start, n_tokens, 0, OUTPUTS)
            total += tl.dot(tl.trans(upper), _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW))
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    at = ((chunk * tl.num_programs(1) + plane) * N_ROWS + a) * OUTPUTS * WINDOW
    tl.store(bands + at + v[:, None] * WINDOW + u[None, :], total)


@triton.jit
def _mix(maps, weight, out, n_cells, n_heads, HEADS: tl.constexpr, CELLS: tl.constexpr):
    """out = weight · maps over heads, cell by cell."""
    head, cell = tl.arange(0, HEADS), tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    at = (tl.program_id(1).to(tl.int64) * n_heads + head[:, None]) * n_cells + cell[None, :]
    mask = (head[:, None] < n_heads) & (cell[None, :] < n_cells)
    w = tl.load(weight + head[:, None] * HEADS + head[None, :])
    mixed = tl.dot(w, tl.load(maps + at, mask=mask, other=0.0))
    tl.store(out + at, mixed.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _mix_gradient(maps, weight_t, grad, out, weights, n_cells, n_heads,
                  PARTS: tl.constexpr, HEADS: tl.constexpr, CELLS: tl.constexpr):  # fmt: skip
    """PARTS tiles of cells: out = gradient of maps; weights = this program's share of that of the weight."""
    head = tl.arange(0, HEADS)
    weight_at = head[:, None] * HEADS + head[None, :]
    w = tl.load(weight_t + weight_at)
    total = tl.zeros((HEADS, HEADS), dtype=tl.float32)
    for part in range(PARTS):
        cell = (tl.program_id(0) * PARTS + part) * CELLS + tl.arange(0, CELLS)
        at = (tl.program_id(1).to(tl.int64) * n_heads + head[:, None]) * n_cells + cell[None, :]
        mask = (head[:, None] < n_heads) & (cell[None, :] < n_cells)
        upper = tl.load(grad + at, mask=mask, other=0.0)
        total += tl.dot(upper, tl.trans(tl.load(maps + at, mask=mask, other=0.0)))
        tl.store(out + at, tl.dot(w, upper).to(out.dtype.element_ty), mask=mask)
    tl.store(weights + (tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)) * HEADS * HEADS + weight_at, total)


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
        tile = tl.load(maps + base + at, mask=(head[:, None] < n_heads) & (at < n_tokens), other=0.0)
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
            tile = tl.load(maps + base + at, mask=(head[:, None] < n_heads) & (at < n_tokens), other=0.0)
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
            inside = (head[:, None] < n_heads) & (at < n_tokens)
            mixed = tl.dot(w_before, tl.load(maps + base + at, mask=inside, other=0.0))
            pattern = tl.where((head[:, None] < n_heads) & (at <= row), tl.exp(mixed - log_sum[:, None]), 0.0)
            inner += tl.sum(pattern * tl.dot(w_after_t, tl.load(grad + base + at, mask=inside, other=0.0)), 1)
        for start in range(0, n_tokens, KEYS):
            at = start + key[None, :]
            result = tl.zeros((HEADS, KEYS), dtype=tl.float32)
            if start <= row:
                inside = (head[:, None] < n_heads) & (at < n_tokens)
                tile = tl.load(maps + base + at, mask=inside, other=0.0)
                upper = tl.load(grad + base + at, mask=inside, other=0.0)
                pattern = tl.where((head[:, None] < n_heads) & (at <= row), tl.exp(tl.dot(w_before, tile) - log_sum[:, None]), 0.0)
                slope = (pattern * (tl.dot(w_after_t, upper) - inner[:, None])).to(out.dtype.element_ty)
                grad_before += tl.dot(slope, tl.trans(tile))
                grad_after += tl.dot(upper, tl.trans(pattern.to(out.dtype.element_ty)))
                result = tl.dot(w_before_t, slope)
            tl.store(out + base + at, result.to(out.dtype.element_ty), mask=(head[:, None] < n_heads) & (at < n_tokens))
    weights += (batch * tl.num_programs(0) + tl.program_id(0)) * 2 * HEADS * HEADS
    tl.store(weights + weight_at, grad_before)
    tl.store(weights + HEADS * HEADS + weight_at, grad_after)


def _bands(kernel: Tensor, before: int, dtype: torch.dtype) -> Tensor:
    """[head, query row, WINDOW, OUTPUTS]: each kernel row on the diagonals of a matrix, `before` columns of it left of centre."""
    n_columns = kernel.shape[-1]
    return F.pad(kernel[:, 0].to(dtype), (0, 1))[:, :, _diagonals(n_columns, before, kernel.device)].contiguous()


def _diagonals(n_columns: int, before: int, device) -> Tensor:
    """[WINDOW, OUTPUTS]: the kernel column that takes window column u to output v; n_columns where none does."""
    u, v = torch.arange(WINDOW, device=device)[:, None], torch.arange(OUTPUTS, device=device)
    column = u - v - (MARGIN - before)
    return torch.where((column >= 0) & (column < n_columns), column, n_columns)


def _launch_convolve(maps: Tensor, bands: Tensor, first_row: int, rows: int = 64, strip: int = 128, warps: int = 4) -> Tensor:
    n_batch, n_heads, n_tokens, _ = maps.shape
    out = _like(maps)
    grid = (triton.cdiv(n_tokens, strip), triton.cdiv(n_tokens, rows), n_batch * n_heads)
    _convolve[grid](maps, bands, out, n_tokens, n_heads, first_row, N_ROWS=bands.shape[1], ROWS=rows, STRIP=strip,
                    OUTPUTS=OUTPUTS, WINDOW=WINDOW, MARGIN=MARGIN, num_warps=warps)  # fmt: skip
    return out


def convolve_forward(maps: Tensor, kernel: Tensor, before: int) -> Tensor:
    """`key_query_conv` of the cells on and below the diagonal; `before` columns of padding. Zero above it."""
    after = kernel.shape[-1] - 1 - before
    if max(before, after) > MARGIN:
        raise ValueError(f"The kernel is {kernel.shape[-1]} keys wide; at most {MARGIN} on either side can be convolved.")
    return _launch_convolve(maps.contiguous(), _bands(kernel, before, maps.dtype), 1 - kernel.shape[-2])


def convolve_backward(grad: Tensor, maps: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    """Gradients of maps and kernel."""
    maps, grad = maps.contiguous(), grad.contiguous()
    after = kernel.shape[-1] - 1 - before
    grad_maps = _launch_convolve(grad, _bands(kernel.flip(-1, -2), after, maps.dtype), 0)
    return grad_maps, _launch_kernel_gradient(grad, maps, kernel, before)


def _launch_kernel_gradient(grad: Tensor, maps: Tensor, kernel: Tensor, before: int, rows: int = 64, warps: int = 4) -> Tensor:
    n_batch, n_heads, n_tokens, _ = maps.shape
    n_rows, n_columns = kernel.shape[-2:]
    chunk = 256
    n_chunks = triton.cdiv(n_tokens, chunk)
    bands = torch.empty(n_chunks * n_batch, n_heads, n_rows, OUTPUTS, WINDOW, dtype=torch.float32, device=maps.device)
    _convolve_kernel_gradient[(n_rows, n_batch * n_heads, n_chunks)](
        maps, grad, bands, n_tokens, 1 - n_rows, N_ROWS=n_rows, CHUNK=chunk, ROWS=rows, OUTPUTS=OUTPUTS, WINDOW=WINDOW,
        MARGIN=MARGIN, num_warps=warps,
    )  # fmt: skip
    v, b = torch.arange(OUTPUTS, device=maps.device)[:, None], torch.arange(n_columns, device=maps.device)
    return bands.sum(0)[:, :, v, v + b + MARGIN - before].sum(-2)[:, None].to(kernel.dtype)


def _padded(weight: Tensor, dtype: torch.dtype) -> Tensor:
    n_heads = weight.shape[0]
    if n_heads > HEADS:
        raise ValueError(f"There are {n_heads} heads; at most {HEADS} can be mixed.")
    padded = torch.zeros(HEADS, HEADS, dtype=dtype, device=weight.device)
    padded[:n_heads, :n_heads] = weight.to(dtype)
    return padded


def mix_forward(maps: Tensor, weight: Tensor, cells: int = 256, warps: int = 4) -> Tensor:
    """`mix_heads`: weight [destination, source]."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, out, n_cells = maps.contiguous(), _like(maps), n_tokens * n_tokens
    grid = (triton.cdiv(n_cells, cells), n_batch)
    _mix[grid](maps, _padded(weight, maps.dtype), out, n_cells, n_heads, HEADS=HEADS, CELLS=cells, num_warps=warps)
    return out


def mix_backward(grad: Tensor, maps: Tensor, weight: Tensor, cells: int = 256, parts: int = 32, warps: int = 4) -> Tuple[Tensor, Tensor]:
    """Gradients of maps and weight."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, grad, out, n_cells = maps.contiguous(), grad.contiguous(), _like(maps), n_tokens * n_tokens
    n_programs = triton.cdiv(n_cells, cells * parts)
    weights = torch.empty(n_batch * n_programs, HEADS, HEADS, dtype=torch.float32, device=maps.device)
    _mix_gradient[(n_programs, n_batch)](
        maps, _padded(weight.t(), maps.dtype), grad, out, weights, n_cells, n_heads, PARTS=parts, HEADS=HEADS, CELLS=cells,
        num_warps=warps,
    )  # fmt: skip
    return out, weights.sum(0)[:n_heads, :n_heads].to(weight.dtype, copy=True)


def mixed_softmax_forward(maps: Tensor, before: Tensor, after: Tensor, keys: int = 128, warps: int = 4) -> Tuple[Tensor, Tensor]:
    """after · softmax(before · maps) along keys; weights [destination, source]. Also the log sums [batch, head, query]."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, out = maps.contiguous(), _like(maps)
    log_sums = torch.empty(n_batch, n_heads, n_tokens, dtype=torch.float32, device=maps.device)
    _mixed_softmax[(n_tokens, n_batch)](
        maps, _padded(before, maps.dtype), _padded(after, maps.dtype), out, log_sums, n_tokens, n_heads, HEADS=HEADS,
        KEYS=keys, num_warps=warps,
    )  # fmt: skip
    return out, log_sums


def mixed_softmax_backward(
    grad: Tensor, maps: Tensor, before: Tensor, after: Tensor, log_sums: Tensor, keys: int = 128, rows: int = 8, warps: int = 4
) -> Tuple[Tensor, Tensor, Tensor]:
    """Gradients of maps, before and after."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    maps, grad, out = maps.contiguous(), grad.contiguous(), _like(maps)
    n_programs = triton.cdiv(n_tokens, rows)
    weights = torch.empty(n_batch * n_programs, 2, HEADS, HEADS, dtype=torch.float32, device=maps.device)
    w_before, w_after = _padded(before, maps.dtype), _padded(after, maps.dtype)
    _mixed_softmax_gradient[(n_programs, n_batch)](
        maps, w_before, w_before.t().contiguous(), w_after.t().contiguous(), log_sums, grad, out, weights, n_tokens, n_heads,
        ROWS=rows, HEADS=HEADS, KEYS=keys, num_warps=warps,
    )  # fmt: skip
    summed = weights.sum(0)[:, :n_heads, :n_heads]
    return out, summed[0].to(before.dtype, copy=True), summed[1].to(after.dtype, copy=True)


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


@torch.library.custom_op("mta::mix", mutates_args=())
def mix(maps: Tensor, weight: Tensor) -> Tensor:
    """`mix_forward` with its gradient."""
    return mix_forward(maps, weight)


@torch.library.custom_op("mta::mix_backward", mutates_args=())
def _mix_backward(grad: Tensor, maps: Tensor, weight: Tensor) -> Tuple[Tensor, Tensor]:
    return mix_backward(grad, maps, weight)


mix.register_fake(lambda maps, weight: _like(maps))
_mix_backward.register_fake(lambda grad, maps, weight: (_like(maps), weight.new_empty(weight.shape)))
mix.register_autograd(
    lambda ctx, grad: _mix_backward(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs),
)
convolve.register_fake(lambda maps, kernel, before: _like(maps))
_convolve_backward.register_fake(lambda grad, maps, kernel, before: (_like(maps), torch.empty_like(kernel)))
mixed_softmax.register_fake(lambda maps, before, after: (_like(maps), maps.new_empty(maps.shape[:3], dtype=torch.float32)))
_mixed_softmax_backward.register_fake(
    lambda grad, maps, before, after, log_sums: (_like(maps), before.new_empty(before.shape), after.new_empty(after.shape))
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
    return mix(maps, after) @ value
