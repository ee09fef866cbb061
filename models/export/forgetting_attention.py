"""The Forgetting Transformer of `flash-linear-attention` on a processor: its Triton kernels replaced by its own references.

Source: Lin et al. 2025, arXiv 2503.02130; fla.ops.forgetting_attn.naive.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Dict, Iterator, List

import torch


@contextmanager
def reference_kernels() -> Iterator[Dict[str, List[torch.Tensor]]]:
    """Within it, models run without Triton; yields what their layers computed so far, [head, query, key] each, 0 where masked.

    Keys: `scores` (scaled), `decayed_scores`, and `attentions`. Raises ImportError without the library.
    """
    import fla.layers.forgetting_attn as layer
    import fla.modules.mlp as mlp
    from fla.ops.forgetting_attn.naive import naive_forgetting_attn

    seen: Dict[str, List[torch.Tensor]] = {"scores": [], "decayed_scores": [], "attentions": []}

    def attend(q, k, v, g, **_):
        n_tokens, n_kv_heads = k.shape[1:3]
        one_hot = torch.eye(n_tokens)[None, :, None, :].expand(1, -1, n_kv_heads, -1)
        seen["attentions"].append(naive_forgetting_attn(q, k, one_hot, g)[0].transpose(0, 1))
        keys = k.repeat_interleave(q.shape[2] // n_kv_heads, dim=2)
        scores = torch.einsum("ihd,jhd->hij", q[0], keys[0]) / q.shape[-1] ** 0.5
        # Summed token by token, as the paper defines it, not as a difference of sums from the text's beginning.
        decay = torch.stack([torch.stack([g[0, j + 1 : i + 1].sum(0) for j in range(n_tokens)]) for i in range(n_tokens)])
        seen["scores"].append(scores.tril())
        seen["decayed_scores"].append((scores + decay.permute(2, 0, 1)).tril())
        return naive_forgetting_attn(q, k, v, g)

    def feed_forward(self, x, **_):
        return self.down_proj(torch.nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))

    replaced = [(layer, "parallel_forgetting_attn", attend), (mlp.GatedMLP, "forward", feed_forward)]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, value in replaced:
        setattr(owner, name, value)
    try:
        yield seen
    finally:
        for owner, name, value in originals:
            setattr(owner, name, value)
