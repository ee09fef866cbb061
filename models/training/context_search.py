"""Context search: can a model find what stands earlier in its context? Needles in text and code, and induction.

Usage: python3 -m training.context_search --models DIR [DIR…] --data EVALDIR --samples 200 --device cuda --out FILE.json

EVALDIR is `eval` of training.prepare's output. All models answer the same samples, so differences are paired; they
must have the same tokenizer. Writes JSON and prints it as Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch

from export.to_safetensors import load_bundle
from mta.fast_attention import use_fast_attention
from mta.program import read_json, run_program, usable_device
from mta.tokenizer import load_tokenizer
from mta.transformer import Transformer
from training.context_report import markdown_report
from training.data import read_streams
from training.evaluate import split_documents
from training.induction import induction_scores, repeated_tokens
from training.intervals import mean_interval, paired_difference, wilson_interval
from training.needle_scores import Outcome, Scorer, model_scorer, score_samples
from training.needles import DEPTHS, LENGTHS, NEEDLES, TASKS, Encode, Haystack, Sample, SearchError, build_cell, choose_streams

Cell = Tuple[str, int, int]  # task, needles, length


def usable_lengths(asked: Optional[Sequence[int]], contexts: Sequence[int]) -> List[int]:
    """The lengths to test: as asked, else those of `LENGTHS` that every context holds. SearchError when one does not fit."""
    limit = min(contexts)
    if asked is None:
        lengths = [length for length in LENGTHS if length <= limit]
        if not lengths:
            raise SearchError(f"The shortest context of the models is {limit}; give --lengths that fit it.")
        return lengths
    for length in asked:
        if length > limit:
            raise SearchError(f"Samples of {length} tokens do not fit a context of {limit}; ask for shorter ones.")
    return list(asked)


def line_end_table(token_texts: Sequence[str]) -> np.ndarray:
    """Which tokens end a line, bool [vocab_size], from the text of each token."""
    return np.array([text.endswith("\n") for text in token_texts])


def make_haystacks(streams: Dict[str, np.ndarray], ends_line: np.ndarray, begin_token_id: int) -> Dict[bool, Haystack]:
    """Text for the tasks in prose (False) and in code (True)."""
    return {
        is_code: Haystack(
            [d for name in choose_streams(streams, is_code) for d in split_documents(streams[name], begin_token_id)], ends_line
        )
        for is_code in (False, True)
    }


def make_samples(
    haystacks: Dict[bool, Haystack], encode: Encode, begin_token_id: int, lengths: Sequence[int], count: int, seed: int
) -> Dict[Cell, List[Sample]]:
    """`count` samples for every task, number of needles and length."""
    encode = lru_cache(maxsize=None)(encode)
    return {
        (task.name, n, length): list(build_cell(task, n, length, count, haystacks[task.is_code], encode, begin_token_id, seed))
        for task in TASKS for n in NEEDLES for length in lengths
    }  # fmt: skip


def score_cells(samples: Dict[Cell, List[Sample]], scorer: Scorer, batch_tokens: int) -> Dict[Cell, List[Outcome]]:
    """Outcomes of every cell, in the order of its samples."""
    return {cell: score_samples(rows, scorer, batch_tokens) for cell, rows in samples.items()}


def to_rows(outcomes: Dict[Cell, List[Outcome]]) -> List[dict]:
    """Outcomes as they are stored: [exact, rank, nats] of each sample."""
    return [
        {"task": task, "needles": n, "length": length, "rows": [[int(o.exact), o.rank, round(o.nats, 4)] for o in cell]}
        for (task, n, length), cell in outcomes.items()
    ]


def summarize(outcomes: Sequence[Sequence[Outcome]]) -> dict:
    """Shares of each model over the same samples, and of the first model minus each other one.

    outcomes: [model][sample]. Shares are {value, low, high} at 95 %.
    """
    models = []
    for rows in outcomes:
        models.append({
            "found": _share([row.found for row in rows]), "exact": _share([row.exact for row in rows]),
            "mean_rank": sum(row.rank for row in rows) / len(rows), "nats": _named(mean_interval([row.nats for row in rows])),
        })  # fmt: skip
    first, differences = outcomes[0], []
    for rows in outcomes[1:]:
        differences.append({
            "found": _named(paired_difference([a.found for a in first], [b.found for b in rows])),
            "exact": _named(paired_difference([a.exact for a in first], [b.exact for b in rows])),
            "nats": _named(mean_interval([a.nats - b.nats for a, b in zip(first, rows)])),
        })  # fmt: skip
    return {"samples": len(first), "models": models, "differences": differences}


def summarize_all(samples: Dict[Cell, List[Sample]], outcomes: Sequence[Dict[Cell, List[Outcome]]]) -> dict:
    """Summaries by cell, by depth of the needle (over needles and lengths) and by task."""
    result: Dict[str, List[dict]] = {"cells": [], "depths": [], "tasks": []}
    for cell in samples:
        task, n_needles, length = cell
        result["cells"].append({"task": task, "needles": n_needles, "length": length,
                                **summarize([model[cell] for model in outcomes])})  # fmt: skip
    for task in dict.fromkeys(cell[0] for cell in samples):
        cells = [cell for cell in samples if cell[0] == task]
        for depth in DEPTHS:
            at = [(cell, i) for cell in cells for i, sample in enumerate(samples[cell]) if sample.depth == depth]
            if at:
                rows = [[model[cell][i] for cell, i in at] for model in outcomes]
                result["depths"].append({"task": task, "depth": depth, **summarize(rows)})
        result["tasks"].append({"task": task, **summarize([[row for c in cells for row in model[c]] for model in outcomes])})
    return result


def load_models(folders: Sequence[Path], device: str) -> List[Tuple[str, Transformer, int]]:
    """Name, model on the device, begin token id. Raises SearchError when they have different tokenizers."""
    loaded = []
    for folder in folders:
        config = read_json(folder / "config.json")
        if config.get("bos_token_id") is None:
            raise SearchError(f"{folder / 'config.json'} has no bos_token_id; samples open with that token.")
        if _tokenizer_content(folder) != _tokenizer_content(folders[0]):
            raise SearchError(f"{folder} and {folders[0]} have different tokenizers, so they cannot answer the same samples.")
        loaded.append((config["name"], load_bundle(folder).to(device), config["bos_token_id"]))
    return loaded


def check_data_tokenizer(data: Path, model_folder: Path) -> None:
    """training.prepare leaves its tokenizer beside `eval`; shards of another one would be noise to the model."""
    made_with = data.parent / "tokenizer.json"
    if made_with.exists() and read_json(made_with)["model"] != _tokenizer_content(model_folder):
        raise SearchError(f"{data} was made with {made_with}, which is not the tokenizer of {model_folder}.")


def run(args: argparse.Namespace) -> dict:
    """The whole evaluation of the command line."""
    started = time.monotonic()
    models = load_models(args.models, args.device)
    lengths = usable_lengths(args.lengths, [model.config.max_seqlen for _, model, _ in models])
    check_data_tokenizer(args.data, args.models[0])
    tokenizer, begin = load_tokenizer(args.models[0]), models[0][2]
    vocab_size = min(model.config.vocab_size for _, model, _ in models)
    streams = read_streams([args.data], vocab_size)
    ends_line = line_end_table([tokenizer.decode([i]) for i in range(vocab_size)])
    haystacks = make_haystacks(streams, ends_line, begin)

    def encode(text: str) -> Tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False).ids)

    samples = make_samples(haystacks, encode, begin, lengths, args.samples, args.seed)
    is_cuda = args.device.startswith("cuda")
    batch_tokens = args.batch_tokens or (32_768 if is_cuda else 4_096)
    induction_length = min(args.induction_length, (min(m.config.max_seqlen for _, m, _ in models) - 1) // 2)
    repeated = repeated_tokens(args.induction_sequences, induction_length, vocab_size, begin, args.seed)
    outcomes, described = [], []
    for name, model, _ in models:
        model_started = time.monotonic()
        induction = induction_scores(model, repeated, max(1, batch_tokens // 8 // repeated.shape[1]))
        if is_cuda:
            use_fast_attention(model, "triton")
        outcomes.append(score_cells(samples, model_scorer(model, autocast=is_cuda), batch_tokens))
        print(f"{name}: {time.monotonic() - model_started:.0f} s", file=sys.stderr, flush=True)
        described.append({"name": name, "parameters": model.n_parameters(), "context": model.config.max_seqlen,
                          "uses_mta": model.config.mta.use_mta, "seconds": round(time.monotonic() - model_started, 1),
                          "induction": asdict(induction),
                          **({"outcomes": to_rows(outcomes[-1])} if args.outcomes else {})})  # fmt: skip
    return {
        "format": "mta-context-search-1",
        "settings": {"samples_per_cell": args.samples, "seed": args.seed, "lengths": lengths, "needles": list(NEEDLES),
                     "depths": list(DEPTHS), "precision": "bf16" if is_cuda else "fp32", "induction_length": induction_length,
                     "induction_sequences": args.induction_sequences,
                     "tasks": {task.name: task.about for task in TASKS}},
        "models": described,
        **summarize_all(samples, outcomes),
        "seconds": round(time.monotonic() - started, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="model folders; differences are first minus others")
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation shards")
    parser.add_argument("--samples", type=int, default=200, help="for every task, number of needles and length")
    parser.add_argument("--lengths", type=int, nargs="+", help="tokens, prompt and value together; 512 1024 2048 as far as they fit")
    parser.add_argument("--induction-length", type=int, default=256, help="tokens of one copy")
    parser.add_argument("--induction-sequences", type=int, default=32)
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=usable_device)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--outcomes", action="store_true", help="also write every sample's outcome, for training.compare_context")
    args = parser.parse_args()
    if args.samples < 1 or args.induction_sequences < 1 or args.induction_length < 2:
        parser.error("--samples and --induction-sequences must be at least 1, --induction-length at least 2.")
    try:
        result = run(args)
    except SearchError as error:
        parser.error(str(error))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(markdown_report(result))


def _tokenizer_content(folder: Path) -> dict:
    return read_json(folder / "tokenizer.json", "model")["model"]


def _share(flags: Sequence[bool]) -> dict:
    return _named((sum(flags) / len(flags), *wilson_interval(sum(flags), len(flags))))


def _named(interval: Tuple[float, float, float]) -> dict:
    return dict(zip(("value", "low", "high"), interval))


if __name__ == "__main__":
    run_program(main)
