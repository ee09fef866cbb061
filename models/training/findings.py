"""The tables of docs/findings.md: what the kernels of trained MTA models learned.

Usage: python3 -m training.findings [--experiment experiments/smollm2-mta] [--other bundled/mta-base]

Reads the stored kernels and measurements of the experiment and the weights of the other model; seconds on a CPU.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from export.markdown import markdown_table
from export.safetensors_file import read_safetensors
from mta.kernel_kinds import kernel_name, mixing_name
from mta.program import read_json, run_program

Parts = Dict[str, Dict[int, np.ndarray]]
"""By part, then layer: kernels [head, query, key], mixing [destination, source]."""

ENDS = {
    "mta_kernel": "kernels before", "mta_kernel_after_sm": "kernels after",
    "wpsm.weight": "mixing before", "wposm.weight": "mixing after", "head_kernel": "mixing after",
}  # fmt: skip
N_RESAMPLES = 2000


def parts_of(weights: Mapping[str, np.ndarray]) -> Parts:
    """Kernels and mixing matrices of a model, by the names in its file."""
    parts: Parts = {name: {} for name in dict.fromkeys(ENDS.values())}
    for key, value in weights.items():
        _, _, end = key.partition(".attention.")
        if end not in ENDS:
            continue
        layer_idx = int(key.split(".")[1])
        if end == "head_kernel":
            groups, size = value.shape[:2]
            matrix = np.zeros((groups * size, groups * size))
            for i, kernel in enumerate(value):
                matrix[i * size : (i + 1) * size, i * size : (i + 1) * size] = kernel.T
            value = matrix
        parts[ENDS[end]][layer_idx] = value[:, 0] if end.startswith("mta_kernel") else value
    return parts


def read_parts(path: Path) -> Tuple[List[int], List[Parts]]:
    """Steps and parts of every snapshot of a kernel history; of a model's file, step 0 and its parts."""
    weights = {key: value.float().numpy() for key, value in read_safetensors(path).items() if key == "steps" or ".attention." in key}
    steps = weights.pop("steps", None)
    if steps is None:
        return [0], [parts_of(weights)]
    return [int(s) for s in steps], [parts_of({key: value[i] for key, value in weights.items()}) for i in range(len(steps))]


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def diagonal_share(kernel: np.ndarray) -> float:
    """Share of the energy besides the own pair on the line of one query back, one key back through the own pair."""
    energy, own = kernel.astype(float) ** 2, kernel.shape[1] // 2
    energy[-1, own] = 0.0
    back = range(1, min(kernel.shape[0], own + 1))
    return float(sum(energy[-1 - b, own - b] for b in back) / energy.sum()) if energy.sum() else 0.0


def kinds_table(models: Mapping[str, Parts]) -> str:
    """How many kernels and rows of mixing matrices have each name."""
    rows = []
    for model, parts in models.items():
        for part, layers in parts.items():
            if part.startswith("kernels"):
                names = Counter(kernel_name(kernel) for layer in layers.values() for kernel in layer)
            else:
                names = Counter(mixing_name(row, head) for layer in layers.values() for head, row in enumerate(layer))
            rows.append([model, part, str(sum(names.values())), ", ".join(f"{count} {name}" for name, count in names.most_common())])
    return markdown_table(["model", "part", "heads", "kinds"], rows)


def layers_table(models: Mapping[str, Parts]) -> str:
    """Kernels by layer: kinds, own tap, and the root of the energy of all other taps, means over heads."""
    rows = []
    for model, parts in models.items():
        for part in ("kernels before", "kernels after"):
            for layer_idx, layer in parts[part].items():
                own = layer[:, -1, layer.shape[2] // 2]
                rest = np.sqrt((layer**2).sum((1, 2)) - own**2)
                names = Counter(kernel_name(kernel) for kernel in layer)
                kinds = ", ".join(f"{count} {name}" for name, count in names.most_common())
                rows.append([model, part, str(layer_idx), kinds, f"{own.mean():.2f}", f"{rest.mean():.2f}"])
    return markdown_table(["model", "part", "layer", "kinds", "own tap", "rest"], rows)


def history_table(steps: Sequence[int], snapshots: Sequence[Parts], tokens_per_step: int) -> str:
    """Root mean square of the change from the first snapshot, by part."""
    rows = []
    for step, parts in zip(steps, snapshots):
        changes = [
            np.concatenate([(parts[part][i] - snapshots[0][part][i]).ravel() for i in parts[part]]) for part in parts
        ]  # fmt: skip
        rows.append([f"{step:,}", f"{step * tokens_per_step / 1e6:.0f}", *(f"{np.sqrt((c**2).mean()):.4f}" for c in changes)])
    return markdown_table(["step", "million tokens", *snapshots[0]], rows)


def bits_interval(extra: np.ndarray, tokens: np.ndarray) -> Tuple[float, float, float]:
    """Extra bits a token over texts, with the 95 % bootstrap interval over texts."""
    drawn = np.random.default_rng(0).integers(0, len(extra), (N_RESAMPLES, len(extra)))
    low, high = np.percentile(extra[drawn].sum(1) / tokens[drawn].sum(1), [2.5, 97.5])
    return float(extra.sum() / tokens.sum()), float(low), float(high)


def ablation_tables(ablation: dict) -> Tuple[str, str]:
    """Groups of parts; then single parts, one layer each, in falling order: the first 15, and what the rest shows."""
    tokens = np.array([text["tokens"] for text in ablation["texts"]])
    groups, single = [], []
    for name, values in ablation["extra_bits"].items():
        extra = np.array(values)
        row = (*bits_interval(extra, tokens), name, float((extra > 0).mean()))
        (single if name.split()[-1].isdigit() else groups).append(row)
    show = lambda rows: markdown_table(  # noqa: E731
        ["part set to the identity", "extra bits a token", "texts that get worse"],
        [[name, f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]", f"{worse:.0%}"] for mean, low, high, name, worse in rows],
    )
    groups.sort(reverse=True)
    single.sort(reverse=True)
    clear = [row for row in single if row[1] > 0]
    helped = [row[3] for row in single if row[2] < 0]
    unclear = len(single) - len(clear) - len(helped)
    note = (
        f"Of {len(single)} parts {len(clear)} cost bits when they are removed, {unclear} have an interval with 0 in it, "
        f"{len(helped)} save bits{': ' + ', '.join(helped) if helped else ''}."
    )
    return show(groups), f"{show(single[:15])}\n\n{note}"


def spearman(a: Sequence[float], b: Sequence[float]) -> Tuple[float, float]:
    """Rank correlation, and the share of 10,000 shuffles that reach its size."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (a, b)]
    found = float(np.corrcoef(*ranks)[0, 1])
    rng = np.random.default_rng(0)
    centered, other = (r - r.mean() for r in ranks)
    scale = np.sqrt((centered**2).sum() * (other**2).sum())
    shuffled = np.array([centered @ rng.permutation(other) for _ in range(10_000)]) / scale
    return found, float((np.abs(shuffled) >= abs(found) - 1e-12).mean())


def diagonal_table(parts: Parts, induction: Mapping[str, Sequence[Sequence[float]]], retrieval: Optional[dict] = None) -> str:
    """Heads with kernels before the softmax: the eight with the largest diagonal share, and rank correlations over all."""
    heads = [(layer_idx, head) for layer_idx, layer in parts["kernels before"].items() for head in range(len(layer))]
    share = [diagonal_share(parts["kernels before"][i][h]) for i, h in heads]
    scores = {name: [rows[i][h] for i, h in heads] for name, rows in induction.items()}
    if retrieval is not None:
        scores["retrieval"] = [retrieval["mixed_pattern_right"][i][h] - retrieval["mixed_pattern_others"][i][h] for i, h in heads]
    order = np.argsort(share)[::-1][:8]
    rows = []
    for k in order:
        i, h = heads[k]
        rows.append([f"L{i}H{h}", kernel_name(parts["kernels before"][i][h]), f"{share[k]:.2f}", *(f"{values[k]:.3f}" for values in scores.values())])
    table = markdown_table(["head", "kind", "diagonal share", *scores], rows)
    lines = []
    for name, values in scores.items():
        found, chance = spearman(share, values)
        lines.append(f"{name}: Spearman {found:+.2f} with the diagonal share over {len(heads)} heads (p {'< 0.0001' if chance < 1e-4 else f'= {chance:.4f}'})")
    return table + "\n\n" + "; ".join(lines) + "."


def mixing_table(models: Mapping[str, Parts], n_groups: Mapping[str, int]) -> str:
    """What head mixing adds and subtracts: weights of other heads, with those that share keys and values apart."""
    rows = []
    for model, parts in models.items():
        for part in ("mixing before", "mixing after"):
            matrices = list(parts[part].values())
            n = len(matrices[0])
            group = np.arange(n) // (n // n_groups[model])
            same = (group[:, None] == group[None]) & ~np.eye(n, dtype=bool)
            others = np.concatenate([off_diagonal(m) for m in matrices])
            energy = (others**2 * (others < 0)).sum() / (others**2).sum()
            shared = np.concatenate([m[same] for m in matrices])
            own = np.array([np.diag(m).mean() for m in matrices])
            third = max(1, len(own) // 3)
            rows.append([model, part, f"{own.mean():.2f} ({own[:third].mean():.2f}, {own[-third:].mean():.2f})", f"{others.mean():+.3f}", f"{(others < 0).mean():.0%}", f"{energy:.0%}",
                         f"{shared.mean():+.3f}, {(shared < 0).mean():.0%} negative" if len(shared) else "no such heads"])  # fmt: skip
    return markdown_table(["model", "part", "own weight (first, last third of the layers)", "mean of other heads", "negative", "energy of these", "heads of one key/value group"], rows)


def seeds_table(first: Parts, second: Parts) -> str:
    """How alike two runs became: correlation of the changes since the identity, over all weights of a part."""
    rows = []
    for part, layers in first.items():
        changes = []
        for parts in (first, second):
            flat = []
            for i in layers:
                value = parts[part][i].astype(float).copy()
                if part.startswith("kernels"):
                    value[:, -1, value.shape[2] // 2] -= 1
                else:
                    value -= np.eye(len(value))
                flat.append(value.ravel())
            changes.append(np.concatenate(flat))
        rows.append([part, f"{np.corrcoef(*changes)[0, 1]:+.2f}", f"{np.sqrt((changes[0] ** 2).mean()):.4f}", f"{np.sqrt((changes[1] ** 2).mean()):.4f}"])
    return markdown_table(["part", "correlation of the changes", "size of the change, seed 1234", "size of the change, seed 2"], rows)


def report(experiment: Path, other: Path) -> str:
    """All tables, under the headings of the page."""
    steps, snapshots = read_parts(experiment / "kernels.safetensors")
    alone, small = read_parts(experiment / "kernels-alone.safetensors")[1][0], read_parts(other / "model.safetensors")[1][0]
    steps2, snapshots2 = read_parts(experiment / "kernels-seed2.safetensors")
    models = {"SmolLM2 with MTA": snapshots[-1], "SmolLM2, seed 2": snapshots2[-1], "kernels alone": alone, other.name: small}
    context = read_json(experiment / "context-287m.json")
    induction = {f"induction, {model['name']}": model["induction"]["mixed_pattern"] for model in context["models"] if "plain" not in model["name"]}
    context2 = read_json(experiment / "context-seed2.json")
    induction2 = {f"induction, {model['name']}": model["induction"]["mixed_pattern"] for model in context2["models"]}
    retrieval2 = read_json(experiment / "retrieval-seed2.json")
    groups, single = ablation_tables(read_json(experiment / "ablation.json"))
    groups2, single2 = ablation_tables(read_json(experiment / "ablation-seed2.json"))
    config = read_json(other / "config.json")
    n_groups = {"SmolLM2 with MTA": 3, "SmolLM2, seed 2": 3, "kernels alone": 3, other.name: config.get("n_kv_heads") or config["n_heads"]}
    sections = (
        ("Kinds of kernels", kinds_table(models)), ("By layer", layers_table(models)),
        ("Leaving the identity", history_table(steps, snapshots, 65_536)),
        ("Parts that matter", groups), ("Parts of one layer", single),
        ("Diagonal kernels", diagonal_table(snapshots[-1], induction)), ("Head mixing", mixing_table(models, n_groups)),
        ("Two seeds", seeds_table(snapshots[-1], snapshots2[-1])), ("Leaving the identity, seed 2", history_table(steps2, snapshots2, 65_536)),
        ("Parts that matter, seed 2", groups2), ("Parts of one layer, seed 2", single2),
        ("Diagonal kernels, seed 2", diagonal_table(snapshots2[-1], induction2, retrieval2)),
    )  # fmt: skip
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)


def main() -> None:
    models = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", type=Path, default=models / "experiments" / "smollm2-mta")
    parser.add_argument("--other", type=Path, default=models / "bundled" / "mta-base")
    args = parser.parse_args()
    print(report(args.experiment, args.other))


if __name__ == "__main__":
    run_program(main)
