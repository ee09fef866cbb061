"""Bits per byte of a model on token shards.

Usage: python3 -m training.evaluate MODEL_FOLDER DATA_FOLDER [--seqlen N] [--max-windows N] [--device cpu|cuda]

DATA_FOLDER holds NAME-*.tokens.xz and bytes.json ({"NAME": UTF-8 bytes}), as training.prepare writes them.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from export.to_safetensors import load_bundle
from mta.transformer import Transformer
from training.data import read_streams

IGNORED = -100


def split_documents(stream: np.ndarray, begin_token_id: int) -> List[np.ndarray]:
    """The documents of a stream, without their begin tokens."""
    starts = np.flatnonzero(stream == begin_token_id)
    return [part[1:] for part in np.split(stream, starts) if len(part) > 1]


def evaluation_windows(documents: List[np.ndarray], seqlen: int, begin_token_id: int) -> Tuple[Tensor, Tensor]:
    """Inputs and targets [window, seqlen] that predict every token of every document exactly once.

    Each document is cut into consecutive windows; each window starts anew with the begin token, so the first tokens
    of a window have little context. Targets past a document's end are `IGNORED`.
    """
    inputs, targets = [], []
    for document in documents:
        for start in range(0, len(document), seqlen):
            piece = document[start : start + seqlen].astype(np.int64)
            target = np.full(seqlen, IGNORED, dtype=np.int64)
            target[: len(piece)] = piece
            window = np.full(seqlen, begin_token_id, dtype=np.int64)
            window[1 : len(piece)] = piece[:-1]
            inputs.append(window)
            targets.append(target)
    return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(targets))


@torch.no_grad()
def nats_per_window(model: Transformer, inputs: Tensor, targets: Tensor, batch_size: int = 16, autocast: bool = False) -> Tensor:
    """Summed negative log likelihood of each window, float64 [window]."""
    device = model.tok_embeddings.weight.device
    sums = []
    for i in range(0, len(inputs), batch_size):
        x, y = inputs[i : i + batch_size].to(device), targets[i : i + batch_size].to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            logits = model(x)
        losses = F.cross_entropy(logits.float().transpose(1, 2), y, ignore_index=IGNORED, reduction="none")
        sums.append(losses.double().sum(1).cpu())
    return torch.cat(sums)


def bits_per_byte(
    model: Transformer,
    stream: np.ndarray,
    n_bytes: int,
    seqlen: int,
    begin_token_id: int,
    max_windows: Optional[int] = None,
    autocast: bool = False,
) -> float:
    """Bits per UTF-8 byte of a stream; over evenly spread windows when `max_windows` is less than all.

    With a sample, bytes are taken in proportion to its tokens.
    """
    inputs, targets = evaluation_windows(split_documents(stream, begin_token_id), seqlen, begin_token_id)
    n_tokens = int((targets != IGNORED).sum())
    if max_windows is not None and max_windows < len(inputs):
        chosen = torch.linspace(0, len(inputs) - 1, max_windows).long()
        inputs, targets = inputs[chosen], targets[chosen]
    nats = float(nats_per_window(model, inputs, targets, autocast=autocast).sum())
    sampled_bytes = n_bytes * int((targets != IGNORED).sum()) / n_tokens
    return nats / math.log(2) / sampled_bytes


def evaluate_folder(
    model: Transformer, folder: Path, begin_token_id: int, seqlen: int, max_windows: Optional[int] = None, autocast: bool = False
) -> Dict[str, float]:
    """Bits per byte of every stream of a folder, by its name."""
    sizes = json.loads((Path(folder) / "bytes.json").read_text())
    streams = read_streams([folder], model.config.vocab_size)
    return {
        name: round(bits_per_byte(model, streams[name], sizes[name], seqlen, begin_token_id, max_windows, autocast), 4)
        for name in sorted(sizes)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seqlen", type=int, help="window length; the model's own when absent")
    parser.add_argument("--max-windows", type=int)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    model = load_bundle(args.model).to(args.device)
    begin_token_id = json.loads((args.model / "config.json").read_text())["bos_token_id"]
    seqlen = args.seqlen or model.config.max_seqlen
    print(json.dumps(evaluate_folder(model, args.data, begin_token_id, seqlen, args.max_windows)))


if __name__ == "__main__":
    main()
