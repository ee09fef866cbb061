"""The parts of a model card that come from files: sizes, quality, training, data. Each returns Markdown."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from export.markdown import markdown_table
from mta.config import ModelConfig

MULTI_TOKEN_PARTS = re.compile(r"\.(mta_kernel|mta_kernel_after_sm|wpsm|wposm|head_kernel|subln|gate)\b")
STREAMS = {"books": "validation books", "docs": "validation docs", "code": "held-out code"}
METRICS = {"books": "validation_books_bpb", "docs": "validation_docs_bpb", "code": "heldout_code_bpb"}
CODE_GROUPS = {
    "python": "Python standard library", "go": "Go standard library", "npm": "npm dependencies of this project",
    "apt": "apt dependencies of this project, their Python part",
}  # fmt: skip


class CardError(ValueError):
    """An input of the card that does not hold what it should, with its name."""


def shape_table(config: ModelConfig, shapes: Mapping[str, Tuple[int, ...]], size_bytes: int, dtype: str) -> str:
    """What the model is made of. shapes: of every stored tensor, by its key."""
    counts = {key: _product(shape) for key, shape in shapes.items()}
    multi_token = sum(count for key, count in counts.items() if MULTI_TOKEN_PARTS.search(key))
    embedding = counts["tok_embeddings.weight"]
    parts = f"embedding {embedding:,}{', also the output' if config.weight_tying else ''}"
    if multi_token:
        parts += f"; kernels, head mixing, norms and gates {multi_token:,}"
    heads = f"{config.n_heads} heads of {config.head_dim}"
    if config.n_kv_heads != config.n_heads:
        heads += f" over {config.n_kv_heads} key and value heads"
    rows = [
        ["parameters", f"{sum(counts.values()):,} ({parts})"],
        ["shape", f"{config.n_layers} layers, {heads}, width {config.dim}, feed-forward {config.hidden_dim}"],
        ["context", f"{config.max_seqlen:,} tokens"],
        ["attention", attention_text(config)],
        ["positions", f"rotary, {config.rope_style} pairs, θ = {config.rope_theta:,.0f}"],
        ["vocabulary", f"{config.vocab_size:,}"],
        ["file", f"{dtype}, {size_bytes / 1e6:.1f} MB"],
    ]
    return markdown_table(["", ""], rows)


def attention_text(config: ModelConfig) -> str:
    """The multi-token parts in words."""
    mta = config.mta
    parts: List[str] = []
    for sizes, where in ((mta.pre_softmax_kernel, "before"), (mta.post_softmax_kernel, "after")):
        layers = [i for i in range(config.n_layers) if sizes(i)]
        if layers and sizes(layers[0]) != (1, 1):
            query, key = sizes(layers[0])
            which = "all layers" if len(layers) == config.n_layers else f"layers {', '.join(map(str, layers))}"
            parts.append(f"key-query kernels of {query} × {key} {where} the softmax in {which}")
    if mta.use_mta and mta.pre_sm_linear_head:
        parts.append("linear head mixing before it (`wpsm`)")
    if mta.use_mta and mta.head_kernel_size:
        parts.append(f"head mixing after it in groups of {mta.head_kernel_size} (`head_kernel`)")
    if mta.use_mta and mta.post_sm_linear_head:
        parts.append("linear head mixing after it (`wposm`)")
    if mta.group_norm:
        parts.append("a norm per head")
    if mta.add_gating:
        parts.append("a gate per head" if mta.gate_1d else "an element-wise gate")
    return "; ".join(parts) or "plain"


def own_evaluation(rows: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """The row of this model in a file of training.evaluate."""
    for row in rows:
        if row["model"] == name:
            return row
    raise CardError(f'The evaluation has no model "{name}", only {", ".join(row["model"] for row in rows)}.')


def quality_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Bits per byte of all models of a file of training.evaluate; others are compared with the first."""
    streams = list(rows[0]["bits_per_byte"])
    lines = []
    for row in rows:
        cells = [f"{row['bits_per_byte'][s]:.4f} ({row['interval'][s][0]:.4f} to {row['interval'][s][1]:.4f})" for s in streams]
        lines.append([row["model"], *cells])
    for row in rows[1:]:
        cells = ["{:+.4f} ({:+.4f} to {:+.4f})".format(*row["difference"][s]).replace("-", "−") for s in streams]
        lines.append([f"{row['model']} less {rows[0]['model']}", *cells])
    return markdown_table(["", *(STREAMS.get(stream, stream) for stream in streams)], lines)


def metrics_of(row: Mapping[str, Any]) -> Dict[str, float]:
    """What `mta-inspect models` prints: bits per byte by the names config.json uses."""
    return {METRICS.get(stream, f"{stream}_bpb"): value for stream, value in row["bits_per_byte"].items()}


def training_text(summary: Mapping[str, Any]) -> str:
    """One sentence or two about the run, from the summary.json that training.train leaves."""
    text = (
        f"{summary['steps']:,} steps, {summary['tokens_seen']:,} tokens seen in {summary['train_seconds'] / 60:.0f} minutes, "
        f"{summary['tokens_per_second']:,} a second, seed {summary['seed']}."
    )
    if summary.get("epochs"):
        text += f" Passes over the data: {', '.join(f'{name} {count:g}' for name, count in summary['epochs'].items())}."
    return text


def corpus_sources(readme: str) -> List[Dict[str, str]]:
    """The rows of the table under `## Sources` of the corpus' README, by column name."""
    section = readme.split("\n## Sources\n", 1)
    lines = [line for line in section[-1].split("\n## ")[0].splitlines() if line.startswith("|")]
    if len(section) < 2 or len(lines) < 3:
        raise CardError('The corpus README has no table under "## Sources".')
    head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    missing = {"repository", "licence", "credit", "train MB"} - set(head)
    if missing:
        raise CardError(f"The table of sources in the corpus README lacks {', '.join(sorted(missing))}.")
    return [dict(zip(head, row)) for row in rows]


def corpus_text(readme: str) -> str:
    """Sources by licence with their credits, and what the licences ask to be said."""
    by_licence: Dict[str, List[Dict[str, str]]] = defaultdict(list)
    for row in corpus_sources(readme):
        by_licence[row["licence"]].append(row)
    lines = []
    for licence, rows in by_licence.items():
        size = sum(float(row["train MB"].replace(",", "")) for row in rows)
        credits = "; ".join(f"{row['repository']} ({row['credit']})" for row in rows)
        lines.append(f"- **{licence}**, {size:.0f} MB: {credits}.")
    return "\n".join(lines) + (
        "\n\nCC-BY-4.0: https://creativecommons.org/licenses/by/4.0/. All texts were changed: front matter, markup, images and "
        "link targets removed, long files cut, repeated paragraphs dropped. Code samples in the documentation may have a licence "
        "of their own: MIT (Microsoft, .NET), Apache-2.0 (OpenTelemetry, comprehensive-rust), BSD-3-Clause (Dart). The books' "
        "public-domain claim is their collection's own and was not checked title by title."
    )


def code_text(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Code by group and licence, by language, and what is held out; from training.collect_code's sources.json."""
    trained = [row for row in sources.values() if not row["heldout"]]
    kinds: Dict[Tuple[str, str], List[Mapping[str, Any]]] = defaultdict(list)
    for row in trained:
        kinds[row["group"], row["licence"]].append(row)
    order = sorted(kinds, key=lambda kind: (list(CODE_GROUPS).index(kind[0]), -sum(r["bytes"] for r in kinds[kind])))
    lines = [
        [CODE_GROUPS[group], licence, f"{len(kinds[group, licence]):,}", f"{sum(r['documents'] for r in kinds[group, licence]):,}",
         f"{sum(r['bytes'] for r in kinds[group, licence]) / 1e6:.2f}"]
        for group, licence in order
    ]  # fmt: skip
    languages: Dict[str, int] = defaultdict(int)
    for row in trained:
        for language, n_bytes in row["languages"].items():
            languages[language] += n_bytes
    by_language = ", ".join(f"{name} {count / 1e6:.1f} MB" for name, count in sorted(languages.items(), key=lambda kv: -kv[1]))
    held: Dict[str, List[str]] = defaultdict(list)
    for name, row in sorted(sources.items()):
        if row["heldout"]:
            held[row["group"]].append(name.split(":", 1)[1])
    held_out = "; ".join(f"{CODE_GROUPS[group]}: {', '.join(held[group])}" for group in CODE_GROUPS if held[group])
    return (
        f"{markdown_table(['source', 'licence', 'packages', 'parts of files', 'MB'], lines)}\n\n"
        f"By language: {by_language}. Licences are those that each package states.\n\n"
        f"Held out for evaluation, whole packages: {held_out or 'none'}."
    )


def counts_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Tokens and bytes by stream of training.prepare's counts.json, whose first three rows are the evaluation texts."""
    totals: Dict[str, List[int]] = defaultdict(lambda: [0, 0])
    for row in rows[3:]:
        stream = totals[Path(row["name"]).name.split("-")[0]]
        stream[0] += row["tokens"]
        stream[1] += row["bytes"]
    parts = ", ".join(f"{name} {tokens / 1e6:.1f} M ({n_bytes / 1e6:.0f} MB)" for name, (tokens, n_bytes) in sorted(totals.items()))
    return f"{sum(tokens for tokens, _ in totals.values()) / 1e6:.1f} million tokens: {parts}."


def _product(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
