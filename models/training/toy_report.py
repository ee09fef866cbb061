"""Results of the toy task as Markdown tables beside the paper's, for models/README.md and the cards of the toy models.

Usage: python3 -m training.toy_report results.json [more.json …]      (files of training.toy_runs)
"""

from __future__ import annotations

import argparse
import re
import statistics
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

from export.markdown import markdown_table
from mta.program import read_json, run_program
from training.toy import ANSWERS

# Error in % of samples, mean ± standard deviation of three seeds: Multi-Token Attention, arXiv:2504.00927, §4.1.
PAPER = {
    (5, "transformer"): {"all": "51.6 ± 43.1", "first": "78.2 ± 1.5", "last": "1.3 ± 0.4"},
    (5, "mta"): {"all": "0.1 ± 0.1", "first": "0.0 ± 0.0", "last": "0.0 ± 0.0"},
    (8, "transformer"): {"all": "31.2 ± 50.3", "first": "28.9 ± 24.9", "last": "58.4 ± 46.8"},
    (8, "mta"): {"all": "0.1 ± 0.0", "first": "0.0 ± 0.0", "last": "0.0 ± 0.0"},
}
KINDS = {"transformer": "Transformer", "mta": "MTA"}


class ToyRunName(NamedTuple):
    """What a configuration's name says: block length and `mta` or `transformer`."""

    block_length: int
    kind: str


def parse_name(name: str) -> ToyRunName:
    """`toy-mta-n5` taken apart. Raises ValueError for another name."""
    match = re.fullmatch(r"toy-(mta|transformer)-n(\d+)", name)
    if match is None:
        raise ValueError(f'"{name}" is no run of the toy task; those are named like toy-mta-n5.')
    return ToyRunName(int(match[2]), match[1])


def run_name(result: Mapping) -> str:
    """As training.toy_runs names the weights: `toy-mta-n5-all-seed42`."""
    return f"{result['name']}-{result['answer']}-seed{result['seed']}"


def find_run(results: Sequence[Mapping], name: str) -> Mapping:
    """The first run of that name; ValueError names those that are there."""
    for result in results:
        if run_name(result) == name:
            return result
    raise ValueError(f'There is no run "{name}" of the toy task, only {", ".join(map(run_name, results))}.')


def toy_metrics(result: Mapping) -> Dict[str, float]:
    """What config.json says of a toy model, and `mta-inspect models` prints."""
    return {"toy_samples_wrong_percent": result["sampleErrorPercent"], "toy_tokens_wrong_percent": result["tokenErrorPercent"]}


def toy_table(results: Sequence[Mapping]) -> str:
    """One row per block length, answer, model and schedule: every seed, their median, and the paper's mean."""
    groups: Dict[Tuple, List[Mapping]] = {}
    for result in results:
        length, kind = parse_name(result["name"])
        schedule = result["steps"], result["learningRate"]
        groups.setdefault((length, ANSWERS.index(result["answer"]), -list(KINDS).index(kind), *schedule), []).append(result)
    head = ["N", "answer", "model", "steps", "rate", "samples wrong, %, by seed", "median", "tokens wrong, %, median", "the paper, samples wrong, %"]
    lines: List[List[str]] = []
    for key in sorted(groups):
        runs = sorted(groups[key], key=lambda run: run["seed"])
        length, kind = parse_name(runs[0]["name"])
        seeds = ", ".join(f"{run['seed']}: {run['sampleErrorPercent']:.2f}" for run in runs)
        median, tokens_wrong = (statistics.median(run[name] for run in runs) for name in ("sampleErrorPercent", "tokenErrorPercent"))
        lines.append([str(length), runs[0]["answer"], KINDS[kind], f"{runs[0]['steps']:,}", f"{runs[0]['learningRate']:g}", seeds,
                      f"{median:.2f}", f"{tokens_wrong:.3f}", PAPER.get((length, kind), {}).get(runs[0]["answer"], "–")])  # fmt: skip
    return markdown_table(head, lines)


def conditions(results: Sequence[Mapping]) -> str:
    """What the numbers were measured on, and the share of samples that were left out because their target was cut."""
    text = "Fresh samples that no run was trained on, weights rounded to fp16, teacher-forced; a sample is wrong when any token is."
    for length in sorted({parse_name(result["name"]).block_length for result in results}):
        run = next(result for result in results if parse_name(result["name"]).block_length == length)
        drawn = run["samples"] + run["leftOutBecauseCut"]
        text += (
            f" N = {length}: {run['samples']:,} samples a run, {100 * run['leftOutBecauseCut'] / drawn:.1f} % of those drawn "
            "left out because the block asked for was cut."
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+")
    args = parser.parse_args()
    results = [result for path in args.results for result in read_json(path, kind=list)]
    print(toy_table(results), conditions(results), sep="\n\n")


if __name__ == "__main__":
    run_program(main)
