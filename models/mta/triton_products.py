"""Products of attention maps with token vectors on an NVIDIA GPU, only where a causal map has cells.

`scores` makes a map from queries and keys; `down` multiplies a map with vectors of its keys, `across` its transpose with
vectors of its queries. Cells above the diagonal are never read; tiles above it are neither computed nor written, so what
lies there is undefined. Tile by tile this halves the bytes that a dense product moves.

`filtered` puts a kernel on the token axis of keys instead of on the map ("wide" form): a key-query convolution of scores is
one product of vectors query_kernel_size times as long, except near the diagonal (see `overhang`).
Needs Triton; `TRITON_INTERPRET=1` runs it on a CPU, slowly.
"""

from __future__ import annotations

from typing import Optional

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _scores(a, b, band, out, a_b, a_h, a_t, b_b, b_h, b_t, n_tokens, n_heads, DIM: tl.constexpr, BAND: tl.constexpr,
            ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """out[i, j] = Σ_d a[i, d] · b[j, d], less band[i, i − j] for the BAND cells next to the diagonal."""
    top, left = tl.program_id(1) * ROWS, tl.program_id(0) * COLUMNS
    if left < top + ROWS:
        plane = tl.program_id(2).to(tl.int64)
        a += (plane // n_heads) * a_b + (plane % n_heads) * a_h
        b += (plane // n_heads) * b_b + (plane % n_heads) * b_h
        row, column, d = top + tl.arange(0, ROWS), left + tl.arange(0, COLUMNS), tl.arange(0, DEPTH)
        total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
        for start in range(0, DIM, DEPTH):
            first = tl.load(a + row[:, None] * a_t + (start + d)[None, :], mask=row[:, None] < n_tokens, other=0.0)
            second = tl.load(b + column[:, None] * b_t + (start + d)[None, :], mask=column[:, None] < n_tokens, other=0.0)
            total += tl.dot(first, tl.trans(second))
        if BAND > 0:
            if left + COLUMNS + BAND > top:
                back = row[:, None] - column[None, :]
                near = (back >= 0) & (back < BAND) & (row[:, None] < n_tokens)
                total -= tl.load(band + (plane * n_tokens + row[:, None]) * BAND + back, mask=near, other=0.0)
        tl.store(out + plane * n_tokens * n_tokens + row[:, None] * n_tokens + column[None, :], total.to(out.dtype.element_ty),
                 mask=(row[:, None] < n_tokens) & (column[None, :] < n_tokens))  # fmt: skip


@triton.jit
def _down(maps, values, out, v_b, v_h, v_t, o_b, o_h, o_t, n_tokens, n_heads,
          ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """out[i, d] = Σ_{j ≤ i} maps[i, j] · values[j, d]."""
    top = (tl.num_programs(1) - 1 - tl.program_id(1)) * ROWS  # the longest first
    plane = tl.program_id(2).to(tl.int64)
    maps += plane * n_tokens * n_tokens
    values += (plane // n_heads) * v_b + (plane % n_heads) * v_h
    row, d = top + tl.arange(0, ROWS), tl.program_id(0) * DEPTH + tl.arange(0, DEPTH)
    total = tl.zeros((ROWS, DEPTH), dtype=tl.float32)
    for left in range(0, min(top + ROWS, n_tokens), COLUMNS):
        column = left + tl.arange(0, COLUMNS)
        tile = tl.load(maps + row[:, None] * n_tokens + column[None, :], mask=(row[:, None] < n_tokens) & (column[None, :] < n_tokens), other=0.0)
        tile = tl.where(column[None, :] <= row[:, None], tile, 0.0)
        vectors = tl.load(values + column[:, None] * v_t + d[None, :], mask=column[:, None] < n_tokens, other=0.0)
        total += tl.dot(tile, vectors.to(tile.dtype))
    out += (plane // n_heads) * o_b + (plane % n_heads) * o_h
    tl.store(out + row[:, None] * o_t + d[None, :], total.to(out.dtype.element_ty), mask=row[:, None] < n_tokens)


@triton.jit
def _across(maps, values, out, v_b, v_h, v_t, o_b, o_h, o_t, n_tokens, n_heads,
            ROWS: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr):  # fmt: skip
    """out[j, d] = Σ_{i ≥ j} maps[i, j] · values[i, d]."""
    left = tl.program_id(1) * COLUMNS
    plane = tl.program_id(2).to(tl.int64)
    maps += plane * n_tokens * n_tokens
    values += (plane // n_heads) * v_b + (plane % n_heads) * v_h
    column, d = left + tl.arange(0, COLUMNS), tl.program_id(0) * DEPTH + tl.arange(0, DEPTH)
    total = tl.zeros((COLUMNS, DEPTH), dtype=tl.float32)
    for top in range(left // ROWS * ROWS, n_tokens, ROWS):
        row = top + tl.arange(0, ROWS)
        tile = tl.load(maps + row[:, None] * n_tokens + column[None, :], mask=(row[:, None] < n_tokens) & (column[None, :] < n_tokens), other=0.0)
        tile = tl.where(column[None, :] <= row[:, None], tile, 0.0)
        vectors = tl.load(values + row[:, None] * v_t + d[None, :], mask=row[:, None] < n_tokens, other=0.0)
        total += tl.dot(tl.trans(tile), vectors.to(tile.dtype))
    out += (plane // n_heads) * o_b + (plane % n_heads) * o_h
    tl.store(out + column[:, None] * o_t + d[None, :], total.to(out.dtype.element_ty), mask=column[:, None] < n_tokens)


@triton.jit
def _filtered(values, kernel, out, v_b, v_h, v_t, n_tokens, n_heads, before, N_ROWS: tl.constexpr, N_TAPS: tl.constexpr,
              DEPTH: tl.constexpr, TOKENS: tl.constexpr):  # fmt: skip
    """out[t, a, d] = Σ_b kernel[a, b] · values[t + b − before, d]."""
    plane = tl.program_id(1).to(tl.int64)
    head = plane % n_heads
    values += (plane // n_heads) * v_b + head * v_h
    token, d = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.arange(0, DEPTH)
    for a in tl.static_range(N_ROWS):
        total = tl.zeros((TOKENS, DEPTH), dtype=tl.float32)
        for b in tl.static_range(N_TAPS):
            at = token + b - before
            tile = tl.load(values + at[:, None] * v_t + d[None, :], mask=(at[:, None] >= 0) & (at[:, None] < n_tokens), other=0.0)
            total += tl.load(kernel + (head * N_ROWS + a) * N_TAPS + b) * tile
        tl.store(out + (plane * n_tokens + token[:, None]) * N_ROWS * DEPTH + a * DEPTH + d[None, :], total.to(out.dtype.element_ty),
                 mask=token[:, None] < n_tokens)  # fmt: skip


@triton.jit
def _filtered_gradient(grad, kernel, out, o_b, o_h, o_t, n_tokens, n_heads, before, N_ROWS: tl.constexpr, N_TAPS: tl.constexpr,
                       DEPTH: tl.constexpr, TOKENS: tl.constexpr):  # fmt: skip
    """out[t, d] = Σ_a Σ_b kernel[a, b] · grad[t − b + before, a, d]."""
    plane = tl.program_id(1).to(tl.int64)
    head = plane % n_heads
    grad += plane * n_tokens * N_ROWS * DEPTH
    token, d = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS), tl.arange(0, DEPTH)
    total = tl.zeros((TOKENS, DEPTH), dtype=tl.float32)
    for a in tl.static_range(N_ROWS):
        for b in tl.static_range(N_TAPS):
            at = token - b + before
            tile = tl.load(grad + (at[:, None] * N_ROWS + a) * DEPTH + d[None, :], mask=(at[:, None] >= 0) & (at[:, None] < n_tokens), other=0.0)
            total += tl.load(kernel + (head * N_ROWS + a) * N_TAPS + b) * tile
    out += (plane // n_heads) * o_b + head * o_h
    tl.store(out + token[:, None] * o_t + d[None, :], total.to(out.dtype.element_ty), mask=token[:, None] < n_tokens)


@triton.jit
def _filter_gradient(grad, values, out, v_b, v_h, v_t, n_tokens, n_heads, before, N_ROWS: tl.constexpr, N_TAPS: tl.constexpr,
                     DEPTH: tl.constexpr, TOKENS: tl.constexpr):  # fmt: skip
    """out[a, b] = Σ_t Σ_d grad[t, a, d] · values[t + b − before, d], over TOKENS tokens; padded to 16 × 16."""
    plane = tl.program_id(1).to(tl.int64)
    grad += plane * n_tokens * N_ROWS * DEPTH
    values += (plane // n_heads) * v_b + (plane % n_heads) * v_h
    tap, d = tl.arange(0, 16), tl.arange(0, DEPTH)
    total = tl.zeros((16, 16), dtype=tl.float32)
    first = tl.program_id(0) * TOKENS
    for token in range(first, min(first + TOKENS, n_tokens)):
        upper = tl.load(grad + (token * N_ROWS + tap[:, None]) * DEPTH + d[None, :], mask=tap[:, None] < N_ROWS, other=0.0)
        at = token + tap - before
        vectors = tl.load(values + at[:, None] * v_t + d[None, :],
                          mask=(tap[:, None] < N_TAPS) & (at[:, None] >= 0) & (at[:, None] < n_tokens), other=0.0)  # fmt: skip
        total += tl.dot(upper, tl.trans(vectors.to(upper.dtype)))
    tl.store(out + (plane * tl.num_programs(0) + tl.program_id(0)) * 256 + tap[:, None] * 16 + tap[None, :], total)


def _strides(vectors: Tensor) -> tuple:
    """Strides of batch, head and token of vectors [batch, head, token, dim]; the last axis must be contiguous."""
    assert vectors.stride(-1) == 1
    return vectors.stride()[:3]


def dense_rows(vectors: Tensor) -> Tensor:
    """The vectors themselves where their last axis is contiguous, else a copy."""
    return vectors if vectors.stride(-1) == 1 else vectors.contiguous()


def like_vectors(vectors: Tensor) -> Tensor:
    """Room for vectors [batch, head, token, dim], token by token in memory as the linear layers have them."""
    n_batch, n_heads, n_tokens, dim = vectors.shape
    return vectors.new_empty(n_batch, n_tokens, n_heads, dim).transpose(1, 2)


def new_maps(vectors: Tensor, dtype: torch.dtype) -> Tensor:
    """Room for a map [batch, head, query, key] of these vectors."""
    n_batch, n_heads, n_tokens, _ = vectors.shape
    return torch.empty(n_batch, n_heads, n_tokens, n_tokens, dtype=dtype, device=vectors.device)


def scores(a: Tensor, b: Tensor, dtype: torch.dtype, band: Optional[Tensor] = None, rows: int = 128, columns: Optional[int] = None,
           warps: int = 4, stages: Optional[int] = None) -> Tensor:  # fmt: skip
    """Σ_d a[i, d] · b[j, d] on and below the diagonal. band: [batch, head, token, cells next to the diagonal], subtracted."""
    n_batch, n_heads, n_tokens, dim = a.shape
    columns, stages = columns or (128 if dim > 64 else 64), stages or (3 if dim > 64 else 2)  # tried on an H200
    out = new_maps(a, dtype)
    grid = (triton.cdiv(n_tokens, columns), triton.cdiv(n_tokens, rows), n_batch * n_heads)
    _scores[grid](a, b, a if band is None else band, out, *_strides(a), *_strides(b), n_tokens, n_heads, DIM=dim,
                  BAND=0 if band is None else band.shape[-1], ROWS=rows, COLUMNS=columns, DEPTH=min(64, dim & -dim), num_warps=warps, num_stages=stages)  # fmt: skip
    return out


def _map_times_vectors(kernel, maps, values, out, along: int, rows: int, columns: int, warps: int, stages: int) -> Tensor:
    n_batch, n_heads, n_tokens, dim = values.shape
    depth = min(128, dim & -dim)  # the largest power of 2 that divides dim
    grid = (dim // depth, triton.cdiv(n_tokens, along), n_batch * n_heads)
    kernel[grid](maps, values, out, *_strides(values), *_strides(out), n_tokens, n_heads, ROWS=rows, COLUMNS=columns, DEPTH=depth,
                 num_warps=warps, num_stages=stages)  # fmt: skip
    return out


def down(maps: Tensor, values: Tensor, out: Tensor, rows: Optional[int] = None, columns: int = 64, warps: int = 4, stages: int = 3) -> Tensor:
    """out[i, d] = Σ_{j ≤ i} maps[i, j] · values[j, d]."""
    rows = rows or (128 if values.shape[-1] > 64 else 64)
    return _map_times_vectors(_down, maps, values, out, rows, rows, columns, warps, stages)


def across(maps: Tensor, values: Tensor, out: Tensor, rows: int = 32, columns: int = 128, warps: int = 4, stages: int = 4) -> Tensor:
    """out[j, d] = Σ_{i ≥ j} maps[i, j] · values[i, d]."""
    return _map_times_vectors(_across, maps, values, out, columns, rows, columns, warps, stages)


def filtered(values: Tensor, kernel: Tensor, before: int, dtype: torch.dtype, tokens: int = 32) -> Tensor:
    """out[t, a · dim + d] = Σ_b kernel[a, b] · values[t + b − before, d]; kernel [head, a, b] in float32."""
    n_batch, n_heads, n_tokens, dim = values.shape
    n_rows, n_taps = kernel.shape[-2:]
    out = torch.empty(n_batch, n_heads, n_tokens, n_rows * dim, dtype=dtype, device=values.device)
    _filtered[(triton.cdiv(n_tokens, tokens), n_batch * n_heads)](
        values, kernel, out, *_strides(values), n_tokens, n_heads, before, N_ROWS=n_rows, N_TAPS=n_taps, DEPTH=dim, TOKENS=tokens
    )
    return out


def filtered_gradient(grad: Tensor, kernel: Tensor, before: int, out: Tensor, tokens: int = 32) -> Tensor:
    """Gradient of the values of `filtered`, written to `out`."""
    n_batch, n_heads, n_tokens, dim = out.shape
    n_rows, n_taps = kernel.shape[-2:]
    _filtered_gradient[(triton.cdiv(n_tokens, tokens), n_batch * n_heads)](
        grad, kernel, out, *_strides(out), n_tokens, n_heads, before, N_ROWS=n_rows, N_TAPS=n_taps, DEPTH=dim, TOKENS=tokens
    )
    return out


def filter_gradient(grad: Tensor, values: Tensor, n_taps: int, before: int, tokens: int = 128) -> Tensor:
    """Gradient of the kernel of `filtered`, [head, a, b]. At most 16 rows and 16 taps."""
    n_batch, n_heads, n_tokens, dim = values.shape
    n_rows = grad.shape[-1] // dim
    n_parts = triton.cdiv(n_tokens, tokens)
    parts = torch.empty(n_batch, n_heads, n_parts, 16, 16, dtype=torch.float32, device=values.device)
    _filter_gradient[(n_parts, n_batch * n_heads)](
        grad, values, parts, *_strides(values), n_tokens, n_heads, before, N_ROWS=n_rows, N_TAPS=n_taps, DEPTH=dim, TOKENS=tokens, num_warps=1
    )
    return parts.sum((0, 2))[:, :n_rows, :n_taps].contiguous()


def overhang(query: Tensor, key: Tensor, kernel: Tensor, before: int) -> Tensor:
    """What the wide form adds to cell (i, i − e) from scores above the diagonal, [batch, head, token, e], float32.

    The convolution counts those as 0. Only cells with e < reach see any, where reach = query_kernel_size − 1 + columns to
    the right. query, key: [batch, head, token, dim]; kernel: [head, query_kernel_size, key_kernel_size].
    """
    n_rows, n_columns = kernel.shape[-2:]
    after = n_columns - 1 - before
    reach, n_tokens = n_rows - 1 + after, query.shape[2]
    if reach == 0:
        return query.new_zeros(*query.shape[:3], 0, dtype=torch.float32)
    query, key = query.float(), key.float()
    ahead = [(query[:, :, : max(0, n_tokens - d)] * key[:, :, d:]).sum(-1) for d in range(1, reach + 1)]
    # above[t, d − 1]: the score of query t and key t + d.
    above = torch.stack([F.pad(part, (0, n_tokens - part.shape[-1])) for part in ahead], -1)
    # By row of the kernel: the score `back` queries before, back = n_rows − 1 for the kernel's first row.
    rows = torch.stack([F.pad(above, (0, 0, back, 0))[:, :, :n_tokens] for back in range(n_rows - 1, -1, -1)], -2)
    a, d, e = torch.meshgrid(*(torch.arange(n, device=kernel.device) for n in (n_rows, reach, reach)), indexing="ij")
    column = d + 1 + e - (n_rows - 1 - a) + before
    column = torch.where((column >= 0) & (column < n_columns), column, n_columns)
    taps = F.pad(kernel.float(), (0, 1))[:, a, column]  # [head, a, d, e]
    return torch.einsum("bhtad,hade->bhte", rows, taps)
