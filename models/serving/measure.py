"""Bytes and times of one request of each kind, for planning: `python -m serving.measure REPOSITORY --tokens 512 2048`."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from mta.program import run_program
from serving import wire
from serving.repository import DATATYPES, Repository, Runner, Served

MAX_OVERVIEW = 256
TOP_K = 16


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Prints a table; times are medians of the runs after the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository")
    parser.add_argument("--tokens", type=int, nargs="+", default=[512])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(arguments)
    repository = Repository.open(args.repository)
    model = repository.inspectable()
    runner = Runner(repository, max(args.tokens), args.threads)
    print("tokens | request | MB sent | MB answered | ms")
    for n_tokens in args.tokens:
        for what, name, outputs in requests(repository, model):
            inputs = feeds_of(repository.models[name], n_tokens)
            sent, answered, ms = measure(runner, name, inputs, outputs, args.runs)
            print(f"{n_tokens} | {what} | {sent / 1e6:.2f} | {answered / 1e6:.2f} | {ms:.0f}", flush=True)


def requests(repository: Repository, model: str) -> List[Tuple[str, str, List[str]]]:
    """A layer with all that is shown at once, one head's exact map, the predictions."""
    name = f"{model}-layer-0"
    last = [output["name"] for output in repository.models[f"{name}-maps"].outputs if "." not in output["name"]][-1]
    predictions = ["log_probability", "top.indices", "top.log_probabilities"]
    return [("embedding", f"{model}-embed", []), ("layer", name, []), ("exact map of one head", f"{name}-maps", [last]),
            ("predictions", f"{model}-head", predictions)]


def feeds_of(served: Served, n_tokens: int) -> Dict[str, np.ndarray]:
    """Inputs as a client sends them."""
    whole = {"top_k": TOP_K, "block_size": -(-n_tokens // MAX_OVERVIEW), "head_indices": 0, "query_start": 0,
             "query_end": n_tokens}
    random = np.random.default_rng(1)
    feeds = {}
    for tensor in served.inputs:
        name, shape = tensor["name"], tensor["shape"]
        if name in whole:
            feeds[name] = np.array([whole[name]], "<i8")
            continue
        sizes = [size if size > 0 else 1 if axis == 0 or name == "before" else n_tokens for axis, size in enumerate(shape)]
        dtype = DATATYPES[tensor["datatype"]]
        feeds[name] = random.normal(size=sizes).astype(dtype) if dtype.kind == "f" else np.zeros(sizes, dtype)
    return feeds


def measure(
    runner: Runner, name: str, inputs: Dict[str, np.ndarray], outputs: Sequence[str], n_runs: int
) -> Tuple[int, int, float]:
    """Bytes of the request, bytes of the answer, milliseconds of inference."""
    times = []
    answer: Dict[str, np.ndarray] = {}
    for _ in range(n_runs + 1):
        start = time.perf_counter()
        answer = runner.run(name, inputs, outputs)
        times.append((time.perf_counter() - start) * 1000)
    sent = sum(len(wire.to_bytes(value)) for value in inputs.values())
    return sent, sum(len(wire.to_bytes(value)) for value in answer.values()), statistics.median(times[1:])


if __name__ == "__main__":
    run_program(main)
