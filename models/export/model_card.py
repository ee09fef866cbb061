"""Write the card of a model folder from the files that training and evaluation leave, so that no number is typed.

Usage: python3 -m export.model_card FOLDER [--summary summary.json] [--beside summary.json …] [--evaluation eval.json …]
           [--search search.json] [--counts counts.json] [--code-sources sources.json] [--corpus README.md] [--notes NOTES.md]
       python3 -m export.model_card FOLDER --toy results.json --toy-run toy-mta-n5-all-seed42 [--notes NOTES.md]

Writes FOLDER/README.md and FOLDER/curve.svg, and puts `training` and `metrics` into FOLDER/config.json, which
`mta-inspect models` prints. A section whose file is not given is left out; what only a person can say stands in NOTES.md,
Markdown that is added at the end as it is. Files: summary.json of training.train, eval.json of training.evaluate --json,
search.json of training.context_search --out, counts.json of training.prepare, sources.json of training.collect_code,
results.json of training.toy_runs; `method` in eval.json replaces the sentence that says how it was measured; of several
evaluations the first gives the metrics. A toy model needs nothing else, its run says how it was trained.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

from export.card_tables import (
    CardError, code_text, corpus_text, counts_text, metrics_of, own_evaluation, quality_table, shape_table, training_text,
)  # fmt: skip
from export.loss_curve import loss_curve_svg
from export.safetensors_file import read_safetensors
from mta.config import model_config_from_bundle
from mta.program import read_json, run_program
from training.context_report import depth_table, induction_heading, induction_table, length_table, task_table
from training.toy_report import conditions, find_run, parse_name, run_name, toy_metrics, toy_table

DTYPE_NAMES = {"torch.float16": "fp16", "torch.float32": "fp32", "torch.bfloat16": "bf16"}


def write_card(
    folder: Path,
    summary: Optional[dict] = None,
    beside: Sequence[dict] = (),
    evaluations: Sequence[List[dict]] = (),
    search: Optional[dict] = None,
    counts: Optional[List[dict]] = None,
    code_sources: Optional[dict] = None,
    corpus_readme: Optional[str] = None,
    notes: Optional[str] = None,
    toy: Sequence[dict] = (),
    toy_run: Optional[str] = None,
) -> None:
    """Write README.md, curve.svg and the two objects of config.json. Raises ValueError when an input is about another model."""
    config_file = folder / "config.json"
    content = read_json(config_file, "name")
    name, model = content["name"], model_config_from_bundle(folder)
    weights = read_safetensors(folder / "model.safetensors")
    dtype = DTYPE_NAMES[str(weights["tok_embeddings.weight"].dtype)]
    shapes = {key: tuple(value.shape) for key, value in weights.items()}
    kind = "Multi-Token Attention (arXiv:2504.00927)" if model.mta.use_mta else "plain attention, the comparison to Multi-Token Attention"
    picture: Optional[str] = None
    parts = [
        f"# {name}",
        f"A small model with {kind}, trained from nothing so that there is one to look into: the authors of the paper published "
        "code and no weights. It is for inspecting attention, not for writing text.",
        shape_table(model, shapes, (folder / "model.safetensors").stat().st_size, dtype),
    ]
    if toy:
        own_run, rivals = toy_runs_of(toy, toy_run or "")
        content["metrics"] = {**content.get("metrics", {}), **toy_metrics(own_run)}
        parts += toy_section(toy, own_run)
        summary, beside = toy_summary(own_run), [toy_summary(rival) for rival in rivals]
    if evaluations:
        content["metrics"] = {**content.get("metrics", {}), **metrics_of(own_evaluation(evaluations[0], name))}
        parts += ["## Quality", "Bits per byte, lower is better, with 95 % intervals over documents."]
        for evaluation in evaluations:
            own = own_evaluation(evaluation, name)
            method = own.get("method", f"Every token is predicted once, in windows of {own['window']} that each start anew.")
            parts += [method, quality_table(evaluation)]
    if search is not None:
        parts += search_section(search, name)
    if summary is not None:
        content["training"] = {key: summary[key] for key in ("steps", "tokens_seen", "train_seconds", "tokens_per_second", "seed")}
        curves = {run["name"]: run["loss_curve"] for run in (summary, *beside)}
        picture = loss_curve_svg(curves)
        parts += ["## Training", training_text(summary), f"![Training loss of {', '.join(curves)} over tokens seen](curve.svg)"]
    if counts is not None or corpus_readme is not None or code_sources is not None:
        parts.append("## Data")
        parts += [counts_text(counts)] if counts is not None else []
        parts += ["### Text", corpus_text(corpus_readme)] if corpus_readme is not None else []
        parts += ["### Code", code_text(code_sources)] if code_sources is not None else []
    if notes is not None:
        parts.append(notes.strip())
    # Nothing is written before every input has been read without an error.
    if picture is not None:
        (folder / "curve.svg").write_text(picture, encoding="utf-8")
    (folder / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    config_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def toy_runs_of(results: Sequence[dict], name: str) -> Tuple[dict, List[dict]]:
    """The run of that name, and those of other models with its task and seed."""
    own = find_run(results, name)
    length, kind = parse_name(own["name"])
    rivals = [run for run in results if (run["answer"], run["seed"]) == (own["answer"], own["seed"])
              and parse_name(run["name"]).block_length == length and parse_name(run["name"]).kind != kind]  # fmt: skip
    return own, rivals


def toy_summary(run: dict) -> dict:
    """A result of training.toy_runs in the form of a summary.json."""
    speed = round(run["tokens_seen"] / max(run["train_seconds"], 1e-9))
    return {**run, "tokens_per_second": speed, "loss_curve": run["curve"]}


def toy_section(results: Sequence[dict], own: dict) -> List[str]:
    """The toy task's table for this model's block length, and which run this is."""
    length = parse_name(own["name"]).block_length
    same = [run for run in results if parse_name(run["name"]).block_length == length]
    return [
        "## The toy task",
        f"These are the weights of `{run_name(own)}`: {own['sampleErrorPercent']:.2f} % of samples and {own['tokenErrorPercent']:.3f} % "
        "of tokens are wrong.",
        toy_table(same), conditions(same),
    ]  # fmt: skip


def search_section(result: dict, name: str) -> List[str]:
    """Context search: all tables of the models compared, induction of this model."""
    own = next((model for model in result["models"] if model["name"] == name), None)
    if own is None:
        raise CardError(f'The context search has no model "{name}", only {", ".join(m["name"] for m in result["models"])}.')
    names = [model["name"] for model in result["models"]]
    settings = result["settings"]
    order = f"Each cell: {' · '.join(names)}" + (" (the first less the other, with its 95 % interval)." if len(names) > 1 else ".")
    return [
        "## Context search",
        f"Numbers planted in held-out text and code, asked for by completion; {settings['samples_per_cell']} samples for each task, "
        f"number of needles and length. *Found*: the right value is the likeliest of those planted (chance: 1 / needles); *exact*: "
        f"greedy completion gives it; *nats*: negative log likelihood of the right value. {order}",
        task_table(result), "Found, % of samples:", length_table(result, "found"), "Exact, % of samples:", length_table(result, "exact"),
        "Found by depth of the needle that is asked for:", depth_table(result),
        induction_heading(own, settings["induction_length"]), induction_table(own["induction"]),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--summary", type=Path, help="summary.json of the run")
    parser.add_argument("--beside", type=Path, nargs="*", default=[], help="summary.json of runs to draw in the same picture")
    parser.add_argument("--evaluation", type=Path, nargs="*", default=[], help="JSON of training.evaluate; each holds a model of the folder's name")
    parser.add_argument("--search", type=Path, help="JSON of training.context_search")
    parser.add_argument("--counts", type=Path, help="counts.json of training.prepare")
    parser.add_argument("--code-sources", type=Path, help="sources.json of training.collect_code")
    parser.add_argument("--corpus", type=Path, help="README.md of the corpus")
    parser.add_argument("--notes", type=Path, help="Markdown to add at the end")
    parser.add_argument("--toy", type=Path, help="results.json of training.toy_runs")
    parser.add_argument("--toy-run", help="which of them this model is, such as toy-mta-n5-all-seed42")
    args = parser.parse_args()

    def read(path: Optional[Path]) -> Any:
        return None if path is None else read_json(path, kind=object)

    try:
        write_card(
            args.folder, read(args.summary), [read(path) for path in args.beside], [read(path) for path in args.evaluation], read(args.search),
            read(args.counts), read(args.code_sources), args.corpus and args.corpus.read_text(encoding="utf-8"),
            args.notes and args.notes.read_text(encoding="utf-8"), read(args.toy) or (), args.toy_run,
        )  # fmt: skip
    except KeyError as error:
        parser.error(f"no card written: an input lacks the key {error}")
    except ValueError as error:
        parser.error(f"no card written: {error}")
    print(f"wrote {args.folder / 'README.md'}")


if __name__ == "__main__":
    run_program(main)
