"""One Multi-Token Attention layer, and the parts it is made of.

Follows the authors' code where it differs from the paper (arXiv:2504.00927): the key-query convolution is a
cross-correlation over scores whose masked cells are 0, the head kernels are [source, destination].
This is the plain, readable form that the golden vectors hold; `mta/fast_attention.py` computes the same faster.
"""

from __future__ import annotations

import math
from typing import Dict, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .rope import apply_rope

Taps = Dict[str, Tensor]


def causal_mask(seqlen: int, device=None, doc_lengths: Optional[Sequence[int]] = None) -> Tensor:
    """Allowed cells, [query, key] of bool: the key is not later than the query, and of the same document."""
    allowed = torch.ones(seqlen, seqlen, dtype=torch.bool, device=device).tril()
    if doc_lengths is not None:
        if sum(doc_lengths) != seqlen:
            raise ValueError(f"doc_lengths {list(doc_lengths)} add up to {sum(doc_lengths)}, not {seqlen}.")
        doc_ids = torch.repeat_interleave(
            torch.arange(len(doc_lengths), device=device), torch.tensor(list(doc_lengths), device=device)
        )
        allowed = allowed & (doc_ids[:, None] == doc_ids[None, :])
    return allowed


def key_padding(key_kernel_size: int, pad_key: str) -> Tuple[int, int]:
    """Columns of zeros before and after the key axis."""
    if pad_key == "left":
        return key_kernel_size - 1, 0
    if pad_key == "right":
        return 0, key_kernel_size - 1
    return (key_kernel_size - 1) // 2, (key_kernel_size - 1) // 2


def key_query_conv(scores: Tensor, kernel: Tensor, pad_key: str = "both") -> Tensor:
    """Convolve attention scores over the query and key axes, one kernel per head.

    scores: [batch, head, query, key], masked cells already 0.
    kernel: [head, 1, query_kernel_size, key_kernel_size]; its last row is the current query, older ones before it;
    padding is causal in `query`, and in `key` as `pad_key` says.
    Returns the same shape as `scores`; does not modify its input. Masked cells of the result hold no meaning.
    Source: Multi-Token Attention, arXiv:2504.00927, §3.1; orientation as in the authors' code.
    """
    query_size, key_size = kernel.shape[-2:]
    before, after = key_padding(key_size, pad_key)
    padded = F.pad(scores, (before, after, query_size - 1, 0))
    return F.conv2d(padded, kernel.to(scores.dtype), groups=kernel.shape[0])


def key_query_conv_by_document(scores: Tensor, kernel: Tensor, doc_lengths: Sequence[int], pad_key: str = "both") -> Tensor:
    """`key_query_conv` on each document's own square alone, so that nothing leaks from one into the next.

    scores: [batch, head, query, key]; cells outside the squares come back 0.
    """
    mixed = torch.zeros_like(scores)
    start = 0
    for length in doc_lengths:
        square = (..., slice(start, start + length), slice(start, start + length))
        mixed[square] = key_query_conv(scores[square], kernel, pad_key)
        start += length
    return mixed


def mix_heads(maps: Tensor, weight: Tensor) -> Tensor:
    """Linear mixing of all heads at each cell; weight is [destination, source] (`wpsm`, `wposm`).

    maps: [batch, head, query, key]. Returns the same shape.
    """
    return (weight.to(maps.dtype) @ maps.flatten(2)).view_as(maps)


def mix_head_groups(maps: Tensor, kernel: Tensor) -> Tensor:
    """Linear mixing inside groups of consecutive heads; kernel is [group, source, destination] (`head_kernel`).

    maps: [batch, head, query, key]. Returns the same shape.
    """
    return mix_heads(maps, torch.block_diag(*kernel.transpose(1, 2)))


def identity_kernel(n_heads: int, query_kernel_size: int, key_kernel_size: int) -> Tensor:
    """The kernel that changes nothing, [head, 1, query_kernel_size, key_kernel_size]."""
    kernel = torch.zeros(n_heads, 1, query_kernel_size, key_kernel_size)
    kernel[:, :, -1, key_kernel_size // 2] = 1.0
    return kernel


def depth_scale(layer_idx: int) -> float:
    """1 − λ with λ = 0.8 − 0.6·exp(−0.3·layer): 0.8 in layer 0, 0.2 in deep layers (depth scaling)."""
    return 1.0 - (0.8 - 0.6 * math.exp(-0.3 * layer_idx))


class RMSNorm(nn.Module):
    """Root-mean-square normalisation over the last axis, in float32, then a weight."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (normed * self.weight).to(x.dtype)


class Attention(nn.Module):
    """Multi-Token Attention of one layer; plain attention when the configuration asks for no part of it.

    forward(x [batch, token, dim]) -> [batch, token, dim]. x is already normalised by the block.
    """

    def __init__(self, config: ModelConfig, layer_idx: int) -> None:
        super().__init__()
        mta = config.mta
        self.n_heads, self.n_kv_heads, self.head_dim = config.n_heads, config.n_kv_heads, config.head_dim
        self.pad_key = mta.pad_key
        # `mta/fast_attention.py` puts faster forms of the same meaning here for training.
        self.convolve_maps, self.attend = key_query_conv, None
        self.rope_style, self.sliding_window = config.rope_style, config.layer_sliding_window(layer_idx)
        q_dim, kv_dim = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
        self.wq = nn.Linear(config.dim, q_dim, bias=config.qkv_bias)
        self.wk = nn.Linear(config.dim, kv_dim, bias=config.qkv_bias)
        self.wv = nn.Linear(config.dim, kv_dim, bias=config.qkv_bias)
        self.wo = nn.Linear(q_dim, config.dim, bias=config.output_bias)
        self.norms_heads = config.qk_norm == "head"
        normed = {"head": (config.head_dim, config.head_dim), "full": (q_dim, kv_dim)}.get(config.qk_norm)
        self.q_norm, self.k_norm = (RMSNorm(size, config.norm_eps) for size in normed) if normed else (None, None)

        pre, post = mta.pre_softmax_kernel(layer_idx), mta.post_softmax_kernel(layer_idx)
        self.mta_kernel = nn.Parameter(identity_kernel(config.n_heads, *pre)) if pre else None
        self.mta_kernel_after_sm = nn.Parameter(identity_kernel(config.n_heads, *post)) if post else None
        self.wpsm = nn.Linear(config.n_heads, config.n_heads, bias=False) if mta.use_mta and mta.pre_sm_linear_head else None
        self.wposm = nn.Linear(config.n_heads, config.n_heads, bias=False) if mta.use_mta and mta.post_sm_linear_head else None
        for mixing in (self.wpsm, self.wposm):
            if mixing is not None:
                nn.init.eye_(mixing.weight)
        self.head_kernel = None
        if mta.use_mta and mta.head_kernel_size is not None:
            n_groups = config.n_heads // mta.head_kernel_size
            self.head_kernel = nn.Parameter(torch.eye(mta.head_kernel_size).repeat(n_groups, 1, 1))

        # The norm, the depth scale and the gate act on any model that asks for them, with `use_mta` or without.
        self.subln = RMSNorm(config.head_dim, 1e-5) if mta.group_norm else None
        self.output_scale = depth_scale(layer_idx) if mta.layer_norm_rescale else None
        self.gate = nn.Linear(config.head_dim, 1 if mta.gate_1d else config.head_dim) if mta.add_gating else None

    def head_mixings(self) -> Tuple[Tensor, Tensor]:
        """The mixings before and after the softmax as matrices [destination, source]; the identity where there is none."""
        identity = torch.eye(self.n_heads, device=self.wq.weight.device)
        before = identity if self.wpsm is None else self.wpsm.weight
        if self.head_kernel is not None:
            return before, torch.block_diag(*self.head_kernel.transpose(1, 2))
        return before, identity if self.wposm is None else self.wposm.weight

    @property
    def is_plain(self) -> bool:
        """True when nothing acts on the attention map itself, and all earlier keys are seen."""
        return self.sliding_window is None and all(
            part is None for part in (self.mta_kernel, self.mta_kernel_after_sm, self.wpsm, self.wposm, self.head_kernel)
        )

    def forward(
        self,
        x: Tensor,
        rope: Tuple[Tensor, Tensor],
        allowed: Tensor,
        taps: Optional[Taps] = None,
        cut_doc_lengths: Optional[Sequence[int]] = None,
    ) -> Tensor:
        """Attend.

        rope: tables of `rope_table`, at least `token` rows. allowed: [query, key] of bool, see `causal_mask`.
        taps: when given, filled with every stage by its name. cut_doc_lengths: convolve each document alone.
        """
        query, key, value = self.project(x, rope)
        if self.sliding_window is not None:
            allowed = allowed & torch.ones_like(allowed).triu(1 - self.sliding_window)
        if self.attend is not None and taps is None and cut_doc_lengths is None:
            return self.finish(self.attend(self, query, key, value))
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_dim)
        mixed_pattern = self.mix(scores, allowed, taps, cut_doc_lengths)
        if taps is not None:
            taps.update(q=query, k=key, v=value, scores=scores, mixed_pattern=mixed_pattern)
        return self.finish(mixed_pattern.to(value.dtype) @ value, taps)

    def project(self, x: Tensor, rope: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [batch, head, token, head_dim]; shared key/value heads are repeated."""
        n_tokens = x.shape[1]
        cos, sin = rope[0][:n_tokens], rope[1][:n_tokens]

        def rotated(values: Tensor, norm: Optional[RMSNorm], n_heads: int) -> Tensor:
            if norm is not None and not self.norms_heads:
                values = norm(values)
            heads = values.unflatten(-1, (n_heads, self.head_dim))
            return apply_rope(norm(heads) if norm is not None and self.norms_heads else heads, cos, sin, self.rope_style)

        query = rotated(self.wq(x), self.q_norm, self.n_heads)
        key = rotated(self.wk(x), self.k_norm, self.n_kv_heads)
        value = self.wv(x).unflatten(-1, (self.n_kv_heads, self.head_dim))
        n_repeats = self.n_heads // self.n_kv_heads
        if n_repeats > 1:
            key, value = key.repeat_interleave(n_repeats, dim=2), value.repeat_interleave(n_repeats, dim=2)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    def mix(
        self,
        scores: Tensor,
        allowed: Tensor,
        taps: Optional[Taps] = None,
        cut_doc_lengths: Optional[Sequence[int]] = None,
    ) -> Tensor:
        """From `scores` to `mixed_pattern`, both [batch, head, query, key]."""

        def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
            # Zero, not minus infinity: a masked neighbour must add nothing to the sum.
            cleared = maps.masked_fill(~allowed, 0.0)
            if cut_doc_lengths is not None:
                return key_query_conv_by_document(cleared, kernel, cut_doc_lengths, self.pad_key)
            return self.convolve_maps(cleared, kernel, self.pad_key)

        mixed_scores = scores
        if self.mta_kernel is not None:
            mixed_scores = convolve(mixed_scores, self.mta_kernel)
            if taps is not None:
                taps["pre_softmax_conv"] = mixed_scores
        if self.wpsm is not None:
            mixed_scores = mix_heads(mixed_scores, self.wpsm.weight)
        wide = mixed_scores if mixed_scores.dtype == torch.float64 else mixed_scores.float()
        pattern = torch.softmax(wide.masked_fill(~allowed, -math.inf), dim=-1).to(scores.dtype)
        mixed_pattern = pattern
        if self.mta_kernel_after_sm is not None:
            mixed_pattern = convolve(mixed_pattern, self.mta_kernel_after_sm)
            if taps is not None:
                taps["post_softmax_conv"] = mixed_pattern
            mixed_pattern = mixed_pattern.masked_fill(~allowed, 0.0)
        if self.head_kernel is not None:
            mixed_pattern = mix_head_groups(mixed_pattern, self.head_kernel)
        elif self.wposm is not None:
            mixed_pattern = mix_heads(mixed_pattern, self.wposm.weight)
        if taps is not None:
            taps.update(mixed_scores=mixed_scores, pattern=pattern)
        return mixed_pattern

    def finish(self, attended: Tensor, taps: Optional[Taps] = None) -> Tensor:
        """Norm, depth scale, gate and output matrix; attended: [batch, head, token, head_dim]."""
        out = attended.transpose(1, 2)
        if self.subln is not None:
            out = self.subln(out)
        if self.output_scale is not None:
            out = out * self.output_scale
        normed, gate_logit = out, None
        if self.gate is not None:
            gate_logit = self.gate(out)
            out = out * torch.sigmoid(gate_logit)
        out = out.flatten(2)
        if taps is not None:
            taps.update(attn_v=attended, norm_out=normed, wo_in=out)
            if gate_logit is not None:
                taps["gate_logit"] = gate_logit
        return self.wo(out)
