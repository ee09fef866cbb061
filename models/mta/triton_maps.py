"""What Multi-Token Attention does to maps, on an NVIDIA GPU at a few reads and writes a cell, and its gradients.

- mixed softmax: head mixing, masked softmax and head mixing again, row by row, nothing kept but the rows' log sums;
- convolution of a map as products with banded matrices, which tensor cores do: a tile of 64 columns times a matrix that
  holds a kernel row on its diagonals gives 32 columns of the result, for each kernel row;
- head mixing alone, where a convolution stands between it and the softmax;
- scores with the key-query convolution in them, by the wide form of `mta/triton_products.py`.

Cells above the diagonal are never read, and what is written there means nothing.
"""

from __future__ import annotations

from typing import Optional, Tuple

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from .triton_products import across, down, filter_gradient, filtered, filtered_gradient, like_vectors, scores

TILES = ((16, 32, 8), (32, 64, 16))
"""Columns written by one product, columns read for them, and how far before them reading starts (the margin): multiples
of 8, so that loads are whole vectors. A kernel may reach the margin to the left and to the right; the smaller tile is faster."""
SLOTS = 32
"""Places for heads in a product over heads: all heads of as many query rows as fit."""


@triton.jit
def _window(maps, source, start, n_tokens, MARGIN: tl.constexpr, WINDOW: tl.constexpr, MASKED: tl.constexpr):
    """Rows `source`, columns from start − MARGIN on; with MASKED, 0 above the diagonal and outside."""
    column = start - MARGIN + tl.arange(0, WINDOW)
    if MASKED:
        # Only bounds in the load's mask: they hold for whole vectors, the diagonal does not.
        inside = (source[:, None] >= 0) & (source[:, None] < n_tokens) & (column[None, :] >= 0) & (column[None, :] < n_tokens)
        tile = tl.load(maps + source[:, None] * n_tokens + column[None, :], mask=inside, other=0.0)
        tile = tl.where(column[None, :] <= source[:, None], tile, 0.0)
    else:
        tile = tl.load(maps + source[:, None] * n_tokens + column[None, :])
    return tile


@triton.jit
def _is_inner(top, start, n_tokens, first_row, N_ROWS: tl.constexpr, ROWS: tl.constexpr, WINDOW: tl.constexpr, MARGIN: tl.constexpr):
    """Whether all windows of this tile lie in the map and below its diagonal, so that no cell needs a test."""
    first, last = top + first_row, top + ROWS - 1 + first_row + N_ROWS - 1
    return (first >= start - MARGIN + WINDOW) & (last < n_tokens) & (start >= MARGIN) & (top + ROWS <= n_tokens)


@triton.jit
def _convolved(maps, bands, row, start, n_tokens, first_row, N_ROWS: tl.constexpr, ROWS: tl.constexpr,
               OUTPUTS: tl.constexpr, WINDOW: tl.constexpr, MARGIN: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    total = _window(maps, row, start, n_tokens, 0, OUTPUTS, MASKED).to(tl.float32)
    for a in tl.static_range(N_ROWS):
        tile = _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW, MASKED)
        total = tl.dot(tile, tl.load(bands + a * WINDOW * OUTPUTS + u[:, None] * OUTPUTS + v[None, :]), total)
    return total


@triton.jit
def _convolve(maps, bands, out, n_tokens, n_heads, first_row, N_ROWS: tl.constexpr, ROWS: tl.constexpr,
              STRIP: tl.constexpr, OUTPUTS: tl.constexpr, WINDOW: tl.constexpr, MARGIN: tl.constexpr):  # fmt: skip
    """out[i, j + v] = maps[i, j + v] + Σ_a Σ_u maps[i + first_row + a, j − MARGIN + u] · bands[a, u, v], below the diagonal."""
    plane = tl.program_id(2).to(tl.int64)
    maps += plane * n_tokens * n_tokens
    out += plane * n_tokens * n_tokens
    bands += (plane % n_heads) * N_ROWS * WINDOW * OUTPUTS
    top = tl.program_id(1) * ROWS
    row, v = top + tl.arange(0, ROWS), tl.arange(0, OUTPUTS)
    first = tl.program_id(0) * STRIP
    for start in range(first, min(min(first + STRIP, top + ROWS), n_tokens), OUTPUTS):
        if _is_inner(top, start, n_tokens, first_row, N_ROWS, ROWS, WINDOW, MARGIN):
            total = _convolved(maps, bands, row, start, n_tokens, first_row, N_ROWS, ROWS, OUTPUTS, WINDOW, MARGIN, False)
        else:
            total = _convolved(maps, bands, row, start, n_tokens, first_row, N_ROWS, ROWS, OUTPUTS, WINDOW, MARGIN, True)
        to = start + v
        tl.store(out + row[:, None] * n_tokens + to[None, :], total.to(out.dtype.element_ty),
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
        end = min(top + ROWS, n_tokens)
        # The first column of tiles and those near the diagonal need tests, the ones between do not.
        whole = tl.maximum((top + first_row + MARGIN - WINDOW) // OUTPUTS * OUTPUTS + OUTPUTS, OUTPUTS)
        whole = tl.where(top + ROWS + first_row + N_ROWS - 1 <= n_tokens, tl.minimum(whole, end), OUTPUTS)
        for start in range(0, OUTPUTS, OUTPUTS):
            upper = _window(grad, row, start, n_tokens, 0, OUTPUTS, True)
            total += tl.dot(tl.trans(upper), _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW, True))
        for start in range(OUTPUTS, whole, OUTPUTS):
            upper = _window(grad, row, start, n_tokens, 0, OUTPUTS, False)
            total += tl.dot(tl.trans(upper), _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW, False))
        for start in range(whole, end, OUTPUTS):
            upper = _window(grad, row, start, n_tokens, 0, OUTPUTS, True)
            total += tl.dot(tl.trans(upper), _window(maps, row + first_row + a, start, n_tokens, MARGIN, WINDOW, True))
    u, v = tl.arange(0, WINDOW), tl.arange(0, OUTPUTS)
    at = ((chunk * tl.num_programs(1) + plane) * N_ROWS + a) * OUTPUTS * WINDOW
    tl.store(bands + at + v[:, None] * WINDOW + u[None, :], total)


@triton.jit
def _slots(first, n_tokens, n_heads, GROUP: tl.constexpr, SLOTS: tl.constexpr):
    """Head and query row of each of SLOTS places, which hold all heads of GROUP rows from `first` on, and whether it is used."""
    slot = tl.arange(0, SLOTS)
    row = first + slot // n_heads
    return slot % n_heads, row, (slot < GROUP * n_heads) & (row < n_tokens)


@triton.jit
def _mixing(weight, n_heads, dtype: tl.constexpr, GROUP: tl.constexpr, SLOTS: tl.constexpr, TRANSPOSED: tl.constexpr):
    """The weight as it acts on the slots, once for each row, rounded to `dtype`, and what rounding left: near 1 that is a lot."""
    to, source = tl.arange(0, SLOTS)[:, None], tl.arange(0, SLOTS)[None, :]
    used = (to // n_heads == source // n_heads) & (to < GROUP * n_heads)
    at = (source % n_heads) * n_heads + to % n_heads if TRANSPOSED else (to % n_heads) * n_heads + source % n_heads
    exact = tl.load(weight + at, mask=used, other=0.0)
    return exact.to(dtype), (exact - exact.to(dtype).to(tl.float32)).to(dtype)


@triton.jit
def _cells(maps, base, at, row, used, n_tokens, MASKED: tl.constexpr):
    """The cells `at` of the slots' rows; with MASKED, 0 above the diagonal. Where all are below it, that test is left out."""
    if MASKED:
        # Only bounds in the load's mask: they hold for whole vectors.
        tile = tl.load(maps + base[:, None] + at[None, :], mask=used[:, None] & (at[None, :] < n_tokens), other=0.0)
        tile = tl.where(used[:, None] & (at[None, :] <= row[:, None]), tile, 0.0)
    else:
        tile = tl.load(maps + base[:, None] + at[None, :], mask=used[:, None], other=0.0)
    return tile


@triton.jit
def _pattern(maps, base, at, row, used, log_sum, w, w_rest, n_tokens, MASKED: tl.constexpr):
    """Cells of the scores, and of their softmax after mixing."""
    tile = _cells(maps, base, at, row, used, n_tokens, MASKED)
    pattern = tl.exp(tl.dot(w_rest, tile, tl.dot(w, tile)) - log_sum[:, None])
    if MASKED:
        pattern = tl.where(used[:, None] & (at[None, :] <= row[:, None]), pattern, 0.0)
    return tile, pattern


@triton.jit
def _store(out, base, at, used, n_tokens, tile, MASKED: tl.constexpr):
    mask = used[:, None] & (at[None, :] < n_tokens) if MASKED else used[:, None]
    tl.store(out + base[:, None] + at[None, :], tile.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _mix_cells(maps, out, base, at, row, used, w, w_rest, n_tokens, MASKED: tl.constexpr):
    tile = _cells(maps, base, at, row, used, n_tokens, MASKED)
    _store(out, base, at, used, n_tokens, tl.dot(w_rest, tile, tl.dot(w, tile)), MASKED)
    return tile


@triton.jit
def _mix(maps, weight, out, n_tokens, n_heads, GROUP: tl.constexpr, SLOTS: tl.constexpr, KEYS: tl.constexpr):
    """out = weight · maps over heads, cell by cell, for GROUP query rows."""
    first, batch = tl.program_id(0) * GROUP, tl.program_id(1).to(tl.int64)
    head, row, used = _slots(first, n_tokens, n_heads, GROUP, SLOTS)
    w, w_rest = _mixing(weight, n_heads, maps.dtype.element_ty, GROUP, SLOTS, False)
    base = ((batch * n_heads + head) * n_tokens + row) * n_tokens
    whole = (first + 1) // KEYS * KEYS  # up to here all cells of all rows are below the diagonal
    for start in range(0, whole, KEYS):
        _mix_cells(maps, out, base, start + tl.arange(0, KEYS), row, used, w, w_rest, n_tokens, False)
    for start in range(whole, min(first + GROUP, n_tokens), KEYS):
        _mix_cells(maps, out, base, start + tl.arange(0, KEYS), row, used, w, w_rest, n_tokens, True)


@triton.jit
def _mix_gradient(maps, weight, grad, out, weights, n_tokens, n_heads, ROWS: tl.constexpr,
                  GROUP: tl.constexpr, SLOTS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """ROWS query rows: out = gradient of maps; weights = this program's share of that of the weight."""
    batch = tl.program_id(1).to(tl.int64)
    w, w_rest = _mixing(weight, n_heads, maps.dtype.element_ty, GROUP, SLOTS, True)
    total = tl.zeros((SLOTS, SLOTS), dtype=tl.float32)
    for first in range(tl.program_id(0) * ROWS, min(tl.program_id(0) * ROWS + ROWS, n_tokens), GROUP):
        head, row, used = _slots(first, n_tokens, n_heads, GROUP, SLOTS)
        base = ((batch * n_heads + head) * n_tokens + row) * n_tokens
        whole = (first + 1) // KEYS * KEYS
        for start in range(0, whole, KEYS):
            at = start + tl.arange(0, KEYS)
            upper = _mix_cells(grad, out, base, at, row, used, w, w_rest, n_tokens, False)
            total += tl.dot(upper, tl.trans(_cells(maps, base, at, row, used, n_tokens, False)))
        for start in range(whole, min(first + GROUP, n_tokens), KEYS):
            at = start + tl.arange(0, KEYS)
            upper = _mix_cells(grad, out, base, at, row, used, w, w_rest, n_tokens, True)
            total += tl.dot(upper, tl.trans(_cells(maps, base, at, row, used, n_tokens, True)))
    slot = tl.arange(0, SLOTS)
    weights += (batch * tl.num_programs(0) + tl.program_id(0)) * SLOTS * SLOTS
    tl.store(weights + slot[:, None] * SLOTS + slot[None, :], total)


@triton.jit
def _add_to_sum(maps, base, at, row, used, w, w_rest, top, mass, n_tokens, MASKED: tl.constexpr):
    """The running maximum and sum of a softmax with these cells added."""
    tile = _cells(maps, base, at, row, used, n_tokens, MASKED)
    mixed = tl.dot(w_rest, tile, tl.dot(w, tile))
    if MASKED:
        mixed = tl.where(at[None, :] <= row[:, None], mixed, float("-inf"))
    new_top = tl.maximum(top, tl.max(mixed, 1))
    return new_top, mass * tl.exp(top - new_top) + tl.sum(tl.exp(mixed - new_top[:, None]), 1)


@triton.jit
def _write_pattern(maps, out, base, at, row, used, log_sum, w, w_rest, w_after, w_after_rest, n_tokens,
                   MIX_AFTER: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    _, pattern = _pattern(maps, base, at, row, used, log_sum, w, w_rest, n_tokens, MASKED)
    if MIX_AFTER:
        rounded = pattern.to(out.dtype.element_ty)
        pattern = tl.dot(w_after_rest, rounded, tl.dot(w_after, rounded))
    _store(out, base, at, used, n_tokens, pattern, MASKED)


@triton.jit
def _mixed_softmax(maps, before, after, out, log_sums, n_tokens, n_heads, MIX_AFTER: tl.constexpr,
                   GROUP: tl.constexpr, SLOTS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """GROUP query rows: out = after · softmax(before · maps); log_sums gets the log of each head's softmax sum."""
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * GROUP  # the longest first
    batch = tl.program_id(1).to(tl.int64)
    head, row, used = _slots(first, n_tokens, n_heads, GROUP, SLOTS)
    w, w_rest = _mixing(before, n_heads, maps.dtype.element_ty, GROUP, SLOTS, False)
    w_after, w_after_rest = _mixing(after, n_heads, out.dtype.element_ty, GROUP, SLOTS, False)
    base = ((batch * n_heads + head) * n_tokens + row) * n_tokens
    whole, end = (first + 1) // KEYS * KEYS, min(first + GROUP, n_tokens)
    top = tl.full((SLOTS,), float("-inf"), dtype=tl.float32)
    mass = tl.zeros((SLOTS,), dtype=tl.float32)
    for start in range(0, whole, KEYS):
        top, mass = _add_to_sum(maps, base, start + tl.arange(0, KEYS), row, used, w, w_rest, top, mass, n_tokens, False)
    for start in range(whole, end, KEYS):
        top, mass = _add_to_sum(maps, base, start + tl.arange(0, KEYS), row, used, w, w_rest, top, mass, n_tokens, True)
    # Unused slots see zeros below the diagonal and nothing near it: a sum of 0 there must not become NaN.
    log_sum = tl.where(used, top + tl.log(mass), 0.0)
    tl.store(log_sums + (batch * n_heads + head) * n_tokens + row, log_sum, mask=used)
    for start in range(0, whole, KEYS):
        _write_pattern(maps, out, base, start + tl.arange(0, KEYS), row, used, log_sum, w, w_rest, w_after, w_after_rest, n_tokens, MIX_AFTER, False)
    for start in range(whole, end, KEYS):
        _write_pattern(maps, out, base, start + tl.arange(0, KEYS), row, used, log_sum, w, w_rest, w_after, w_after_rest, n_tokens, MIX_AFTER, True)


@triton.jit
def _cell_gradients(maps, grad, base, at, row, used, log_sum, w, w_rest, w_after_t, n_tokens,
                    MIX_AFTER: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    """Scores, pattern, gradient of the output and gradient of the pattern, of these cells."""
    tile, pattern = _pattern(maps, base, at, row, used, log_sum, w, w_rest, n_tokens, MASKED)
    upper = _cells(grad, base, at, row, used, n_tokens, MASKED)
    if MIX_AFTER:
        back = tl.dot(w_after_t, upper)
    else:
        back = upper.to(tl.float32)
    return tile, pattern, upper, back


@triton.jit
def _write_gradient(maps, grad, out, base, at, row, used, log_sum, inner, w, w_rest, w_t, w_after_t,
                    grad_before, grad_after, n_tokens, MIX_AFTER: tl.constexpr, MASKED: tl.constexpr):  # fmt: skip
    tile, pattern, upper, back = _cell_gradients(maps, grad, base, at, row, used, log_sum, w, w_rest, w_after_t, n_tokens, MIX_AFTER, MASKED)
    slope = (pattern * (back - inner[:, None])).to(out.dtype.element_ty)
    _store(out, base, at, used, n_tokens, tl.dot(w_t, slope), MASKED)
    grad_before = tl.dot(slope, tl.trans(tile.to(out.dtype.element_ty)), grad_before)
    if MIX_AFTER:
        grad_after = tl.dot(upper, tl.trans(pattern.to(out.dtype.element_ty)), grad_after)
    return grad_before, grad_after


@triton.jit
def _mixed_softmax_gradient(maps, before, after, log_sums, grad, out, weights, n_tokens, n_heads, MIX_AFTER: tl.constexpr,
                            ROWS: tl.constexpr, GROUP: tl.constexpr, SLOTS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """ROWS query rows: out = gradient of maps; weights[0 and 1] = this program's share of those of before and after."""
    batch = tl.program_id(1).to(tl.int64)
    w, w_rest = _mixing(before, n_heads, maps.dtype.element_ty, GROUP, SLOTS, False)
    # Gradients are rounded to bfloat16 anyway; what the weights' rounding leaves is not worth its products here.
    w_t, _ = _mixing(before, n_heads, out.dtype.element_ty, GROUP, SLOTS, True)
    w_after_t, _ = _mixing(after, n_heads, out.dtype.element_ty, GROUP, SLOTS, True)
    grad_before = tl.zeros((SLOTS, SLOTS), dtype=tl.float32)
    grad_after = tl.zeros((SLOTS, SLOTS), dtype=tl.float32)
    block = tl.num_programs(0) - 1 - tl.program_id(0)  # the longest first
    for first in range(block * ROWS, min(block * ROWS + ROWS, n_tokens), GROUP):
        head, row, used = _slots(first, n_tokens, n_heads, GROUP, SLOTS)
        base = ((batch * n_heads + head) * n_tokens + row) * n_tokens
        whole, end = (first + 1) // KEYS * KEYS, min(first + GROUP, n_tokens)
        log_sum = tl.load(log_sums + (batch * n_heads + head) * n_tokens + row, mask=used, other=0.0)
        inner = tl.zeros((SLOTS,), dtype=tl.float32)
        for start in range(0, whole, KEYS):
            _, pattern, _, back = _cell_gradients(maps, grad, base, start + tl.arange(0, KEYS), row, used, log_sum, w, w_rest, w_after_t, n_tokens, MIX_AFTER, False)
            inner += tl.sum(pattern * back, 1)
        for start in range(whole, end, KEYS):
            _, pattern, _, back = _cell_gradients(maps, grad, base, start + tl.arange(0, KEYS), row, used, log_sum, w, w_rest, w_after_t, n_tokens, MIX_AFTER, True)
            inner += tl.sum(pattern * back, 1)
        for start in range(0, whole, KEYS):
            grad_before, grad_after = _write_gradient(maps, grad, out, base, start + tl.arange(0, KEYS), row, used, log_sum, inner, w, w_rest, w_t, w_after_t, grad_before, grad_after, n_tokens, MIX_AFTER, False)
        for start in range(whole, end, KEYS):
            grad_before, grad_after = _write_gradient(maps, grad, out, base, start + tl.arange(0, KEYS), row, used, log_sum, inner, w, w_rest, w_t, w_after_t, grad_before, grad_after, n_tokens, MIX_AFTER, True)
    slot = tl.arange(0, SLOTS)
    weights += (batch * tl.num_programs(0) + tl.program_id(0)) * 2 * SLOTS * SLOTS + slot[:, None] * SLOTS + slot[None, :]
    tl.store(weights, grad_before)
    tl.store(weights + SLOTS * SLOTS, grad_after)


def _tile(kernel: Tensor, before: int) -> Tuple[int, int, int]:
    reach = max(before, kernel.shape[-1] - 1 - before)
    for tile in TILES:
        if reach <= tile[2]:
            return tile
    raise ValueError(f"The kernel is {kernel.shape[-1]} keys wide; at most {TILES[-1][2]} on either side can be convolved.")


def _bands(kernel: Tensor, before: int, tile: Tuple[int, int, int], dtype: torch.dtype) -> Tensor:
    """[head, query row, window, outputs]: each kernel row on the diagonals of a matrix, `before` columns of it left of centre."""
    outputs, window, margin = tile
    n_columns = kernel.shape[-1]
    u, v = torch.arange(window, device=kernel.device)[:, None], torch.arange(outputs, device=kernel.device)
    column = u - v - (margin - before)
    column = torch.where((column >= 0) & (column < n_columns), column, n_columns)  # n_columns: no tap
    return F.pad(kernel[:, 0].to(dtype), (0, 1))[:, :, column].contiguous()


def _without_identity(kernel: Tensor, before: int) -> Tensor:
    """The kernel less the tap that is the cell itself, which is added in float32: near the identity the rest keeps its precision."""
    rest = kernel.detach().float().clone()
    rest[:, 0, -1, before] -= 1.0
    return rest


def _launch_convolve(maps: Tensor, kernel: Tensor, before: int, first_row: int, rows: int = 64, strip: int = 512, warps: int = 2) -> Tensor:
    outputs, window, margin = tile = _tile(kernel, before)
    bands = _bands(kernel, before, tile, maps.dtype)
    n_batch, n_heads, n_tokens, _ = maps.shape
    out = torch.empty_like(maps)
    grid = (triton.cdiv(n_tokens, strip), triton.cdiv(n_tokens, rows), n_batch * n_heads)
    _convolve[grid](maps, bands, out, n_tokens, n_heads, first_row, N_ROWS=bands.shape[1], ROWS=rows, STRIP=strip,
                    OUTPUTS=outputs, WINDOW=window, MARGIN=margin, num_warps=warps)  # fmt: skip
    return out


def convolve_forward(maps: Tensor, kernel: Tensor, before: int) -> Tensor:
    """`key_query_conv` of the cells on and below the diagonal; `before` columns of padding."""
    return _launch_convolve(maps.contiguous(), _without_identity(kernel, before), before, 1 - kernel.shape[-2])


def convolve_backward(grad: Tensor, maps: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    """Gradients of maps and kernel."""
    maps, grad = maps.contiguous(), grad.contiguous()
    after = kernel.shape[-1] - 1 - before
    grad_maps = _launch_convolve(grad, _without_identity(kernel, before).flip(-1, -2), after, 0)
    return grad_maps, _launch_kernel_gradient(grad, maps, kernel, before)


def _launch_kernel_gradient(grad: Tensor, maps: Tensor, kernel: Tensor, before: int, rows: int = 64, warps: int = 2) -> Tensor:
    n_batch, n_heads, n_tokens, _ = maps.shape
    n_rows, n_columns = kernel.shape[-2:]
    outputs, window, margin = TILES[-1]
    chunk = 256
    n_chunks = triton.cdiv(n_tokens, chunk)
    bands = torch.empty(n_chunks * n_batch, n_heads, n_rows, outputs, window, dtype=torch.float32, device=maps.device)
    _convolve_kernel_gradient[(n_rows, n_batch * n_heads, n_chunks)](
        maps, grad, bands, n_tokens, 1 - n_rows, N_ROWS=n_rows, CHUNK=chunk, ROWS=rows, OUTPUTS=outputs, WINDOW=window,
        MARGIN=margin, num_warps=warps,
    )  # fmt: skip
    v, b = torch.arange(outputs, device=maps.device)[:, None], torch.arange(n_columns, device=maps.device)
    return bands.sum(0)[:, :, v, v + b + margin - before].sum(-2)[:, None].to(kernel.dtype)


def _grouping(n_heads: int) -> dict:
    """How many query rows share a product over heads: tensor cores take 16 rows at least, and 32 leave fewer unused."""
    if n_heads > SLOTS:
        raise ValueError(f"There are {n_heads} heads; at most {SLOTS} can be mixed.")
    return {"GROUP": SLOTS // n_heads, "SLOTS": SLOTS}


def _weight_gradient(parts: Tensor, n_heads: int) -> Tensor:
    """[…, head, head] from the programs' shares [program, …, slot, slot]: the sum over the rows that share the slots."""
    group = SLOTS // n_heads
    total = parts.sum(0)[..., : group * n_heads, : group * n_heads].unflatten(-1, (group, n_heads)).unflatten(-3, (group, n_heads))
    return total.diagonal(dim1=-4, dim2=-2).sum(-1)


def mix_forward(maps: Tensor, weight: Tensor, keys: int = 64, warps: int = 4) -> Tensor:
    """`mix_heads` on and below the diagonal: weight [destination, source]."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    grouping, out = _grouping(n_heads), torch.empty_like(maps)
    _mix[(triton.cdiv(n_tokens, grouping["GROUP"]), n_batch)](
        maps, weight.float().contiguous(), out, n_tokens, n_heads, KEYS=keys, num_warps=warps, **grouping
    )
    return out


def mix_backward(grad: Tensor, maps: Tensor, weight: Tensor, keys: int = 32, groups: int = 1, warps: int = 2) -> Tuple[Tensor, Tensor]:
    """Gradients of maps and weight."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    grouping, out = _grouping(n_heads), torch.empty_like(maps)
    rows = groups * grouping["GROUP"]
    n_programs = triton.cdiv(n_tokens, rows)
    weights = torch.empty(n_batch * n_programs, SLOTS, SLOTS, dtype=torch.float32, device=maps.device)
    _mix_gradient[(n_programs, n_batch)](
        maps, weight.float().contiguous(), grad.contiguous(), out, weights, n_tokens, n_heads, ROWS=rows, KEYS=keys, num_warps=warps, **grouping
    )
    return out, _weight_gradient(weights, n_heads).to(weight.dtype)


def mixed_softmax_forward(
    maps: Tensor, before: Tensor, after: Optional[Tensor], keys: int = 32, warps: int = 2, stages: int = 3
) -> Tuple[Tensor, Tensor]:
    """after · softmax(before · maps) along keys in bfloat16; weights [destination, source]. Also the log sums [batch, head, query]."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    grouping = _grouping(n_heads)
    out = torch.empty(maps.shape, dtype=torch.bfloat16, device=maps.device)
    log_sums = torch.empty(n_batch, n_heads, n_tokens, dtype=torch.float32, device=maps.device)
    before = before.float().contiguous()
    _mixed_softmax[(triton.cdiv(n_tokens, grouping["GROUP"]), n_batch)](
        maps, before, before if after is None else after.float().contiguous(), out, log_sums, n_tokens, n_heads,
        MIX_AFTER=after is not None, KEYS=keys, num_warps=warps, num_stages=stages, **grouping,
    )  # fmt: skip
    return out, log_sums


def mixed_softmax_backward(
    grad: Tensor, maps: Tensor, before: Tensor, after: Optional[Tensor], log_sums: Tensor,
    keys: int = 32, groups: int = 2, warps: int = 2, stages: int = 3,
) -> Tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of maps (bfloat16), before and after; that of after means nothing when there is none."""
    n_batch, n_heads, n_tokens, _ = maps.shape
    grouping, grad = _grouping(n_heads), grad.contiguous()
    out = torch.empty_like(grad)
    rows = groups * grouping["GROUP"]
    n_programs = triton.cdiv(n_tokens, rows)
    weights = torch.empty(n_batch * n_programs, 2, SLOTS, SLOTS, dtype=torch.float32, device=maps.device)
    w_before = before.float().contiguous()
    _mixed_softmax_gradient[(n_programs, n_batch)](
        maps, w_before, w_before if after is None else after.float().contiguous(), log_sums, grad, out, weights, n_tokens, n_heads,
        MIX_AFTER=after is not None, ROWS=rows, KEYS=keys, num_warps=warps, num_stages=stages, **grouping,
    )  # fmt: skip
    grad_before, grad_after = _weight_gradient(weights, n_heads)
    return out, grad_before.to(before.dtype), grad_after.clone()


def wide_scores_forward(query: Tensor, key: Tensor, kernel: Tensor, band: Optional[Tensor], before: int) -> Tensor:
    """Convolved scores in float16. kernel: [head, query_kernel_size, key_kernel_size]; band: see `overhang`."""
    wide_query, wide_key = _wide(query, key, kernel, before)
    return scores(wide_query, wide_key, torch.float16, band.contiguous() if band is not None and band.numel() else None)


def wide_scores_backward(
    grad: Tensor, query: Tensor, key: Tensor, kernel: Tensor, n_band: int, before: int
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, kernel and band."""
    grad = grad.contiguous()
    n_tokens, n_rows = query.shape[2], kernel.shape[-2]
    wide_query, wide_key = _wide(query, key, kernel, before)
    grad_query = down(grad, wide_key, torch.empty_like(wide_query, dtype=torch.bfloat16))
    grad_key = across(grad, wide_query, torch.empty_like(wide_key, dtype=torch.bfloat16))
    back = torch.arange(n_band, device=grad.device)
    at = torch.arange(n_tokens, device=grad.device)[:, None] - back
    grad_band = -torch.where(at >= 0, grad.gather(-1, at.clamp_min(0).expand(*grad.shape[:2], -1, -1)).float(), 0.0)
    return (
        filtered_gradient(grad_query, _shifts(kernel), n_rows - 1, like_vectors(query)),
        filtered_gradient(grad_key, kernel.float().contiguous(), before, like_vectors(key)),
        filter_gradient(grad_key, key, kernel.shape[-1], before).to(kernel.dtype),
        grad_band,
    )


def _shifts(kernel: Tensor) -> Tensor:
    """The filter that lays the queries of all kernel rows side by side."""
    return torch.eye(kernel.shape[-2], device=kernel.device).repeat(kernel.shape[0], 1, 1)


def _wide(query: Tensor, key: Tensor, kernel: Tensor, before: int) -> Tuple[Tensor, Tensor]:
    n_rows = kernel.shape[-2]
    return (filtered(query, _shifts(kernel), n_rows - 1, torch.float16),
            filtered(key, kernel.detach().float().contiguous(), before, torch.float16))  # fmt: skip
