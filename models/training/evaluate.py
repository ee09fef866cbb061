"""Bits per byte of a model on token streams.

Usage: python3 -m training.evaluate BUNDLE DATA_FOLDER    (streams NAME-*.tokens.xz and bytes.json, by training.prepare)
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Optional

import numpy as np
import torch
import torch.nn.functional as F

from export.to_safetensors import load_bundle
from mta.transformer import Transformer
from training.data import gather_windows, read_streams


@torch.no_grad()
def bits_per_byte(
    model: Transformer, tokens: np.ndarray, n_bytes: int, begin_token_id: int, seqlen: int,
    batch_size: int = 8, max_windows: Optional[int] = None,
) -> float:
    """Mean surprisal in bits over consecutive windows, times tokens per byte.

    Every window starts with the begin token and no other context, so tokens near its start are predicted from little:
    the figure is an upper bound of what overlapping windows give.
    """
    device = next(model.parameters()).device
    joined = torch.from_numpy(tokens.astype(np.int32)).to(device)
    starts = torch.arange(1, len(tokens) - seqlen, seqlen, device=device)[:max_windows]
    if len(starts) == 0:
        raise ValueError(f"A stream of {len(tokens)} tokens is too short for windows of {seqlen}.")
    nats, n_tokens = 0.0, 0
    for batch in starts.split(batch_size):
        inputs, targets = gather_windows(joined, batch, seqlen, begin_token_id)
        logits = model(inputs).float()
        nats += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        n_tokens += targets.numel()
    return nats / n_tokens / math.log(2) * len(tokens) / n_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seqlen", type=int)
    parser.add_argument("--max-windows", type=int, help="of each stream, for a quick look")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    model = load_bundle(args.bundle).to(args.device)
    begin = json.loads((args.bundle / "config.json").read_text())["bos_token_id"]
    sizes = json.loads((args.data / "bytes.json").read_text())
    seqlen = args.seqlen or model.config.max_seqlen
    for name, tokens in read_streams([args.data], model.config.vocab_size).items():
        value = bits_per_byte(model, tokens, sizes[name], begin, seqlen, max_windows=args.max_windows)
        print(f"{name}: {value:.4f} bits per byte")


if __name__ == "__main__":
    main()
