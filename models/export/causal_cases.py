"""What experiments on the tiny model give, computed in float64 by `models/tests/independent_model.py` and a few lines more.

Usage: python3 -m export.causal_cases ../test/fixtures/causal.json      (needs numpy alone)

The residual stream after every layer, read by the norm and the output head (logit lens); and predictions when queries
may not see keys (knock-outs), for Multi-Token Attention by the definition in docs/guide/experiments.md: a row computes its attention as
if the forbidden tokens were not there, neither as keys nor as the rows above it that the convolutions read.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from independent_model import Model, divergence_bits, rms, softmax  # noqa: E402

from mta.program import run_program

FORMAT = "mta-causal-1"
FOLDER = Path(__file__).parent.parent.parent / "test" / "fixtures" / "tiny-model"
# "def tide(moon):\n  return moon + 1\n" as the model's tokenizer cuts it, after the begin token
IDS = [300, 297, 256, 105, 296, 40, 109, 111, 261, 41, 58, 10, 32, 32, 287, 32, 109, 111, 261, 32, 43, 32, 49, 10]
# "coon" instead of the first "moon"
CORRUPTED = [99 if i == 6 else id for i, id in enumerate(IDS)]
PATCH = dict(row=19, target=109, minus=99)
# keys, rows [first, end) that may not see them (None: all rows after the keys), layers, heads (None: all)
KNOCK_OUTS: List[Dict[str, Any]] = [
    dict(keys=[[5, 9]], queries=None, layers=None, heads=None),
    dict(keys=[[0, 1]], queries=None, layers=None, heads=None),
    dict(keys=[[2, 5], [11, 14]], queries=None, layers=None, heads=None),
    dict(keys=[[5, 9]], queries=[20, 22], layers=[0], heads=None),
    dict(keys=[[5, 9]], queries=None, layers=[1, 2], heads=None),
    dict(keys=[[14, 18]], queries=None, layers=[0, 2], heads=[1, 3]),
]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits.max(-1, keepdims=True)
    return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))


class CausalModel(Model):
    """The model with edges cut: `cuts[layer]` is a list of (keys, queries, heads)."""

    def attention_maps(self, x: np.ndarray, layer: int, allowed: np.ndarray):
        """The last stage and the values, where only `allowed` [head, query, key] cells may be read or written."""
        n = len(x)
        get = lambda name: self.weights[f"layers.{layer}.attention.{name}"]  # noqa: E731
        heads = lambda y: y.reshape(n, self.n_heads, -1).transpose(1, 0, 2)  # noqa: E731
        q, k, v = (heads(x @ get(f"w{name}.weight").T) for name in "qkv")
        q, k = self.rotate(q), self.rotate(k)
        parts = self.kernels_of(layer)
        maps = np.where(allowed, q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]), 0)
        for side in ("pre", "post"):
            if side == "post":
                empty = ~allowed.any(-1, keepdims=True)
                maps = np.where(allowed, softmax(np.where(allowed | empty, maps, -np.inf)), 0)
            if f"{side}_softmax_conv" in parts:
                maps = np.where(allowed, convolve_all(maps, parts[f"{side}_softmax_conv"]), 0)
            if f"{side}_softmax_head_mix" in parts:
                maps = np.where(allowed, np.einsum("ds,sij->dij", parts[f"{side}_softmax_head_mix"], maps), 0)
        return maps, v

    def rows_of(self, x: np.ndarray, layer: int, cuts) -> np.ndarray:
        """The attention's output, row by row: each with what it may not see left out of everything above it, too."""
        n = len(x)
        causal = np.broadcast_to(np.tril(np.ones((n, n), bool)), (self.n_heads, n, n))
        plain = self.finish(*self.attention_maps(x, layer, causal), layer)
        out = plain.copy()
        for row in range(n):
            allowed = causal.copy()
            active = [cut for cut in cuts if cut[1][0] <= row < cut[1][1]]
            for keys, _, heads in active:
                for head in range(self.n_heads) if heads is None else heads:
                    allowed[head, :, keys[0] : keys[1]] = False
                    allowed[head, keys[0] : keys[1], :] = False
            if active:
                out[row] = self.finish(*self.attention_maps(x, layer, allowed), layer)[row]
        return out

    def finish(self, maps: np.ndarray, v: np.ndarray, layer: int) -> np.ndarray:
        get = lambda name: self.weights[f"layers.{layer}.attention.{name}"]  # noqa: E731
        out = rms(maps @ v, get("subln.weight"), 1e-5)
        out = out / (1 + np.exp(-(out @ get("gate.weight").T + get("gate.bias"))))
        return out.transpose(1, 0, 2).reshape(maps.shape[1], -1) @ get("wo.weight").T

    def whole(self, ids: Sequence[int], patch=None):
        """Logits, and of each layer its input and its heads' parts. `patch`: layer, kind, places, the other run's parts."""
        eps = self.config["norm_eps"]
        hidden = self.weights["tok_embeddings.weight"][list(ids)]
        causal = np.broadcast_to(np.tril(np.ones((len(ids), len(ids)), bool)), (self.n_heads, len(ids), len(ids)))
        parts = []

        def take(layer, kind, value):
            if patch and (layer, kind) == patch[:2]:
                value = value.copy()
                for place in patch[2]:
                    value[place] = patch[3][layer][kind][place]
            return value

        for layer in range(self.n_layers):
            get = lambda name, layer=layer: self.weights[f"layers.{layer}.{name}"]  # noqa: E731
            hidden = take(layer, "residual", hidden)
            maps, v = self.attention_maps(rms(hidden, get("attention_norm.weight"), eps), layer, causal)
            part = {"residual": hidden, "pattern": take(layer, "pattern", maps), "value": take(layer, "value", v)}
            out = rms(part["pattern"] @ part["value"], get("attention.subln.weight"), 1e-5)
            out = out / (1 + np.exp(-(out @ get("attention.gate.weight").T + get("attention.gate.bias"))))
            part["head"] = take(layer, "head", out)
            parts.append(part)
            hidden = hidden + part["head"].transpose(1, 0, 2).reshape(len(ids), -1) @ get("attention.wo.weight").T
            z = rms(hidden, get("ffn_norm.weight"), eps)
            up = z @ get("feed_forward.w1.weight").T
            hidden = hidden + (up / (1 + np.exp(-up)) * (z @ get("feed_forward.w3.weight").T)) @ get("feed_forward.w2.weight").T
        normed = rms(hidden, self.weights["norm.weight"], eps)
        return normed @ self.weights["tok_embeddings.weight"].T, parts

    def streams(self, ids: Sequence[int], cuts: Dict[int, list]) -> List[np.ndarray]:
        """The residual stream after each layer."""
        eps = self.config["norm_eps"]
        hidden = self.weights["tok_embeddings.weight"][list(ids)]
        after = []
        for layer in range(self.n_layers):
            get = lambda name, layer=layer: self.weights[f"layers.{layer}.{name}"]  # noqa: E731
            hidden = hidden + self.rows_of(rms(hidden, get("attention_norm.weight"), eps), layer, cuts.get(layer, []))
            z = rms(hidden, get("ffn_norm.weight"), eps)
            up = z @ get("feed_forward.w1.weight").T
            hidden = hidden + (up / (1 + np.exp(-up)) * (z @ get("feed_forward.w3.weight").T)) @ get("feed_forward.w2.weight").T
            after.append(hidden)
        return after

    def read(self, hidden: np.ndarray) -> np.ndarray:
        """Natural log-probabilities that the output head makes of a stream."""
        normed = rms(hidden, self.weights["norm.weight"], self.config["norm_eps"])
        return log_softmax(normed @ self.weights["tok_embeddings.weight"].T)


def convolve_all(maps: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """As `convolve` of `independent_model`, of maps whose masked cells are 0 already."""
    n_heads, n, _ = maps.shape
    c_q, c_k = kernels.shape[-2:]
    padded = np.pad(maps, ((0, 0), (c_q - 1, 0), (c_k // 2, c_k - 1 - c_k // 2)))
    return sum(
        kernels[:, a, b, None, None] * padded[:, a : a + n, b : b + n] for a in range(c_q) for b in range(c_k)
    )


def lens(model: CausalModel, ids: List[int]) -> List[Dict[str, Any]]:
    """Per layer, at every row but the last: of the token that follows."""
    after = [model.read(hidden) for hidden in model.streams(ids, {})]
    rows, targets = np.arange(len(ids) - 1), np.array(ids[1:])
    layers = []
    for log_p in after:
        target = log_p[rows, targets]
        layers.append({
            "surprisal_bits": rounded(-target / np.log(2)),
            "rank": ((log_p[:-1] > target[:, None]).sum(-1) + 1).tolist(),
            "entropy_bits": rounded(-(np.exp(log_p) * log_p).sum(-1)[:-1] / np.log(2)),
            "kl_bits": rounded(divergence_bits(after[-1], log_p)[:-1]),
            "likeliest": log_p[:-1].argmax(-1).tolist(),
        })  # fmt: skip
    return layers


def knock_out(model: CausalModel, ids: List[int], case: Dict[str, Any]) -> Dict[str, Any]:
    end = len(ids)
    cuts = []
    for keys in case["keys"]:
        first, stop = case["queries"] or (0, end)
        cuts.append((keys, (max(first, keys[1]), stop), case["heads"]))
    layers = case["layers"] if case["layers"] is not None else range(model.n_layers)
    before = model.read(model.streams(ids, {})[-1])
    after = model.read(model.streams(ids, {layer: cuts for layer in layers})[-1])
    rows, targets = np.arange(end - 1), np.array(ids[1:])
    return {
        **case,
        "change_bits": rounded((after - before)[rows, targets] / np.log(2)),
        "kl_bits": rounded(divergence_bits(before, after)[:-1]),
    }


def patches(model: CausalModel) -> Dict[str, Any]:
    """Scores (patched - corrupted) / (clean - corrupted) of the difference of two logits, [layer][position or head]."""
    row, target, minus = PATCH["row"], PATCH["target"], PATCH["minus"]
    difference = lambda logits: logits[row, target] - logits[row, minus]  # noqa: E731
    clean_logits, clean = model.whole(IDS)
    corrupted = difference(model.whole(CORRUPTED)[0])
    span = difference(clean_logits) - corrupted
    scores = {}
    for kind in ("residual", "head", "pattern", "value"):
        places = row + 1 if kind == "residual" else model.n_heads
        scores[kind] = [
            rounded(np.array([
                (difference(model.whole(CORRUPTED, (layer, kind, [place], clean))[0]) - corrupted) / span
                for place in range(places)
            ]))
            for layer in range(model.n_layers)
        ]  # fmt: skip
    return {"corrupted": CORRUPTED, **PATCH, "clean_difference": float(difference(clean_logits)),
            "corrupted_difference": float(corrupted), "scores": scores}  # fmt: skip


def retrieval_scores(model: CausalModel) -> Dict[str, Any]:
    """QRHead scores of every head (arXiv 2506.09944): what the rows that predict "moon" give the first one, above "N/A"."""
    asked, unasked = IDS[:19], IDS[:12] + [ord(character) for character in "N/A"]
    gold = slice(6, 9)
    mean_rows = lambda ids, rows: [part["pattern"][:, rows].mean(1) for part in model.whole(ids)[1]]  # noqa: E731
    scores = []
    for with_query, without in zip(mean_rows(asked, slice(15, 18)), mean_rows(unasked, slice(12, 15))):
        calibrated = with_query[:, gold] - without[:, gold]
        least = calibrated.mean(-1, keepdims=True) - 2 * calibrated.std(-1, ddof=1, keepdims=True)
        scores.append(rounded(np.where(calibrated >= least, calibrated, 0).sum(-1)))
    return {"asked": asked, "unasked": unasked, "scores": scores}


def continuation(model: CausalModel, ids: List[int], n: int) -> List[int]:
    """Greedy, from the whole text each time."""
    all_ids = list(ids)
    for _ in range(n):
        all_ids.append(int(model.read(model.streams(all_ids, {})[-1])[-1].argmax()))
    return all_ids[len(ids) :]


def rounded(values: np.ndarray) -> List[float]:
    return [float(f"{value:.9g}") for value in values]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    model = CausalModel(FOLDER)
    cases = {
        "format": FORMAT, "ids": IDS, "lens": lens(model, IDS),
        "knock_outs": [knock_out(model, IDS, case) for case in KNOCK_OUTS],
        "greedy": continuation(model, IDS, 16), "patch": patches(model), "retrieval": retrieval_scores(model),
    }  # fmt: skip
    parser.parse_args().out.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    run_program(main)
