"""Write a trained toy model as a folder that the engine opens, with its errors in config.json.

Usage: python3 -m export.toy_bundle RESULTS_FOLDER RUN_NAME --out FOLDER     (RUN_NAME as toy-mta-n5-all-seed42)

RESULTS_FOLDER is what training.toy_runs wrote: RUN_NAME.safetensors (fp16, as evaluated) and results.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Optional

from export.safetensors_file import read_safetensors
from export.to_safetensors import export_bundle
from mta.program import read_json, run_program
from mta.tokenizer import TOY_BEGIN, TOY_END
from mta.transformer import Transformer
from training.toy import toy_tokenizer_json
from training.toy_report import find_run, toy_metrics
from training.toy_runs import CONFIGS
from training.train import load_config

PROGRESS = ("steps", "tokens_seen", "train_seconds")


def export_toy(results: Path, run: str, out: Path, name: Optional[str] = None) -> None:
    """Write the folder. The weights are those that were evaluated, bit by bit."""
    result = find_run(read_json(results / "results.json", kind=list), run)
    model = Transformer(load_config(CONFIGS / f"{result['name']}.yaml").model)
    weights = read_safetensors(results / f"{run}.safetensors")
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    out.mkdir(parents=True, exist_ok=True)
    (out / "tokenizer.json").write_text(json.dumps(toy_tokenizer_json(), indent=1) + "\n")
    export_bundle(model, out, name or result["name"], out / "tokenizer.json", TOY_BEGIN, TOY_END,
                  training={key: result[key] for key in PROGRESS}, metrics=toy_metrics(result))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("run", metavar="RUN_NAME")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    export_toy(args.results, args.run, args.out)


if __name__ == "__main__":
    run_program(main)
