"""Markdown tables, for reports and model cards."""

from __future__ import annotations

from typing import Sequence


def markdown_table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
