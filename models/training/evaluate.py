"""Bits per byte of models on token shards, with confidence intervals.

Usage: python3 -m training.evaluate MODEL_FOLDER [MODEL_FOLDER …] DATA_FOLDER [--seqlen N] [--device cpu|cuda] [--json OUT]

DATA_FOLDER holds NAME-*.tokens.xz and bytes.json ({"NAME": UTF-8 bytes}), as training.prepare writes them.
With several models, each is also compared with those before it, document by document.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from export.to_safetensors import load_bundle
from mta.fast_attention import use_fast_attention
from mta.program import read_json, run_program, usable_device
from mta.transformer import Transformer
from training.data import read_streams

IGNORED = -100
N_RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """How well a model predicts a stream: bits [document] and tokens [document], and the UTF-8 bytes of all of them.

    The bytes of one document count as its share of the tokens.
    """

    bits: np.ndarray
    n_tokens: np.ndarray
    n_bytes: float

    @property
    def bits_per_byte(self) -> float:
        return round(float(self.bits.sum() / self.n_bytes), 4)

    def interval(self) -> Tuple[float, float]:
        """95 % bootstrap interval of bits per byte over documents (percentiles, fixed seed)."""
        return _interval(self.bits, self.n_tokens, self.n_bytes)

    def difference(self, other: "Score") -> Tuple[float, float, float]:
        """Bits per byte less than `other`'s (negative is better), and its 95 % interval over the same documents."""
        bits = self.bits - other.bits
        return (round(float(bits.sum() / self.n_bytes), 4), *_interval(bits, self.n_tokens, self.n_bytes))


def _interval(bits: np.ndarray, n_tokens: np.ndarray, n_bytes: float) -> Tuple[float, float]:
    drawn = np.random.default_rng(0).integers(0, len(bits), (N_RESAMPLES, len(bits)))
    ratios = bits[drawn].sum(1) / n_tokens[drawn].sum(1) * n_tokens.sum() / n_bytes
    low, high = np.percentile(ratios, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def split_documents(stream: np.ndarray, begin_token_id: int) -> List[np.ndarray]:
    """The documents of a stream, without their begin tokens."""
    starts = np.flatnonzero(stream == begin_token_id)
    return [part[1:] for part in np.split(stream, starts) if len(part) > 1]


def evaluation_windows(documents: List[np.ndarray], seqlen: int, begin_token_id: int) -> Tuple[Tensor, Tensor, np.ndarray]:
    """Inputs and targets [window, seqlen] that predict every token of every document exactly once, and each window's document.

    Each document is cut into consecutive windows; each window starts anew with the begin token, so the first tokens
    of a window have little context. Targets past a document's end are `IGNORED`.
    """
    inputs, targets, document_of = [], [], []
    for index, document in enumerate(documents):
        for start in range(0, len(document), seqlen):
            piece = document[start : start + seqlen].astype(np.int64)
            target = np.full(seqlen, IGNORED, dtype=np.int64)
            target[: len(piece)] = piece
            window = np.full(seqlen, begin_token_id, dtype=np.int64)
            window[1 : len(piece)] = piece[:-1]
            inputs.append(window)
            targets.append(target)
            document_of.append(index)
    return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets)), np.array(document_of)


@torch.no_grad()
def nats_per_window(model: Transformer, inputs: Tensor, targets: Tensor, batch_size: int = 16, autocast: bool = False) -> Tensor:
    """Summed negative log likelihood of each window, float64 [window]."""
    device = model.tok_embeddings.weight.device
    sums = []
    for i in range(0, len(inputs), batch_size):
        x, y = inputs[i : i + batch_size].to(device), targets[i : i + batch_size].to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            logits = model(x)
        losses = F.cross_entropy(logits.float().flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction="none").view(y.shape)
        sums.append(losses.double().sum(1).cpu())
    return torch.cat(sums)


def score_stream(
    model: Transformer,
    stream: np.ndarray,
    n_bytes: int,
    seqlen: int,
    begin_token_id: int,
    max_windows: Optional[int] = None,
    autocast: bool = False,
) -> Score:
    """Score of a stream; over evenly spread windows when `max_windows` is less than all.

    With a sample, bytes are taken in proportion to its tokens.
    """
    documents = split_documents(stream, begin_token_id)
    inputs, targets, document_of = evaluation_windows(documents, seqlen, begin_token_id)
    n_tokens = (targets != IGNORED).sum(1).numpy()
    n_all = n_tokens.sum()
    if max_windows is not None and max_windows < len(inputs):
        chosen = np.linspace(0, len(inputs) - 1, max_windows).astype(np.int64)
        inputs, targets, document_of, n_tokens = inputs[chosen], targets[chosen], document_of[chosen], n_tokens[chosen]
    nats = nats_per_window(model, inputs, targets, autocast=autocast).numpy()
    used = np.unique(document_of)
    by_document = [np.bincount(document_of, weights, len(documents))[used] for weights in (nats / math.log(2), n_tokens)]
    return Score(*by_document, n_bytes * n_tokens.sum() / n_all)


def evaluate_folder(
    model: Transformer, folder: Path, begin_token_id: int, seqlen: int, max_windows: Optional[int] = None, autocast: bool = False
) -> Dict[str, Score]:
    """The score of every stream of a folder, by its name."""
    sizes = read_json(Path(folder) / "bytes.json")
    streams = read_streams([folder], model.config.vocab_size)
    return {
        name: score_stream(model, streams[name], sizes[name], seqlen, begin_token_id, max_windows, autocast)
        for name in sorted(sizes)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seqlen", type=int, help="window length; the model's own when absent")
    parser.add_argument("--max-windows", type=int)
    parser.add_argument("--device", default="cpu", type=usable_device)
    parser.add_argument("--autocast", action="store_true", help="bf16 matrix products, as in training")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--documents", action="store_true", help="also write bits and tokens of every document to the JSON file")
    args = parser.parse_args()
    rows: List[dict] = []
    scores_of: Dict[str, Dict[str, Score]] = {}
    for folder in args.models:
        model = load_bundle(folder).to(args.device)
        if args.autocast and args.device == "cuda":
            use_fast_attention(model, "triton")
        begin_token_id = read_json(folder / "config.json", "bos_token_id")["bos_token_id"]
        seqlen = args.seqlen or model.config.max_seqlen
        scores = evaluate_folder(model, args.data, begin_token_id, seqlen, args.max_windows, args.autocast)
        row = {"model": folder.name, "window": seqlen,
               "bits_per_byte": {name: score.bits_per_byte for name, score in scores.items()},
               "interval": {name: score.interval() for name, score in scores.items()}}  # fmt: skip
        differences = {other: {name: score.difference(before[name]) for name, score in scores.items()} for other, before in scores_of.items()}
        if differences:
            row["difference"], row["differences"] = next(iter(differences.values())), differences
        scores_of[folder.name] = scores
        details = {name: {"bits": score.bits.round(3).tolist(), "tokens": score.n_tokens.tolist(), "bytes": score.n_bytes} for name, score in scores.items()}
        rows.append({**row, "documents": details} if args.documents else row)
        print(json.dumps(row), flush=True)
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    run_program(main)
