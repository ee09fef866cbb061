"""Muon for the matrices of the blocks, AdamW for everything else.

Source of Muon: Keller Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
"""

from __future__ import annotations

from typing import Dict, List, Tuple

import torch
from torch import Tensor, nn

_MATRICES = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")


def orthogonalize(gradients: Tensor, steps: int = 5) -> Tensor:
    """Replaces each matrix by one with singular values near 1 (Newton–Schulz). gradients: [matrix, row, column]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradients.bfloat16() if gradients.is_cuda else gradients.float()
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.transpose(-2, -1)
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(steps):
        y = x @ x.transpose(-2, -1)
        x = a * x + (b * y + c * y @ y) @ x
    return (x.transpose(-2, -1) if is_tall else x).float()


class Optimizer:
    """One learning-rate multiplier drives both parts."""

    def __init__(self, model: nn.Module, matrix_lr: float, embedding_lr: float, other_lr: float, weight_decay: float) -> None:
        self.matrix_lr, self.weight_decay = matrix_lr, weight_decay
        self.groups: Dict[Tuple[int, ...], List[nn.Parameter]] = {}
        embeddings, others = [], []
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and any(f".{part}." in name for part in _MATRICES):
                self.groups.setdefault(tuple(parameter.shape), []).append(parameter)
            elif "embeddings" in name or name == "output.weight":
                embeddings.append(parameter)
            else:
                others.append(parameter)
        self.momenta = {s: torch.zeros(len(g), *s, device=g[0].device) for s, g in self.groups.items()}
        self.adam = torch.optim.AdamW(
            [{"params": embeddings, "base_lr": embedding_lr}, {"params": others, "base_lr": other_lr}],
            lr=0.0, betas=(0.9, 0.98), eps=1e-10, weight_decay=0.0,
        )

    @torch.no_grad()
    def step(self, multiplier: float) -> None:
        for shape, group in self.groups.items():
            gradients = torch.stack([p.grad for p in group]).float()
            momentum = self.momenta[shape].lerp_(gradients, 0.05)
            updates = orthogonalize(gradients.lerp(momentum, 0.95)) * max(1.0, shape[0] / shape[1]) ** 0.5
            lr = self.matrix_lr * multiplier
            for parameter, update in zip(group, updates):
                parameter.mul_(1 - lr * self.weight_decay).add_(update, alpha=-lr)
        for group in self.adam.param_groups:
            group["lr"] = group["base_lr"] * multiplier
        self.adam.step()

    def state(self) -> dict:
        return {"momenta": self.momenta, "adam": self.adam.state_dict()}

    def restore(self, state: dict) -> None:
        for shape, momentum in state["momenta"].items():
            self.momenta[shape].copy_(momentum)
        self.adam.load_state_dict(state["adam"])
