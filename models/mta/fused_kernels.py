"""Triton kernels of `mta/fused_attention.py`, which explains them.

A tile of all heads is a tuple of register tensors, [query, key] each; sums over tiles are kept the other way round,
[DIM, query] or [DIM, key]: so the tile's values enter the product from shared memory, which Triton fills as they are,
where it would otherwise compute the whole mixing a second time in the layout that the product wants.

What happens between products stands in an `if` that is always true. The compiler cannot know that, so it loads weights
again for each tile (kept in registers they would take up to 98 of the 255), and does not see that scores flow into
another product: if it did, it would give all warps rows of the scores, of which there are too few, and warps would repeat
each other's work.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _tiles(source, row, n_tokens, N_HEADS: tl.constexpr, DIM: tl.constexpr):
    """Rows of every head, a tuple of [row, DIM]; 0 past the last token."""
    at = row[:, None] * (N_HEADS * DIM) + tl.arange(0, DIM)[None, :]
    tiles = ()
    for head in tl.static_range(N_HEADS):
        tiles += (tl.load(source + head * DIM + at, mask=row[:, None] < n_tokens, other=0.0),)
    return tiles


@triton.jit
def _vectors(source, row, n_tokens, N_HEADS: tl.constexpr):
    """One number a row of every head, from [head, token]: a tuple of [row]."""
    vectors = ()
    for head in tl.static_range(N_HEADS):
        vectors += (tl.load(source + head * n_tokens + row, mask=row < n_tokens, other=0.0),)
    return vectors


@triton.jit
def _products(lefts, rights, N_HEADS: tl.constexpr):
    """lefts_h · rights_hᵀ of every head, float32."""
    products = ()
    for head in tl.static_range(N_HEADS):
        products += (tl.dot(lefts[head], tl.trans(rights[head])),)
    return products


@triton.jit
def _mixed(maps, weight, FIRST: tl.constexpr, STEP: tl.constexpr, N_HEADS: tl.constexpr):
    """Σ_i weight[FIRST + i · STEP] · maps_i: row g of a weight matrix with (g · N_HEADS, 1), column g with (g, N_HEADS)."""
    total = maps[0] * tl.load(weight + FIRST)
    for i in tl.static_range(1, N_HEADS):
        total += maps[i] * tl.load(weight + FIRST + i * STEP)
    return total


@triton.jit
def _patterns(scores, before, log_sums, allowed, N_HEADS: tl.constexpr):
    """P_g of every head; 0 where not allowed."""
    patterns = ()
    for g in tl.static_range(N_HEADS):
        mixed = _mixed(scores, before, g * N_HEADS, 1, N_HEADS)
        patterns += (tl.where(allowed, tl.exp2(mixed - log_sums[g][:, None]), 0.0),)
    return patterns


@triton.jit
def _slopes(patterns, uppers, after, inners, N_HEADS: tl.constexpr):
    """dM_g of every head from P, dA and D."""
    slopes = ()
    for g in tl.static_range(N_HEADS):
        slopes += (patterns[g] * (_mixed(uppers, after, g, N_HEADS, N_HEADS) - inners[g][:, None]),)
    return slopes


@triton.jit
def _mixed_all(maps, weight, ROW_STEP: tl.constexpr, STEP: tl.constexpr, N_HEADS: tl.constexpr, DTYPE: tl.constexpr):
    """`_mixed` for every head, ready for a product: rows of the weight with steps (N_HEADS, 1), columns with (1, N_HEADS)."""
    mixed = ()
    for head in tl.static_range(N_HEADS):
        mixed += (_mixed(maps, weight, head * ROW_STEP, STEP, N_HEADS).to(DTYPE),)
    return mixed


@triton.jit
def _add_products(totals, tiles, weights, N_HEADS: tl.constexpr):
    """totals_h + tiles_hᵀ · weights_h, [DIM, column of the weights]."""
    sums = ()
    for head in tl.static_range(N_HEADS):
        sums += (tl.dot(tl.trans(tiles[head]), weights[head], totals[head]),)
    return sums


@triton.jit
def _transposed(tiles, N_HEADS: tl.constexpr):
    transposed = ()
    for head in tl.static_range(N_HEADS):
        transposed += (tl.trans(tiles[head]),)
    return transposed


@triton.jit
def _zeros(N: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DTYPE: tl.constexpr):
    tiles = ()
    for _ in tl.static_range(N):
        tiles += (tl.zeros((HEIGHT, WIDTH), dtype=DTYPE),)
    return tiles


@triton.jit
def _thread_zeros(ROWS: tl.constexpr, GROUPS: tl.constexpr, N: tl.constexpr):
    tiles = ()
    for _ in tl.static_range(N):
        tiles += (tl.zeros((ROWS // 16, 8, GROUPS, 4), dtype=tl.float32),)
    return tiles


@triton.jit
def _row_sums(cells, GROUPS: tl.constexpr):
    """[row, key] summed over the keys that one thread holds, [row, GROUPS, 4]: no traffic between threads."""
    ROWS: tl.constexpr = cells.shape[0]
    KEYS: tl.constexpr = cells.shape[1]
    split = tl.reshape(cells, (ROWS, GROUPS, KEYS // (8 * GROUPS), 4, 2))
    return tl.sum(tl.sum(split, 4), 2)


@triton.jit
def _thread_sums(row_sums):
    """Of `_row_sums`, summed over the rows that one thread holds, [row / 16, 8, GROUPS, 4]."""
    ROWS: tl.constexpr = row_sums.shape[0]
    return tl.sum(tl.reshape(row_sums, (ROWS // 16, 2, 8, row_sums.shape[1], 4)), 1)


@triton.jit
def _summed(parts, LENGTH: tl.constexpr, COUNT: tl.constexpr, N_HEADS: tl.constexpr):
    """[LENGTH, 8]: one column a head, each part of LENGTH × COUNT numbers summed over COUNT; 0 past the last head."""
    stack = ()
    for i in tl.static_range(8):
        if i < N_HEADS:
            stack += (tl.reshape(parts[i], (LENGTH, COUNT)),)
        else:
            stack += (tl.zeros((LENGTH, COUNT), dtype=tl.float32),)
    low = tl.join(tl.join(stack[0], stack[1]), tl.join(stack[2], stack[3]))
    high = tl.join(tl.join(stack[4], stack[5]), tl.join(stack[6], stack[7]))
    return tl.reshape(tl.permute(tl.sum(tl.join(low, high), 1), (0, 3, 2, 1)), (LENGTH, 8))


@triton.jit
def _write_weights(out, sums, COUNT: tl.constexpr, N_HEADS: tl.constexpr):
    """out[N_HEADS, 8]: the totals of N_HEADS² `_thread_sums`, COUNT numbers each."""
    for f in tl.static_range(N_HEADS):
        row = ()
        for g in tl.static_range(N_HEADS):
            row += (sums[f * N_HEADS + g],)
        at = tl.arange(0, 8)[None, :] + tl.zeros((1, 1), dtype=tl.int32)
        tl.store(out + f * 8 + at, _summed(row, 1, COUNT, N_HEADS))


@triton.jit
def _write(out, totals, factor, row, n_tokens, N_HEADS: tl.constexpr, DIM: tl.constexpr):
    """The inverse of `_tiles` for [DIM, row], times `factor`."""
    at = row[:, None] * (N_HEADS * DIM) + tl.arange(0, DIM)[None, :]
    for head in tl.static_range(N_HEADS):
        tile = tl.trans((totals[head] * factor).to(out.dtype.element_ty))
        tl.store(out + head * DIM + at, tile, mask=row[:, None] < n_tokens)


@triton.jit
def log_sums_kernel(query, key, before, log_sums, n_tokens,
                    N_HEADS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """log_sums[batch, head, query] for ROWS queries."""
    batch = tl.program_id(1).to(tl.int64)
    query += batch * n_tokens * N_HEADS * DIM
    key += batch * n_tokens * N_HEADS * DIM
    log_sums += batch * N_HEADS * n_tokens
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * ROWS  # the longest work first
    row = first + tl.arange(0, ROWS)
    queries = _tiles(query, row, n_tokens, N_HEADS, DIM)
    tops, masses = (), ()
    for g in tl.static_range(N_HEADS):
        tops += (tl.full((ROWS,), float("-inf"), dtype=tl.float32),)
        masses += (tl.zeros((ROWS,), dtype=tl.float32),)
    for start in range(0, min(first + ROWS, n_tokens), KEYS):
        column = start + tl.arange(0, KEYS)
        allowed = column[None, :] <= row[:, None]
        scores = _products(queries, _tiles(key, column, n_tokens, N_HEADS, DIM), N_HEADS)
        new_tops, new_masses = (), ()
        for g in tl.static_range(N_HEADS):
            mixed = tl.where(allowed, _mixed(scores, before, g * N_HEADS, 1, N_HEADS), float("-inf"))
            top = tl.maximum(tops[g], tl.max(mixed, 1))
            new_masses += (masses[g] * tl.exp2(tops[g] - top) + tl.sum(tl.exp2(mixed - top[:, None]), 1),)
            new_tops += (top,)
        tops, masses = new_tops, new_masses
    for g in tl.static_range(N_HEADS):
        tl.store(log_sums + g * n_tokens + row, tops[g] + tl.log2(masses[g]), mask=row < n_tokens)


@triton.jit
def attend_kernel(query, key, value, before, after, log_sums, out, n_tokens,
                  N_HEADS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """out = O for ROWS queries."""
    batch = tl.program_id(1).to(tl.int64)
    offset = batch * n_tokens * N_HEADS * DIM
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * ROWS
    row = first + tl.arange(0, ROWS)
    queries = _tiles(query + offset, row, n_tokens, N_HEADS, DIM)
    sums = _vectors(log_sums + batch * N_HEADS * n_tokens, row, n_tokens, N_HEADS)
    totals = _zeros(N_HEADS, DIM, ROWS, tl.float32)
    for start in range(0, min(first + ROWS, n_tokens), KEYS):
        column = start + tl.arange(0, KEYS)
        keys = _tiles(key + offset, column, n_tokens, N_HEADS, DIM)
        values = _tiles(value + offset, column, n_tokens, N_HEADS, DIM)
        weights = _zeros(N_HEADS, ROWS, KEYS, out.dtype.element_ty)
        if start >> 30 == 0:
            scores = _products(queries, keys, N_HEADS)
            patterns = _patterns(scores, before, sums, column[None, :] <= row[:, None], N_HEADS)
            weights = _mixed_all(patterns, after, N_HEADS, 1, N_HEADS, out.dtype.element_ty)
        totals = _add_products(totals, values, _transposed(weights, N_HEADS), N_HEADS)
    _write(out + offset, totals, 1.0, row, n_tokens, N_HEADS, DIM)


@triton.jit
def value_gradient_kernel(query, key, value, grad, before, after, log_sums, grad_value, inner, grad_after, n_tokens,
                          N_HEADS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, GROUPS: tl.constexpr):  # fmt: skip
    """grad_value for KEYS keys; these keys' shares of D, inner[batch, tile, query, head], and of
    the transposed grad_after[batch, tile]."""
    batch, tile = tl.program_id(1).to(tl.int64), tl.program_id(0)
    offset = batch * n_tokens * N_HEADS * DIM
    log_sums += batch * N_HEADS * n_tokens
    inner += (batch * tl.num_programs(0) + tile) * n_tokens * 8
    grad_after += (batch * tl.num_programs(0) + tile) * N_HEADS * 8
    column = tile * KEYS + tl.arange(0, KEYS)
    keys = _tiles(key + offset, column, n_tokens, N_HEADS, DIM)
    values = _tiles(value + offset, column, n_tokens, N_HEADS, DIM)
    totals = _zeros(N_HEADS, DIM, KEYS, tl.float32)
    shares = _thread_zeros(ROWS, GROUPS, N_HEADS * N_HEADS)
    for first in range(tile * KEYS // ROWS * ROWS, n_tokens, ROWS):
        row = first + tl.arange(0, ROWS)
        queries = _tiles(query + offset, row, n_tokens, N_HEADS, DIM)
        grads = _tiles(grad + offset, row, n_tokens, N_HEADS, DIM)
        sums = _vectors(log_sums, row, n_tokens, N_HEADS)
        weights = _zeros(N_HEADS, ROWS, KEYS, grad.dtype.element_ty)
        inners = tl.zeros((ROWS, 8), dtype=tl.float32)
        if first >> 30 == 0:
            scores = _products(queries, keys, N_HEADS)
            patterns = _patterns(scores, before, sums, column[None, :] <= row[:, None], N_HEADS)
            weights = _mixed_all(patterns, after, N_HEADS, 1, N_HEADS, grad.dtype.element_ty)
            uppers = _products(grads, values, N_HEADS)
            new_shares, parts = (), ()
            for g in tl.static_range(N_HEADS):
                part = tl.zeros((ROWS, GROUPS, 4), dtype=tl.float32)
                for f in tl.static_range(N_HEADS):
                    share = _row_sums(patterns[g] * uppers[f], GROUPS)
                    new_shares += (shares[g * N_HEADS + f] + _thread_sums(share),)
                    part += share * tl.load(after + f * N_HEADS + g)
                parts += (part,)
            shares = new_shares
            inners = _summed(parts, ROWS, 4 * GROUPS, N_HEADS)
        totals = _add_products(totals, grads, weights, N_HEADS)
        at = row[:, None] * 8 + tl.arange(0, 8)[None, :]
        tl.store(inner + at, inners, mask=row[:, None] < n_tokens)
    _write(grad_value + offset, totals, 1.0, column, n_tokens, N_HEADS, DIM)
    _write_weights(grad_after, shares, ROWS * GROUPS * 2, N_HEADS)


@triton.jit
def query_gradient_kernel(query, key, value, grad, before, after, log_sums, inner, grad_query, n_tokens, factor,
                          N_HEADS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr):  # fmt: skip
    """grad_query for ROWS queries, times `factor`."""
    batch = tl.program_id(1).to(tl.int64)
    offset = batch * n_tokens * N_HEADS * DIM
    first = (tl.num_programs(0) - 1 - tl.program_id(0)) * ROWS
    row = first + tl.arange(0, ROWS)
    queries = _tiles(query + offset, row, n_tokens, N_HEADS, DIM)
    grads = _tiles(grad + offset, row, n_tokens, N_HEADS, DIM)
    sums = _vectors(log_sums + batch * N_HEADS * n_tokens, row, n_tokens, N_HEADS)
    inners = _vectors(inner + batch * N_HEADS * n_tokens, row, n_tokens, N_HEADS)
    totals = _zeros(N_HEADS, DIM, ROWS, tl.float32)
    for start in range(0, min(first + ROWS, n_tokens), KEYS):
        column = start + tl.arange(0, KEYS)
        keys = _tiles(key + offset, column, n_tokens, N_HEADS, DIM)
        values = _tiles(value + offset, column, n_tokens, N_HEADS, DIM)
        lowers = _zeros(N_HEADS, ROWS, KEYS, grad_query.dtype.element_ty)
        if start >> 30 == 0:
            scores = _products(queries, keys, N_HEADS)
            patterns = _patterns(scores, before, sums, column[None, :] <= row[:, None], N_HEADS)
            slopes = _slopes(patterns, _products(grads, values, N_HEADS), after, inners, N_HEADS)
            lowers = _mixed_all(slopes, before, 1, N_HEADS, N_HEADS, grad_query.dtype.element_ty)
        totals = _add_products(totals, keys, _transposed(lowers, N_HEADS), N_HEADS)
    _write(grad_query + offset, totals, factor, row, n_tokens, N_HEADS, DIM)


@triton.jit
def key_gradient_kernel(query, key, value, grad, before, after, log_sums, inner, grad_key, grad_before, n_tokens, factor,
                        N_HEADS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr, GROUPS: tl.constexpr):  # fmt: skip
    """grad_key for KEYS keys, times `factor`; these keys' share of grad_before[batch, tile]."""
    batch, tile = tl.program_id(1).to(tl.int64), tl.program_id(0)
    offset = batch * n_tokens * N_HEADS * DIM
    grad_before += (batch * tl.num_programs(0) + tile) * N_HEADS * 8
    column = tile * KEYS + tl.arange(0, KEYS)
    keys = _tiles(key + offset, column, n_tokens, N_HEADS, DIM)
    values = _tiles(value + offset, column, n_tokens, N_HEADS, DIM)
    totals = _zeros(N_HEADS, DIM, KEYS, tl.float32)
    shares = _thread_zeros(ROWS, GROUPS, N_HEADS * N_HEADS)
    for first in range(tile * KEYS // ROWS * ROWS, n_tokens, ROWS):
        row = first + tl.arange(0, ROWS)
        queries = _tiles(query + offset, row, n_tokens, N_HEADS, DIM)
        grads = _tiles(grad + offset, row, n_tokens, N_HEADS, DIM)
        sums = _vectors(log_sums + batch * N_HEADS * n_tokens, row, n_tokens, N_HEADS)
        inners = _vectors(inner + batch * N_HEADS * n_tokens, row, n_tokens, N_HEADS)
        lowers = _zeros(N_HEADS, ROWS, KEYS, grad_key.dtype.element_ty)
        if first >> 30 == 0:
            scores = _products(queries, keys, N_HEADS)
            patterns = _patterns(scores, before, sums, column[None, :] <= row[:, None], N_HEADS)
            slopes = _slopes(patterns, _products(grads, values, N_HEADS), after, inners, N_HEADS)
            new_shares = ()
            for g in tl.static_range(N_HEADS):
                for h in tl.static_range(N_HEADS):
                    new_shares += (shares[g * N_HEADS + h] + _thread_sums(_row_sums(slopes[g] * scores[h], GROUPS)),)
            shares = new_shares
            lowers = _mixed_all(slopes, before, 1, N_HEADS, N_HEADS, grad_key.dtype.element_ty)
        totals = _add_products(totals, queries, lowers, N_HEADS)
    _write(grad_key + offset, totals, factor, column, n_tokens, N_HEADS, DIM)
    _write_weights(grad_before, shares, ROWS * GROUPS * 2, N_HEADS)
