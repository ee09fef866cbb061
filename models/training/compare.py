"""Every pair of models in a file of training.evaluate: the difference in bits per byte with its paired 95 % interval.

Usage: python3 -m training.compare FILE.json [FILE.json …]

The files are written by `training.evaluate … --documents --json FILE`; all must be of the same texts.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np

from mta.program import read_json, run_program
from training.evaluate import Score


def read_scores(paths: Sequence[Path]) -> Dict[str, Dict[str, Score]]:
    """Scores by model and text, in the order of the files. Raises ValueError when a file has no documents or other ones."""
    scores: Dict[str, Dict[str, Score]] = {}
    for path in paths:
        for row in read_json(path, kind=list):
            if "documents" not in row:
                raise ValueError(f'{path} has no documents of "{row["model"]}"; write it with training.evaluate --documents.')
            scores[row["model"]] = {
                name: Score(np.array(texts["bits"]), np.array(texts["tokens"]), texts["bytes"]) for name, texts in row["documents"].items()
            }
    first = next(iter(scores.values()))
    for model, texts in scores.items():
        if {n: s.n_tokens.tolist() for n, s in texts.items()} != {n: s.n_tokens.tolist() for n, s in first.items()}:
            raise ValueError(f'"{model}" was measured on other texts than "{next(iter(scores))}"; evaluate all on the same shards and window.')
    return scores


def pairs(scores: Dict[str, Dict[str, Score]]) -> List[Tuple[str, str, Dict[str, Tuple[float, float, float]]]]:
    """(model, other model, difference by text) of every model and each before it; negative is better than the other."""
    names = list(scores)
    return [
        (model, other, {text: score.difference(scores[other][text]) for text, score in scores[model].items()})
        for i, model in enumerate(names) for other in names[:i]
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    scores = read_scores(parser.parse_args().files)
    texts = list(next(iter(scores.values())))
    print(f"| model | {' | '.join(texts)} |\n|---|{'---|' * len(texts)}")
    for model, row in scores.items():
        print(f"| {model} | {' | '.join(f'{row[text].bits_per_byte:.4f}' for text in texts)} |")
    print(f"\n| difference | {' | '.join(texts)} |\n|---|{'---|' * len(texts)}")
    for model, other, row in pairs(scores):
        print(f"| {model} − {other} | {' | '.join('{:+.4f} [{:+.4f}, {:+.4f}]'.format(*row[text]) for text in texts)} |")


if __name__ == "__main__":
    run_program(main)
