"""Retrieval per head: does a head look at the planted value when it is asked for?

Usage: python3 -m training.retrieval MODEL_FOLDER EVALDIR --out FILE.json [--samples 6] [--needles 4] [--length 512] [--device cpu]

Samples are those of training.context_search. A head's score is its mean attention from the last token of the question to
the first token of the value that is asked for, after Wu et al., Retrieval Head Mechanistically Explains Long-Context
Factuality (2024), who count copies. Beside it stands the same to the other planted values, so that the difference is what
tells the right value. Both are taken of `pattern` and of `mixed_pattern`, in float32 with the plain form of attention.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Dict, List, Sequence

import torch

from export.to_safetensors import load_bundle
from mta.program import read_json, run_program, usable_device
from mta.tokenizer import load_tokenizer
from mta.transformer import Transformer
from training.context_search import line_end_table, make_haystacks
from training.data import read_streams
from training.needles import TASKS, Sample, SearchError, build_cell


def value_places(sample: Sample) -> List[int]:
    """Where each planted value begins in the prompt, in the order of `values`."""
    prompt, places = sample.prompt.tolist(), []
    for start, value in zip(sample.starts, sample.values):
        found = [i for i in range(start, len(prompt) - len(value)) if tuple(prompt[i : i + len(value)]) == tuple(value)]
        if not found:
            raise SearchError(f"The value {list(value)} is not planted after token {start}; make the samples again.")
        places.append(found[0])
    return places


@torch.no_grad()
def retrieval_scores(model: Transformer, samples: Sequence[Sample]) -> Dict[str, List[List[float]]]:
    """Attention to the right value and to one of the others, by stage; each [layer][head]."""
    device = model.tok_embeddings.weight.device
    shape = (model.config.n_layers, model.config.n_heads)
    totals = {f"{stage}_{which}": torch.zeros(shape) for stage in ("pattern", "mixed_pattern") for which in ("right", "others")}
    for sample in samples:
        places = value_places(sample)
        others = [place for index, place in enumerate(places) if index != sample.asked]
        taps: List[dict] = []
        model.hidden(torch.from_numpy(sample.prompt)[None].to(device), taps)
        for layer_idx, layer in enumerate(taps):
            for stage in ("pattern", "mixed_pattern"):
                row = layer[stage][0, :, -1].float().cpu()
                totals[f"{stage}_right"][layer_idx] += row[:, places[sample.asked]]
                totals[f"{stage}_others"][layer_idx] += row[:, others].mean(1)
    return {name: (total / len(samples)).tolist() for name, total in totals.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=6, help="of each task")
    parser.add_argument("--needles", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--device", default="cpu", type=usable_device)
    args = parser.parse_args()
    content = read_json(args.model / "config.json", "name", "bos_token_id")
    model, tokenizer = load_bundle(args.model).to(args.device).eval(), load_tokenizer(args.model / "tokenizer.json")
    begin = content["bos_token_id"]
    texts = [tokenizer.decode([i], skip_special_tokens=False) for i in range(model.config.vocab_size)]
    haystacks = make_haystacks(read_streams([args.data], model.config.vocab_size), line_end_table(texts), begin)
    samples = [
        sample for task in TASKS
        for sample in build_cell(task, args.needles, args.length, args.samples, haystacks[task.is_code],
                                 lambda text: tokenizer.encode(text, add_special_tokens=False).ids, begin, 1)
    ]  # fmt: skip
    scores = retrieval_scores(model, samples)
    rounded = {name: [[round(value, 4) for value in row] for row in rows] for name, rows in scores.items()}
    settings = {"samples_per_task": args.samples, "needles": args.needles, "length": args.length, "tasks": [task.name for task in TASKS], "seed": 1}
    args.out.write_text(json.dumps({"format": "mta-retrieval-1", "model": content["name"], "settings": settings, **rounded}, separators=(",", ":")) + "\n")
    print(f"{args.out}: {len(samples)} samples")


if __name__ == "__main__":
    run_program(main)
