"""The processes of one training run, one per GPU: each does its share of every batch, gradients are averaged.

`torchrun --nproc_per_node N -m training.train …` starts N of them; without torchrun a run is one process.
"""

from __future__ import annotations

import os
from typing import Iterable, Tuple

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Processes:
    """`rank` of `size` processes; a group of one does nothing."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
        self.device = device
        if self.size == 1:
            return
        if device.type == "cuda":
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(self.device)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def share(self, batch: Tuple[Tensor, ...]) -> Tuple[Tensor, ...]:
        """This process's rows of a batch that all of them drew alike."""
        return batch if self.size == 1 else tuple(rows[self.rank :: self.size].contiguous() for rows in batch)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes, in one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))

    def from_first(self, value: float) -> float:
        """The first process's value, in all of them: clocks and files differ, decisions must not."""
        if self.size == 1:
            return value
        shared = torch.tensor([float(value)], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def end(self) -> None:
        """Leave the group; a process that just exits while the group's threads run may be aborted."""
        if self.size > 1:
            dist.destroy_process_group()
