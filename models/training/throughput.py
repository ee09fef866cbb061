"""Training speed of a configuration's model on this GPU, beside the plain Transformer of the same size.

Usage: python3 -m training.throughput CONFIG.yaml [--windows 512 1024 2048] [--tokens 32768] [--forms triton shifted]

One line per window and form: tokens a second of forward, backward and optimiser step (compiled, after warm-up), and the
time as a multiple of the Transformer's. Random tokens; no data needed.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Optional

import torch

from mta.config import ModelConfig, MTAConfig
from mta.fast_attention import FORMS, use_fast_attention
from mta.program import run_program
from mta.transformer import Transformer
from training.optimizer import Optimizer
from training.train import TRAINED_PARTS, TrainConfig, load_config, make_loss


def seconds_per_step(config: TrainConfig, model_config: ModelConfig, form: Optional[str], seqlen: int, batch: int, steps: int) -> dict:
    """Seconds a step over `steps` timed ones, seconds of compiling, and the peak of GPU memory."""
    device = torch.device("cuda")
    torch.manual_seed(0)
    torch._dynamo.reset()
    torch.cuda.reset_peak_memory_stats()
    model = Transformer(replace(model_config, max_seqlen=max(seqlen, model_config.max_seqlen)))
    model.init_weights(0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(TRAINED_PARTS[config.trains](name))
    model.to(device)
    if form is not None:
        use_fast_attention(model, form)
    optimizer = Optimizer(model, config.optimizer)
    loss = make_loss(model, "cuda", compiles=True, by_block=config.compile_blocks)
    tokens = torch.randint(0, model_config.vocab_size, (batch, seqlen + 1), device=device)
    model.tables(seqlen, tokens.device)

    def step() -> None:
        loss(tokens[:, :-1], tokens[:, 1:].contiguous()).backward()
        optimizer.step(0.0)

    started = time.monotonic()
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    compiled = time.monotonic()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return {
        "seconds": (time.monotonic() - compiled) / steps,
        "compile_s": round(compiled - started, 1),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--windows", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--tokens", type=int, default=32768, help="tokens a step")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--forms", nargs="+", default=["triton"], choices=FORMS)
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    config = load_config(args.config)
    plain = replace(config.model, mta=MTAConfig())
    for seqlen in args.windows:
        batch = max(1, args.tokens // seqlen)
        base = seconds_per_step(config, plain, args.forms[0], seqlen, batch, args.steps)
        print(json.dumps({"seqlen": seqlen, "model": "transformer", **rates(base, batch * seqlen, base)}), flush=True)
        for form in args.forms:
            row = seconds_per_step(config, config.model, form, seqlen, batch, args.steps)
            print(json.dumps({"seqlen": seqlen, "model": "mta", "form": form, **rates(row, batch * seqlen, base)}), flush=True)


def rates(row: dict, n_tokens: int, base: dict) -> dict:
    """The row with tokens a second and the cost against `base`."""
    return {"tokens_per_s": round(n_tokens / row["seconds"]), "times_transformer": round(row["seconds"] / base["seconds"], 2),
            "ms": round(row["seconds"] * 1000, 2), "compile_s": row["compile_s"], "peak_gb": row["peak_gb"]}  # fmt: skip


if __name__ == "__main__":
    run_program(main)
