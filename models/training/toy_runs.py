"""Run the toy task's models and seeds side by side on one GPU, within a time limit, and evaluate them.

Usage: python3 -m training.toy_runs --seconds 540 --out FOLDER [--device cuda] [--seeds 42 43 44] [--configs A B]

A short trial of all runs at once measures their speed; then every run gets the same number of steps, as many as the rest
of the time allows. Each run is evaluated as soon as it ends: OUT/NAME-seedS.safetensors (fp16), OUT/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import torch

from export.safetensors_file import write_safetensors
from mta.transformer import Transformer
from training.checkpoint import load_checkpoint
from training.toy import generate_cases, toy_errors
from training.train import load_config

CONFIGS = Path(__file__).parent / "configs"
MARGIN = 0.8
"""Of the time that the trial promises: a long run has been seen to take a fifth more a step."""


def start_run(name: str, seed: int, steps: int, folder: Path, device: str) -> subprocess.Popen:
    """One training process; its output goes to `folder`/output.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "training.train", str(CONFIGS / f"{name}.yaml"), "--out", str(folder),
               "--device", device, "--steps", str(steps), "--seed", str(seed)]  # fmt: skip
    environment = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "2", "OMP_NUM_THREADS": "2"}
    with open(folder / "output.txt", "w") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)


def run_all(runs: List[Tuple[str, int]], steps: int, out: Path, device: str) -> Iterator[Tuple[str, int]]:
    """All runs at once, each given as it ends; raises RuntimeError with the end of the output of one that failed."""
    running = {(name, seed): start_run(name, seed, steps, out / f"{name}-seed{seed}", device) for name, seed in runs}
    while running:
        time.sleep(0.2)
        for (name, seed), process in list(running.items()):
            if process.poll() is None:
                continue
            del running[name, seed]
            if process.returncode != 0:
                output = (out / f"{name}-seed{seed}" / "output.txt").read_text()
                raise RuntimeError(f"Run {name}, seed {seed}, ended with code {process.returncode}: {output[-1500:]}")
            yield name, seed


def seconds_per_step(folder: Path) -> float:
    """From the second half of a run's log: compilation and other runs' start are over by then."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    middle, last = rows[(len(rows) - 1) // 2], rows[-1]
    return (last["trained_s"] - middle["trained_s"]) / (last["step"] - middle["step"])


def evaluate_run(name: str, seed: int, out: Path, device: str, n_samples: int) -> Dict:
    """Errors on fresh samples (a seed of their own) of the weights as they ship, rounded to fp16."""
    folder = out / f"{name}-seed{seed}"
    config = load_config(CONFIGS / f"{name}.yaml")
    checkpoint = load_checkpoint(folder)
    weights = {key: value.half() for key, value in checkpoint["model"].items()}
    write_safetensors(out / f"{name}-seed{seed}.safetensors", weights, {"format": "pt"})
    model = Transformer(config.model)
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    cases = generate_cases(config.toy, n_samples, seed=1_000_003)
    errors = toy_errors(model.to(device).eval(), cases["samples"])
    return {"name": name, "seed": seed, **errors, "samples": n_samples, **checkpoint["progress"],
            "curve": checkpoint["curve"][:: max(1, len(checkpoint["curve"]) // 40)]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="checkpoints and logs; OUT/work when absent")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--configs", nargs="+", default=["toy-mta-n5", "toy-transformer-n5"])
    parser.add_argument("--trial-steps", type=int, default=600)
    parser.add_argument("--reserve-seconds", type=float, default=60.0, help="for compiling again and evaluating")
    parser.add_argument("--samples", type=int, default=10_000)
    args = parser.parse_args()
    started = time.monotonic()
    runs = [(name, seed) for seed in args.seeds for name in args.configs]
    work = args.work or args.out / "work"
    args.out.mkdir(parents=True, exist_ok=True)

    for _ in run_all(runs, args.trial_steps, work / "trial", args.device):
        pass
    slowest = max(seconds_per_step(work / "trial" / f"{name}-seed{seed}") for name, seed in runs)
    left_s = args.seconds - (time.monotonic() - started) - args.reserve_seconds
    steps = int(MARGIN * left_s / slowest)
    print(f"trial {time.monotonic() - started:.0f} s, {slowest * 1000:.2f} ms a step in the slowest; {steps} steps each", flush=True)
    if steps < args.trial_steps:
        raise RuntimeError(f"{left_s:.0f} s are left, enough for {steps} steps only; give more seconds or fewer seeds.")
    results = []
    for name, seed in run_all(runs, steps, work / "runs", args.device):
        result = evaluate_run(name, seed, work / "runs", args.device, args.samples)
        shutil.copy(work / "runs" / f"{name}-seed{seed}.safetensors", args.out)
        print(json.dumps({k: v for k, v in result.items() if k != "curve"}), flush=True)
        results.append(result)
        (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"done after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
