"""Train a model from a configuration, within a number of steps or a time budget.

Usage: python3 -m training.train CONFIG.yaml --data FOLDER... --out FOLDER [--device cuda] [--seconds S]

The learning rate warms up, stays, and falls linearly to 0 by the end of the budget. An interrupted run goes on from its
last checkpoint when started again with the same arguments.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
import yaml

from mta.config import ModelConfig, config_from_mapping, config_to_mapping
from mta.transformer import Transformer
from training.checkpoint import load_checkpoint, save_checkpoint
from training.data import WindowSampler, gather_windows, read_streams
from training.fast_conv import fast_convolution
from training.optimizer import Optimizer


@dataclass(frozen=True)
class RunConfig:
    """What is trained and how. Times in seconds; `steps` counts only where no time budget is given."""

    model: ModelConfig
    begin_token_id: int
    seqlen: int
    batch_size: int
    mix: Dict[str, float] = field(default_factory=dict)
    steps: int = 1000
    warmup_steps: int = 60
    decay_share: float = 0.6
    matrix_lr: float = 0.02
    embedding_lr: float = 4e-3
    other_lr: float = 2e-3
    weight_decay: float = 0.05
    max_gradient_norm: float = 1.0
    checkpoint_steps: int = 500
    seed: int = 1234


class TrainingError(RuntimeError):
    """A run that cannot go on, with the step and the reason."""


def learning_rate_multiplier(step: int, done: float, config: RunConfig) -> float:
    """Warm-up by steps, then constant, then linear to 0 over the last `decay_share` of the budget.

    done: share of the budget that is used, 0 to 1.
    """
    return min(1.0, (step + 1) / config.warmup_steps) * min(1.0, (1 - done) / config.decay_share)


def train(
    config: RunConfig, data: Sequence[Path], out: Path, device: str = "cpu", seconds: Optional[float] = None
) -> Transformer:
    """Runs to the end of the budget and returns the model; writes `out/checkpoint.pt` on the way.

    Raises `TrainingError` when the loss is no number: the last checkpoint is then from before.
    """
    torch.manual_seed(config.seed)
    model = Transformer(config.model)
    model.init_weights(config.seed)
    model.to(device)
    optimizer = Optimizer(model, config.matrix_lr, config.embedding_lr, config.other_lr, config.weight_decay)
    streams = read_streams(data, config.model.vocab_size)
    sampler = WindowSampler(streams, config.mix or {name: 1.0 for name in streams}, config.seqlen + 1, config.seed)
    joined = torch.from_numpy(sampler.joined.astype(np.int32)).to(device)
    path = out / "checkpoint.pt"
    saved = load_checkpoint(path, device)
    step, used = 0, 0.0
    if saved:
        model.load_state_dict(saved["model"])
        optimizer.restore(saved["optimizer"])
        sampler.restore(saved["sampler"])
        step, used = saved["progress"]["steps"], saved["progress"]["seconds"]
        print(f"resumed at step {step}", flush=True)

    is_cuda = device.startswith("cuda")

    def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cuda", dtype=torch.bfloat16) if is_cuda else nullcontext():
            logits = model(inputs)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    compiled = torch.compile(loss_of) if is_cuda else loss_of
    model.tables(config.seqlen, joined.device)  # made outside the compiled graph
    start = None
    with fast_convolution() if is_cuda else nullcontext():
        while True:
            elapsed = used if start is None else used + time.monotonic() - start
            done = elapsed / seconds if seconds else step / config.steps
            if done >= 1:
                break
            starts = torch.from_numpy(sampler.next_starts(config.batch_size)).to(device)
            inputs, targets = gather_windows(joined, starts, config.seqlen, config.begin_token_id)
            loss = compiled(inputs, targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_gradient_norm)
            if step % 50 == 0 or not is_cuda:
                value = loss.item()
                if not math.isfinite(value):
                    raise TrainingError(f"The loss is {value} at step {step}. Lower the learning rate and resume.")
                if step % 50 == 0:
                    print(f"step {step} loss {value:.4f} done {done:.3f}", flush=True)
            optimizer.step(learning_rate_multiplier(step, done, config))
            model.zero_grad(set_to_none=True)
            step += 1
            if start is None:
                start = time.monotonic()  # compilation is over
            if step % config.checkpoint_steps == 0:
                save_checkpoint(path, _content(config, model, optimizer, sampler, step, used + time.monotonic() - start))
    save_checkpoint(path, _content(config, model, optimizer, sampler, step, elapsed))
    return model


def _content(config, model, optimizer, sampler, step: int, seconds: float) -> dict:
    tokens = step * config.batch_size * config.seqlen
    return {
        "config": {"model": config_to_mapping(config.model), "run": {k: v for k, v in vars(config).items() if k != "model"}},
        "model": model.state_dict(),
        "optimizer": optimizer.state(),
        "sampler": sampler.state(),
        "progress": {"steps": step, "tokens_seen": tokens, "seconds": seconds, "seqlen": config.seqlen},
    }


def read_config(path: Path) -> RunConfig:
    """Strict: unknown or missing keys raise `ConfigError`."""
    return config_from_mapping(RunConfig, yaml.safe_load(path.read_text()), str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, help="time budget after compilation; else the configuration's steps")
    args = parser.parse_args()
    train(read_config(args.config), args.data, args.out, args.device, args.seconds)


if __name__ == "__main__":
    main()
