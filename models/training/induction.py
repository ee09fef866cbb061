"""Induction: does a head look at what followed the last time the present token was seen?

Random tokens are written twice, `begin r1 … rL r1 … rL`, so nothing but the first copy tells the second. Prefix-matching
score of a head, after Olsson et al., In-context Learning and Induction Heads (2022), "Head activation evaluators": the
mean attention from a token of the second copy to the token that followed it in the first, that is from query L + i
to key i + 1. Here it is taken of both maps: of `pattern`, where rows sum to 1 and it is a share of attention, and of
`mixed_pattern`, what multiplies the values, which may be negative and larger than 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

import torch
import torch.nn.functional as F
from torch import Tensor

from mta.transformer import Transformer


@dataclass(frozen=True)
class InductionScores:
    """pattern and mixed_pattern: [layer][head]; losses in nats a token, of tokens 2 to L of each copy."""

    pattern: List[List[float]]
    mixed_pattern: List[List[float]]
    first_copy_nats: float
    second_copy_nats: float


def repeated_tokens(n_sequences: int, length: int, vocab_size: int, begin_token_id: int, seed: int) -> Tensor:
    """int64 [sequence, 1 + 2·length]: the begin token, then `length` random other tokens twice."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(0, vocab_size - 1, (n_sequences, length), generator=generator)
    drawn = drawn + (drawn >= begin_token_id)
    return torch.cat([torch.full((n_sequences, 1), begin_token_id), drawn, drawn], dim=1)


def on_induction_diagonal(maps: Tensor, length: int) -> Tensor:
    """Mean over queries of the second copy (its last token has no follower), [batch, head] of [batch, head, query, key]."""
    queries = torch.arange(length + 1, 2 * length, device=maps.device)
    return maps[:, :, queries, queries - length + 1].mean(-1)


@torch.no_grad()
def induction_scores(model: Transformer, tokens: Tensor, batch_size: int) -> InductionScores:
    """Scores over `repeated_tokens`, in float32 and with the plain form of attention, which is what has all stages."""
    device, length = model.tok_embeddings.weight.device, (tokens.shape[1] - 1) // 2
    totals = {stage: torch.zeros(model.config.n_layers, model.config.n_heads) for stage in ("pattern", "mixed_pattern")}
    losses = torch.zeros(2 * length)
    for start in range(0, len(tokens), batch_size):
        batch = tokens[start : start + batch_size].to(device)
        taps: List[dict] = []
        logits = model(batch, taps)
        for stage, total in totals.items():
            for layer_idx, layer in enumerate(taps):
                total[layer_idx] += on_induction_diagonal(layer[stage].float(), length).sum(0).cpu()
        losses += F.cross_entropy(logits[:, :-1].float().transpose(1, 2), batch[:, 1:], reduction="none").sum(0).cpu()
    means = losses / len(tokens)
    # The first token of the second copy comes without warning, so neither copy counts its first.
    return InductionScores(
        (totals["pattern"] / len(tokens)).tolist(), (totals["mixed_pattern"] / len(tokens)).tolist(),
        float(means[1:length].mean()), float(means[length + 1 :].mean()),
    )  # fmt: skip
