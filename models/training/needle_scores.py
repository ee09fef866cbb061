"""Whether a model finds the planted value: by greedy completion, and by likelihood among the planted ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence, Tuple

import torch
from torch import Tensor

from mta.transformer import Transformer
from training.needles import Sample

# Rows [row, token] and a count n -> log probabilities [row, n, vocab_size] (nats) of each row's last n tokens, each
# given everything before it.
Scorer = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Outcome:
    """One sample's result.

    exact: greedy completion gives every token of the right value. rank: 1 + planted values at least as likely as the
    right one. nats: negative log likelihood of the right value.
    """

    exact: bool
    rank: int
    nats: float

    @property
    def found(self) -> bool:
        """The right value is the likeliest of those planted; by chance that is 1 / needles."""
        return self.rank == 1


def model_scorer(model: Transformer, autocast: bool) -> Scorer:
    """Scores with a model on its own device. The output matrix is applied in float32: bf16 logits would tie."""
    device = model.tok_embeddings.weight.device

    @torch.no_grad()
    def score(rows: Tensor, n_last: int) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            hidden = model.hidden(rows.to(device))
        return torch.log_softmax(model.logits(hidden[:, -1 - n_last : -1].float()).float(), dim=-1)

    return score


def score_samples(samples: Sequence[Sample], scorer: Scorer, batch_tokens: int) -> List[Outcome]:
    """Outcomes of samples that have one length in all, prompt and value; `batch_tokens` bounds a batch.

    Values that differ in their last token only share one row, because that token is predicted and not read.
    """
    rows: List[List[int]] = []
    row_of: Dict[Tuple[int, Tuple[int, ...]], int] = {}
    for i, sample in enumerate(samples):
        for value in sample.values:
            if (i, value[:-1]) not in row_of:
                row_of[i, value[:-1]] = len(rows)
                rows.append([*sample.prompt.tolist(), *value])
    n_last = max(len(sample.values[0]) for sample in samples)
    batch_size = max(1, batch_tokens // len(rows[0]))
    wanted: List[List[Tuple[int, Tuple[int, ...]]]] = [[] for _ in rows]
    for i, sample in enumerate(samples):
        for value in sample.values:
            wanted[row_of[i, value[:-1]]].append((i, value))

    likelihoods: Dict[Tuple[int, Tuple[int, ...]], float] = {}
    greedy: Dict[Tuple[int, Tuple[int, ...]], bool] = {}
    for start in range(0, len(rows), batch_size):
        log_probs = scorer(torch.tensor(rows[start : start + batch_size]), n_last)
        best = log_probs.argmax(-1).cpu()
        picks = [(r, key) for r in range(len(best)) for key in wanted[start + r]]
        row = torch.tensor([r for r, (_, value) in picks for _ in value])
        place = torch.tensor([n_last - len(value) + j for _, (_, value) in picks for j in range(len(value))])
        token = torch.tensor([t for _, (_, value) in picks for t in value])
        gathered = log_probs[row.to(log_probs.device), place.to(log_probs.device), token.to(log_probs.device)].double().cpu()
        matches = best[row, place] == token
        at = 0
        for _, (i, value) in picks:
            span = slice(at, at + len(value))
            likelihoods[i, value], greedy[i, value] = float(gathered[span].sum()), bool(matches[span].all())
            at += len(value)

    outcomes = []
    for i, sample in enumerate(samples):
        right = sample.values[sample.asked]
        others = [likelihoods[i, value] for j, value in enumerate(sample.values) if j != sample.asked]
        rank = 1 + sum(other >= likelihoods[i, right] for other in others)
        outcomes.append(Outcome(greedy[i, right], rank, -likelihoods[i, right]))
    return outcomes
