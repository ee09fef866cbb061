"""What Python libraries read in GGUF files, for tests that need neither of them.

Usage: python3 -m export.gguf_cases blocks ../test/fixtures/gguf             (needs numpy and gguf)
       python3 -m export.gguf_cases file FILE.gguf ../test/fixtures/gguf     (needs torch, transformers and gguf)

`blocks` writes random blocks of every tensor type and the values that `gguf` reads in them. `file` writes excerpts of what
`transformers` computes with the file's weights: token ids, logits, and cells of all attention maps.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

from mta.program import run_program

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4"]
# Where the fp16 scales of a block are; random bits would make some of them infinite or not a number.
HALVES = {"F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}  # fmt: skip
SEED = 20261130
N_VALUES = 1024
N_TOKENS = 1000
# Excerpts: every so many columns of a few rows.
LOGIT_ROWS, LOGIT_STEP = [0, 1, 2, 99, 500, 998, 999], 97
MAP_ROWS, MAP_STEP, MEAN_STEP = [31, 499, 999], 16, 40


def encoded(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def random_blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    """Bytes of N_VALUES values, each bit of them random where that gives finite values."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    block_values, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (N_VALUES // block_values, block_bytes), dtype=np.uint8)
    for at in HALVES.get(name, []):
        halves = np.concatenate([rng.normal(0, 0.05, len(blocks) - 2), [6e-8, -3.0]]).astype(np.float16)
        blocks[:, at : at + 2] = halves.view(np.uint8).reshape(-1, 2)
    if name == "F32":
        blocks = rng.normal(0, 1, len(blocks)).astype(np.float32).view(np.uint8).reshape(-1, 4)
    if name == "BF16":
        blocks = (rng.normal(0, 1, len(blocks)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":  # exponents of finite fp32 numbers; the smallest are subnormal
        blocks[:, 0] = np.concatenate([rng.integers(100, 140, len(blocks) - 3), [0, 1, 2]])
    return blocks.reshape(-1)


def block_cases() -> List[Dict[str, str]]:
    from gguf import GGMLQuantizationType, dequantize

    rng = np.random.default_rng(SEED)
    cases = []
    for name in TYPES:
        data = random_blocks(name, rng)
        if name == "F16":
            values = data.view(np.float16).astype(np.float32)
        else:
            values = dequantize(data, GGMLQuantizationType[name]).astype(np.float32)
        assert np.isfinite(values).all() and values.size == N_VALUES, name
        cases.append({"type": name, "bytes": encoded(data), "values": encoded(values)})
    return cases


def sample_text() -> str:
    """More than N_TOKENS tokens: code, prose, numbers, other scripts, blanks of many kinds."""
    samples = Path(__file__).parents[2] / "samples"
    files = [(samples / name).read_text(encoding="utf-8") for name in ("tides.py", "lighthouse.md", "inventory.ts")]
    odd = "In 1987 and 2024, 12345.678 + 9 = 12354.678.\n\n\n\tÜber naïve café: 東京タワー, Привет, 🙂👍🏽!  \r\n   x += 1;  // don't, I'll, we'VE\n"
    return odd + "".join(files)


def file_case(path: Path) -> Dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = sample_text()
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:N_TOKENS]
    assert len(ids) == N_TOKENS, len(ids)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        result = model(torch.tensor([ids]), output_attentions=True)
    logits = result.logits[0].numpy()
    cells, means = [], []
    for layer in result.attentions:
        maps = layer[0].numpy()
        for row in MAP_ROWS:
            cells.append(maps[:, row, : row + 1 : MAP_STEP])
        means.append(maps[:, ::MEAN_STEP] @ np.arange(N_TOKENS, dtype=np.float32) / N_TOKENS)
    return {
        "file": path.name, "text": text, "ids": ids,
        "logit_rows": LOGIT_ROWS, "logit_step": LOGIT_STEP, "logits": encoded(logits[LOGIT_ROWS, ::LOGIT_STEP]),
        "log_sums": encoded(torch.logsumexp(result.logits[0], 1).numpy()),
        # Per layer and row, [head, key]; and per layer the mean key of rows, as a share of the text, [head, row].
        "map_rows": MAP_ROWS, "map_step": MAP_STEP, "mean_step": MEAN_STEP,
        "cells": [encoded(values.astype(np.float16)) for values in cells], "means": [encoded(values) for values in means],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("blocks").add_argument("out", type=Path)
    file = commands.add_parser("file")
    file.add_argument("file", type=Path)
    file.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    name, content = ("blocks", block_cases()) if args.command == "blocks" else (args.file.stem, file_case(args.file))
    data = gzip.compress(json.dumps(content, ensure_ascii=False).encode(), mtime=0)
    (args.out / f"{name}.json.gz").write_bytes(data)


if __name__ == "__main__":
    run_program(main)
