"""Times the kernels of `mta/fused_attention.py` on this GPU, for several tile sizes, and the whole beside the map-writing path.

Usage: python3 -m training.tune_attention [--seqlen 512 2048] [--tokens 32768] [--heads 7] [--head-dim 64]
       [--kernels attend …] [--tiles ROWS,KEYS,WARPS,STAGES …]

One JSON line per kernel and tile size (milliseconds, registers and spills a thread, bytes of shared memory; or the
compiler's refusal), then one per window: forward, and forward and backward, of both paths with the fastest tiles found,
and the relative difference of output and gradients. What wins belongs into `fused_attention.TILES`.
Tile sizes compile side by side in processes of their own, which takes most of the time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Callable, Dict, List, Tuple

import torch
from torch import Tensor

from mta import fused_attention, fused_kernels, triton_attention

Candidate = Tuple[int, int, int, int]
CANDIDATES: Dict[str, List[Candidate]] = {
    "log_sums": [(64, 32, 4, 1), (64, 32, 4, 2), (64, 32, 4, 3), (64, 64, 8, 2), (128, 32, 8, 2)],
    "attend": [(64, 16, 8, 1), (64, 16, 8, 2), (64, 16, 8, 3), (64, 32, 8, 1), (64, 32, 8, 2)],
    "value_gradient": [(64, 16, 8, 1), (64, 32, 8, 1)],
    "query_gradient": [(64, 16, 8, 1), (64, 16, 8, 2), (64, 32, 8, 1)],
    "key_gradient": [(64, 16, 8, 1), (64, 32, 8, 1)],
}


def inputs(n_batch: int, n_tokens: int, n_heads: int, head_dim: int) -> Dict[str, Tensor]:
    """What each kernel takes, by its parameter's name; random, with statistics of the right size."""
    torch.manual_seed(0)
    shape = (n_batch, n_tokens, n_heads, head_dim)
    named = {name: torch.randn(shape, device="cuda").bfloat16() for name in ("query", "key", "value", "grad")}
    for name in ("before", "after"):
        named[name] = torch.eye(n_heads, device="cuda") + 0.1 * torch.randn(n_heads, n_heads, device="cuda")
    named["scaled"] = fused_attention.scaled_mixing(named["before"], head_dim)
    named["sums"] = 8 + torch.rand(n_batch, n_heads, n_tokens, device="cuda")
    named["inner"] = torch.randn(n_batch, n_heads, n_tokens, device="cuda")
    return named


def call(name: str, named: Dict[str, Tensor]) -> Callable[[], object]:
    """The kernel's launcher with its arguments."""
    function = getattr(fused_attention, name)
    arguments = [named[parameter] for parameter in function.__annotations__ if parameter != "return"]
    return lambda: function(*arguments)


def set_tiles(name: str, candidate: Candidate) -> None:
    fused_attention.TILES[name] = dict(zip(("ROWS", "KEYS", "num_warps", "num_stages"), candidate))


def compile_one(name: str, candidate: Candidate, n_heads: int, head_dim: int) -> dict:
    """Runs a kernel once on a small input, in a process of its own; Triton's cache keeps it for the others."""
    set_tiles(name, candidate)
    try:
        call(name, inputs(1, 128, n_heads, head_dim))()
        torch.cuda.synchronize()
    except Exception as error:  # a tile that does not fit is a result, not a failure
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}
    compiled = list(getattr(fused_kernels, f"{name}_kernel").device_caches[torch.cuda.current_device()][0].values())[-1]
    return {"registers": compiled.n_regs, "spills": compiled.n_spills, "shared": compiled.metadata.shared}


def milliseconds(function: Callable[[], object], repeats: int = 10) -> float:
    """Median time of a call."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return round(sorted(times)[repeats // 2], 3)


def written_maps(query: Tensor, key: Tensor, value: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """The path that writes maps, for comparison; takes and returns what `mixed_attention` does."""
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    maps = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return (triton_attention.mixed_softmax(maps, before, after)[0] @ value).transpose(1, 2)


def compare(named: Dict[str, Tensor]) -> dict:
    """Times of both paths, and how far their results are apart."""
    row, results = {}, []
    fused = lambda *tensors: fused_attention.mixed_attention(*tensors)[0]  # noqa: E731
    for label, function in (("maps", written_maps), ("fused", fused)):
        leaves = [named[name].detach().clone().requires_grad_() for name in ("query", "key", "value", "before", "after")]
        row[f"{label}_forward_ms"] = milliseconds(lambda: function(*leaves))
        row[f"{label}_ms"] = milliseconds(lambda: torch.autograd.grad(function(*leaves), leaves, named["grad"]))
        out = function(*leaves)
        results.append([out.detach(), *torch.autograd.grad(out, leaves, named["grad"])])
    names = ("out", "query", "key", "value", "before", "after")
    row["difference"] = {
        name: round(float((b.float() - a.float()).norm() / a.float().norm()), 5) for name, a, b in zip(names, *results)
    }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seqlen", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--tokens", type=int, default=32768, help="tokens of a batch")
    parser.add_argument("--heads", type=int, default=7)
    parser.add_argument("--head-dim", type=int, default=64)
    parser.add_argument("--kernels", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES))
    parser.add_argument("--tiles", nargs="+", help="ROWS,KEYS,WARPS,STAGES to try instead of the built-in list")
    args = parser.parse_args()
    candidates = [tuple(int(n) for n in tiles.split(",")) for tiles in args.tiles] if args.tiles else None
    pairs = [(name, candidate) for name in args.kernels for candidate in candidates or CANDIDATES[name]]
    workers = max(1, min(len(pairs), os.cpu_count() or 1))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        compiling = [pool.submit(compile_one, *pair, args.heads, args.head_dim) for pair in pairs]
        compiled = [future.result() for future in compiling]
    for seqlen in args.seqlen:
        named = inputs(max(1, args.tokens // seqlen), seqlen, args.heads, args.head_dim)
        best: Dict[str, Tuple[float, Candidate]] = {}
        for (name, candidate), outcome in zip(pairs, compiled):
            row = {"seqlen": seqlen, "kernel": name, "tiles": candidate, **outcome}
            if "error" not in outcome:
                set_tiles(name, candidate)
                row["ms"] = milliseconds(call(name, named))
                best[name] = min(best.get(name, (row["ms"], candidate)), (row["ms"], candidate))
            print(json.dumps(row), flush=True)
        for name, (_, candidate) in best.items():
            set_tiles(name, candidate)
        print(json.dumps({"seqlen": seqlen, "best": {k: v[1] for k, v in best.items()}, **compare(named)}), flush=True)


if __name__ == "__main__":
    main()
