"""Loss curves as an SVG picture, drawn without a plotting library. Its colours are legible on light and on dark pages."""

from __future__ import annotations

import math
from html import escape
from typing import List, Mapping, Sequence, Tuple

Curve = Sequence[Tuple[float, float]]

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 170, 16, 44
# At least 3 : 1 against white and against #1f1f1f; dashes tell the lines apart where colours do not.
STROKES = (("#2f81c7", ""), ("#c2703d", "6 4"), ("#6f8f3a", "2 3"), ("#a0609f", "9 3 2 3"))
INK = "#808080"


def loss_curve_svg(curves: Mapping[str, Curve]) -> str:
    """A picture of loss (nats a token) over tokens seen, the latter on a logarithmic axis, one line a model.

    curves: name -> points (tokens, loss). Raises ValueError when there is nothing to draw.
    """
    points = [point for curve in curves.values() for point in curve if point[0] > 0 and math.isfinite(point[1])]
    if not points or not 1 <= len(curves) <= len(STROKES):
        raise ValueError(f"Cannot draw {len(curves)} curves with {len(points)} points; 1 to {len(STROKES)} curves with points can be.")
    x_low, x_high = math.log10(min(p[0] for p in points)), math.log10(max(p[0] for p in points))
    y_low, y_high = math.floor(2 * min(p[1] for p in points)) / 2, math.ceil(2 * max(p[1] for p in points)) / 2
    y_high = max(y_high, y_low + 0.5)

    def place(tokens: float, loss: float) -> Tuple[float, float]:
        across = (math.log10(tokens) - x_low) / max(x_high - x_low, 1e-9)
        up = (loss - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    summary = "; ".join(f"{name} ends at {curve[-1][1]:.2f} nats after {short(curve[-1][0])} tokens" for name, curve in curves.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Training loss over tokens seen: {escape(summary, quote=True)}" font-family="sans-serif" font-size="12" fill="{INK}">'
    ]
    parts += _grid(place, x_low, x_high, y_low, y_high)
    ends: List[Tuple[float, str, str]] = []
    for (name, curve), (colour, dashes) in zip(curves.items(), STROKES):
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in curve if point[0] > 0 and math.isfinite(point[1]))
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        ends.append((place(*curve[-1])[1], f"{escape(name)} {curve[-1][1]:.2f}", colour))
    for y, label, colour in _spread(ends):
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def short(count: float) -> str:
    """1 500 000 as `1.5M`."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.3g}"


def _grid(place, x_low: float, x_high: float, y_low: float, y_high: float) -> List[str]:
    """Lines and labels at whole powers of ten times 1, 2, 5 and at about five losses."""
    parts = []
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    step = next(s for s in (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 1e9) if (y_high - y_low) / s <= 6)
    for i in range(math.ceil(y_low / step), math.floor(y_high / step) + 1):
        y = place(10**x_low, i * step)[1]
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{INK}" stroke-opacity="0.25"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{i * step:g}</text>')
    for exponent in range(math.floor(x_low), math.ceil(x_high) + 1):
        for digit in (1, 2, 5):
            tokens = digit * 10.0**exponent
            if x_low - 1e-9 <= math.log10(tokens) <= x_high + 1e-9:
                x = place(tokens, y_low)[0]
                parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="{INK}"/>')
                parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{short(tokens)}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">tokens seen; training loss in nats a token</text>')
    return parts


def _spread(labels: List[Tuple[float, str, str]], gap: float = 15.0) -> List[Tuple[float, str, str]]:
    """Move labels apart that would cover each other, in their order from top to bottom."""
    placed: List[Tuple[float, str, str]] = []
    for y, text, colour in sorted(labels):
        placed.append((max(y, placed[-1][0] + gap) if placed else y, text, colour))
    return placed
