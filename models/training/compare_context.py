"""Context search of models that were measured apart: paired differences by needles, length and task.

Usage: python3 -m training.compare_context FILE.json [FILE.json …] [--max-length 2048]

The files are written by `training.context_search … --outcomes`, with the same seed, lengths and tokenizer. Differences are the
first model less each other one. `--max-length` leaves longer samples out of the tables by needles and by task.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from export.markdown import markdown_table
from mta.program import read_json, run_program
from training.context_report import nats, shares
from training.context_search import Cell, summarize
from training.needle_scores import Outcome

Outcomes = Dict[Cell, List[Outcome]]


def read_outcomes(paths: Sequence[Path]) -> Dict[str, Outcomes]:
    """Outcomes by model, in the order of the files. Raises ValueError when a model has none or answered other samples."""
    models: Dict[str, Outcomes] = {}
    settings = None
    for path in paths:
        content = read_json(path, "settings", "models")
        same = {key: content["settings"][key] for key in ("samples_per_cell", "seed", "lengths", "needles")}
        if settings not in (None, same):
            raise ValueError(f"{path} was made with {same}, the files before it with {settings}; samples must be the same.")
        settings = same
        for model in content["models"]:
            if "outcomes" not in model:
                raise ValueError(f'{path} has no outcomes of "{model["name"]}"; write it with training.context_search --outcomes.')
            models[model["name"]] = {
                (cell["task"], cell["needles"], cell["length"]): [Outcome(bool(exact), rank, value) for exact, rank, value in cell["rows"]]
                for cell in model["outcomes"]
            }
    return models


def group_table(models: Dict[str, Outcomes], title: str, key: Callable[[Cell], object], max_length: Optional[int] = None) -> str:
    """One row per value of `key`: found, exact and nats of every model, and the paired differences."""
    cells = [cell for cell in next(iter(models.values())) if max_length is None or cell[2] <= max_length]
    rows = []
    for value in dict.fromkeys(map(key, cells)):
        chosen = [cell for cell in cells if key(cell) == value]
        row = summarize([[outcome for cell in chosen for outcome in outcomes[cell]] for outcomes in models.values()])
        rows.append([str(value), str(row["samples"]), shares(row, "found"), shares(row, "exact"), nats(row)])
    return markdown_table([title, "samples", "found %", "exact %", "nats"], rows)


def report(models: Dict[str, Outcomes], max_length: Optional[int]) -> str:
    """Tables by needles, task and length."""
    keys: Tuple[Tuple[str, Callable[[Cell], object], Optional[int]], ...] = (
        ("needles", lambda cell: cell[1], max_length), ("task", lambda cell: cell[0], max_length), ("tokens", lambda cell: cell[2], None),
    )  # fmt: skip
    limit = f" Needles and tasks: up to {max_length} tokens." if max_length else ""
    heading = f"Each cell: {', '.join(models)}; then the first minus the others, paired, with its 95 % interval.{limit}"
    return "\n\n".join([heading, *(group_table(models, title, key, longest) for title, key, longest in keys)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--max-length", type=int, help="tokens; of the tables by needles and by task")
    args = parser.parse_args()
    print(report(read_outcomes(args.files), args.max_length))


if __name__ == "__main__":
    run_program(main)
