"""Muon for the weight matrices of the blocks, AdamW for everything else.

Muon (Keller Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/): momentum whose matrix is replaced
by the nearest semi-orthogonal one, found by a few Newton-Schulz steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import torch
from torch import Tensor, nn

MATRIX_NAMES = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
KERNEL_NAMES = re.compile(r"attention\.(mta_kernel|mta_kernel_after_sm|head_kernel|wpsm\.weight|wposm\.weight)$")
"""Parameters that act on attention maps: key-query kernels and head mixing."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Learning rates are the peak ones; the schedule multiplies all of them alike. Kernels have adam_lr unless kernel_lr is set."""

    muon_lr: float = 0.02
    muon_momentum: float = 0.95
    muon_weight_decay: float = 0.01
    embedding_lr: float = 0.004
    adam_lr: float = 0.002
    kernel_lr: Optional[float] = None
    adam_beta1: float = 0.9
    adam_beta2: float = 0.98
    max_grad_norm: float = 1.0
    use_muon: bool = True


def newton_schulz(matrices: Tensor, steps: int = 5) -> Tensor:
    """Push the singular values of each matrix [n, rows, columns] towards 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.transpose(-2, -1)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.transpose(-2, -1) if tall else x).to(matrices.dtype)


class Optimizer:
    """Both optimisers behind one `step(lr_scale)`, with a state dict."""

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        self.config = config
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        if not named:
            raise ValueError("There is nothing to train: the model has no part of the kind that `trains` names.")
        is_matrix = {n: config.use_muon and p.ndim == 2 and n.split(".")[-2] in MATRIX_NAMES for n, p in named}
        embedding = [p for n, p in named if n in ("tok_embeddings.weight", "output.weight")]
        kernels = [p for n, p in named if KERNEL_NAMES.search(n)] if config.kernel_lr is not None else []
        separate = {id(p) for p in (*embedding, *kernels)}
        others = [p for n, p in named if not is_matrix[n] and id(p) not in separate]
        self.parameters = [p for _, p in named]
        self._by_shape: Dict[Tuple[int, ...], List[nn.Parameter]] = {}
        for name, parameter in named:
            if is_matrix[name]:
                self._by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
        self._momentum = {s: torch.zeros(len(g), *s, device=g[0].device) for s, g in self._by_shape.items()}
        is_cuda = self.parameters[0].is_cuda
        groups = ((embedding, config.embedding_lr), (others, config.adam_lr), (kernels, config.kernel_lr))
        groups = [(members, lr) for members, lr in groups if members]
        self._peak_lrs = [lr for _, lr in groups]
        self._adam = torch.optim.AdamW(
            [{"params": members, "lr": lr} for members, lr in groups],
            betas=(config.adam_beta1, config.adam_beta2), eps=1e-10, weight_decay=0.0,
            **({"fused": True} if is_cuda else {}),
        )  # fmt: skip

    def step(self, lr_scale: float) -> Tensor:
        """Update all parameters from their gradients; returns the gradient's norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        with torch.no_grad():
            self._muon_step(self.config.muon_lr * lr_scale)
        for group, lr in zip(self._adam.param_groups, self._peak_lrs):
            group["lr"] = lr * lr_scale
        self._adam.step()
        for parameter in self.parameters:
            parameter.grad = None
        return norm

    def _muon_step(self, lr: float) -> None:
        beta, decay = self.config.muon_momentum, 1 - lr * self.config.muon_weight_decay
        for shape, group in self._by_shape.items():
            gradient, momentum = torch.stack([p.grad for p in group]).float(), self._momentum[shape]
            momentum.mul_(beta).add_(gradient, alpha=1 - beta)
            update = newton_schulz(gradient.lerp(momentum, beta)) * max(1.0, shape[0] / shape[1]) ** 0.5
            for parameter, change in zip(group, update):
                parameter.mul_(decay).add_(change, alpha=-lr)

    def state_dict(self) -> dict:
        return {"adam": self._adam.state_dict(), "momentum": self._momentum}

    def load_state_dict(self, state: dict) -> None:
        self._adam.load_state_dict(state["adam"])
        for shape, momentum in state["momentum"].items():
            self._momentum[shape].copy_(momentum)
