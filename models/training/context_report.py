"""The result of context search as Markdown tables, for models/README.md and the model cards."""

from __future__ import annotations

from typing import Mapping

from export.markdown import markdown_table


def markdown_report(result: Mapping) -> str:
    """All tables of a result of training.context_search."""
    settings = result["settings"]
    names = [model["name"] for model in result["models"]]
    parts = [
        f"Context search: {settings['samples_per_cell']} samples a cell, seed {settings['seed']}, {settings['precision']}. "
        f"Each cell: {', '.join(names)}" + ("; then the first minus the others, paired, with its 95 % interval." if len(names) > 1 else "."),
        "**Over all needles and lengths.** *Found*: the right value is the likeliest of those planted. *Exact*: greedy "
        "completion gives it. *Nats*: negative log likelihood of the right value, lower is better.",
        task_table(result),
        "**Found**, % of samples (chance: 1 / needles)",
        length_table(result, "found"),
        "**Exact**, % of samples",
        length_table(result, "exact"),
        "**Found by depth of the needle that is asked for**, % of samples over all needles and lengths",
        depth_table(result),
    ]
    for model in result["models"]:
        parts += [induction_heading(model, settings["induction_length"]), induction_table(model["induction"])]
    return "\n\n".join(parts)


def task_table(result: Mapping) -> str:
    """One row per task: found, exact, nats."""
    rows = [
        [row["task"], result["settings"]["tasks"][row["task"]], shares(row, "found"), shares(row, "exact"), nats(row)]
        for row in result["tasks"]
    ]
    return markdown_table(["task", "what is asked for", "found %", "exact %", "nats"], rows)


def length_table(result: Mapping, measure: str) -> str:
    """One row per task and number of needles, one column per length."""
    lengths = result["settings"]["lengths"]
    cells = {(c["task"], c["needles"], c["length"]): c for c in result["cells"]}
    rows = [
        [task, str(n), *(shares(cells[task, n, length], measure) for length in lengths)]
        for task in result["settings"]["tasks"] for n in result["settings"]["needles"]
    ]  # fmt: skip
    return markdown_table(["task", "needles", *(f"{length} tokens" for length in lengths)], rows)


def depth_table(result: Mapping) -> str:
    """One row per task, one column per depth."""
    depths = sorted({row["depth"] for row in result["depths"]})
    cells = {(row["task"], row["depth"]): row for row in result["depths"]}
    rows = [
        [task, *(shares(cells[task, d], "found") if (task, d) in cells else "–" for d in depths)]
        for task in result["settings"]["tasks"]
    ]
    return markdown_table(["task", *(f"{100 * depth:.0f} %" for depth in depths)], rows)


def induction_heading(model: Mapping, length: int) -> str:
    """What the table below it says, with the loss of both copies."""
    scores = model["induction"]
    drop = scores["first_copy_nats"] - scores["second_copy_nats"]
    return (
        f"**Induction in {model['name']}**: attention from each token of a repeated random sequence of {length} to what followed "
        f"it the first time, mean of `mixed_pattern` (of `pattern` in brackets). Loss {scores['first_copy_nats']:.2f} nats on the "
        f"first copy, {scores['second_copy_nats']:.2f} on the second: {drop:.2f} less."
    )


def induction_table(scores: Mapping) -> str:
    """One row per layer, one column per head."""
    rows = [
        [str(layer_idx), *(f"{_number(mixed)} ({_number(plain)})" for mixed, plain in zip(mixed_row, plain_row))]
        for layer_idx, (mixed_row, plain_row) in enumerate(zip(scores["mixed_pattern"], scores["pattern"]))
    ]
    return markdown_table(["layer", *(f"head {i}" for i in range(len(scores["pattern"][0])))], rows)


def shares(row: Mapping, measure: str) -> str:
    """`61 · 48 (+13: 5 to 21)` in per cent; one model alone gets its own interval."""
    values = " · ".join(f"{100 * model[measure]['value']:.0f}" for model in row["models"])
    if not row["differences"]:
        only = row["models"][0][measure]
        return f"{values} ({100 * only['low']:.0f} to {100 * only['high']:.0f})"
    return f"{values} ({'; '.join(_difference(d[measure], 100, 0) for d in row['differences'])})"


def nats(row: Mapping) -> str:
    """`3.12 · 3.40 (−0.28: −0.31 to −0.25)`."""
    values = " · ".join(f"{model['nats']['value']:.2f}" for model in row["models"])
    if not row["differences"]:
        return values
    return f"{values} ({'; '.join(_difference(d['nats'], 1, 2) for d in row['differences'])})"


def _difference(interval: Mapping, factor: float, digits: int) -> str:
    value, low, high = (_signed(factor * interval[key], digits) for key in ("value", "low", "high"))
    return f"{value}: {low} to {high}"


def _signed(value: float, digits: int) -> str:
    text = _number(value, digits)
    return text if value <= 0 or float(text) == 0 else f"+{text}"


def _number(value: float, digits: int = 2) -> str:
    """With a real minus sign, and none before zero."""
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text
