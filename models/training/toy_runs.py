"""Run the toy task's models, answers and seeds side by side on one machine's GPUs, and evaluate them as they end.

Usage: python3 -m training.toy_runs --out FOLDER [--configs A B] [--answers all first] [--seeds 42 43 44] [--seconds 540]

Runs start in the order of seeds, answers, configurations; none is started that would not end in time by the length of
those before it. OUT/NAME-ANSWER-seedS.safetensors (fp16) and OUT/results.json hold what has ended so far.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Dict, List

import torch

from export.safetensors_file import write_safetensors
from mta.program import run_program
from mta.transformer import Transformer
from training.checkpoint import load_checkpoint
from training.toy import ToyConfig, generate_cases, toy_errors
from training.train import load_config

CONFIGS = Path(__file__).parent / "configs"
EVALUATION_SEED = 1_000_003
POLL_S = 0.2


@dataclass(frozen=True)
class Run:
    """One model to train: a configuration, the answer asked for, a seed."""

    config: str
    answer: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.config}-{self.answer}-seed{self.seed}"


def start(run: Run, work: Path, device: str, settings: List[str]) -> subprocess.Popen:
    """One training process; its output goes to WORK/NAME/output.txt."""
    folder = work / run.name
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "training.train", str(CONFIGS / f"{run.config}.yaml"), "--out", str(folder), "--device",
               device.split(":")[0], "--seed", str(run.seed), "--set", f"toy.answer={run.answer}", *settings]  # fmt: skip
    environment = {**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": "2", "OMP_NUM_THREADS": "2"}
    if ":" in device:
        environment["CUDA_VISIBLE_DEVICES"] = device.split(":")[1]
    with open(folder / "output.txt", "w") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)


@lru_cache(maxsize=None)
def fresh_cases(toy: ToyConfig, n_samples: int) -> Dict:
    """Samples that no run has trained on; making 10 000 takes some seconds."""
    return generate_cases(toy, n_samples, EVALUATION_SEED)


def evaluate(run: Run, work: Path, out: Path, device: str, n_samples: int) -> Dict:
    """Errors on fresh samples (a seed of their own) of the weights as they ship, rounded to fp16."""
    config = load_config(CONFIGS / f"{run.config}.yaml")
    checkpoint = load_checkpoint(work / run.name)
    weights = {key: value.half() for key, value in checkpoint["model"].items()}
    write_safetensors(out / f"{run.name}.safetensors", weights, {"format": "pt"})
    model = Transformer(config.model)
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    cases = fresh_cases(replace(config.toy, answer=run.answer), n_samples)
    errors = toy_errors(model.to(device).eval(), cases["samples"])
    optimizer = checkpoint["config"]["optimizer"]
    rate = optimizer["muon_lr" if optimizer["use_muon"] else "adam_lr"]
    return {"name": run.config, "answer": run.answer, "seed": run.seed, "learningRate": rate, **errors, "samples": n_samples,
            "leftOutBecauseCut": cases["leftOutBecauseCut"], **checkpoint["progress"],
            "curve": checkpoint["curve"][:: max(1, len(checkpoint["curve"]) // 40)]}  # fmt: skip


class Queue:
    """Starts runs where there is room and evaluates those that ended."""

    def __init__(self, args: argparse.Namespace, devices: List[str]) -> None:
        self.args, self.started = args, time.monotonic()
        self.work = args.work or args.out / "work"
        self.waiting = [Run(c, a, s) for s in args.seeds for a in args.answers for c in args.configs]
        self.places = [device for _ in range(args.parallel) for device in devices]
        self.running: Dict[Run, tuple] = {}
        self.longest_s = 0.0
        self.results: List[Dict] = []

    def left_s(self) -> float:
        return self.args.seconds - (time.monotonic() - self.started)

    def go(self) -> None:
        """All runs; raises RuntimeError with the end of the output of one that failed."""
        while self.running or self.waiting:
            while self.waiting and self.places and self.left_s() > self.longest_s:
                run, place = self.waiting.pop(0), self.places.pop(0)
                self.running[run] = (place, time.monotonic(), start(run, self.work, place, self.args.set))
            if not self.running or self.left_s() <= 0:
                break
            time.sleep(POLL_S)
            for run, (place, since, process) in list(self.running.items()):
                if process.poll() is not None:
                    del self.running[run]
                    self.places.append(place)
                    self.longest_s = max(self.longest_s, time.monotonic() - since)
                    self.finish(run, place, process.returncode)
        for run, (_, _, process) in self.running.items():
            process.kill()
            print(f"{run.name} was stopped: no time is left", flush=True)
        for run in self.waiting:
            print(f"{run.name} was not started: no time is left", flush=True)

    def finish(self, run: Run, device: str, returncode: int) -> None:
        if returncode != 0:
            output = (self.work / run.name / "output.txt").read_text()
            raise RuntimeError(f"Run {run.name} ended with code {returncode}: {output[-1500:]}")
        result = evaluate(run, self.work, self.args.out, device, self.args.samples)
        print(json.dumps({k: v for k, v in result.items() if k != "curve"}), flush=True)
        self.results.append(result)
        (self.args.out / "results.json").write_text(json.dumps(self.results, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="checkpoints and logs; OUT/work when absent")
    parser.add_argument("--configs", nargs="+", default=[f"toy-{kind}-n{n}" for n in (5, 8) for kind in ("mta", "transformer")])
    parser.add_argument("--answers", nargs="+", default=["all", "first", "last"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which nothing goes on")
    parser.add_argument("--parallel", type=int, default=6, help="runs at a time on each GPU")
    parser.add_argument("--device", help="one device for all; every GPU when absent")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings to replace in every configuration")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    devices = [args.device] if args.device else [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    queue = Queue(args, devices)
    queue.go()
    print(f"{len(queue.results)} runs done after {time.monotonic() - queue.started:.0f} s")


if __name__ == "__main__":
    run_program(main)
