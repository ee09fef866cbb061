"""Direct logit attribution by others, for tests that need none of their libraries.

Usage: PYTHONPATH=.:tests python3 -m attribution_cases ../test/fixtures/attribution   (needs torch, transformers and transformer_lens)

`lens_*.json`: TransformerLens on a tiny model with generated weights, per head, MLP and embedding, with centered logits.
`mta.json`: a few lines of numpy on the tiny MTA model, in which every source token's vector is written out whole.
"""

import copy
import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from independent_model import Model, convolve, rms

LENS_CASES = ["gemma", "gpt2", "llama", "llama-grouped-bias", "pythia", "qwen3"]
TINY = Path(__file__).parents[2] / "test" / "fixtures" / "tiny-model"
IDS = [300, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100, 72, 101, 108, 108, 111, 44, 32]
QUESTIONS = [(19, 119, None), (10, 114, 32), (0, 5, None), (13, 101, 300)]


def mta_attribution(model: Model, ids, row, target, minus):
    """Every part as a vector of the residual stream, with its product with the frozen direction."""
    eps = model.config["norm_eps"]
    table = model.weights["tok_embeddings.weight"]
    hidden = table[ids]
    heads, mlps, cells, vectors = [], [], [], [hidden[row]]
    norms, shares, units, patterns = [], [], [], []
    for layer in range(model.n_layers):
        get = lambda name, layer=layer: model.weights[f"layers.{layer}.{name}"]  # noqa: E731
        x = rms(hidden, get("attention_norm.weight"), eps)
        added, stages = model.attention(x, layer, model.kernels_of(layer))
        weights = stages["mixed_pattern"][:, row]  # [head, key]
        n = len(ids)
        v = (x @ get("attention.wv.weight").T).reshape(n, model.n_heads, -1).transpose(1, 0, 2)
        out = np.einsum("hj,hjd->hd", weights, v)
        scale = np.sqrt((out * out).mean(-1, keepdims=True) + 1e-5)
        normed = out / scale * get("attention.subln.weight")
        gate = 1 / (1 + np.exp(-(normed @ get("attention.gate.weight").T + get("attention.gate.bias"))))
        factor = get("attention.subln.weight") / scale * gate  # [head, d]
        wo = get("attention.wo.weight").reshape(-1, model.n_heads, v.shape[-1])  # [D, head, d]
        moved = np.einsum("hj,hjd,hd,Dhd->hjD", weights, v, factor, wo)
        assert np.allclose(moved.sum((0, 1)), added[row])
        units.append(np.einsum("hjd,hd,Dhd->hjD", v, factor, wo))
        patterns.append(stages["pattern"])
        z = rms(hidden + added, get("ffn_norm.weight"), eps)
        up = z @ get("feed_forward.w1.weight").T
        mlp = (up / (1 + np.exp(-up)) * (z @ get("feed_forward.w3.weight").T)) @ get("feed_forward.w2.weight").T
        hidden = hidden + added + mlp
        vectors.append(mlp[row])
        cells.append(moved)
        whole = moved.sum(1)  # [head, D]
        norms.append(np.linalg.norm(moved, axis=-1))
        shares.append(np.einsum("hjD,hD->hj", moved, whole) / (whole * whole).sum(-1, keepdims=True))
    final = model.weights["norm.weight"] / np.sqrt((hidden[row] ** 2).mean() + eps)
    subtracted = table.mean(0) if minus is None else table[minus]
    direction = (table[target] - subtracted) * final
    logits = rms(hidden[row], model.weights["norm.weight"], eps) @ table.T
    cells = np.stack(cells)[..., : row + 1, :] @ direction
    splits = []
    for layer in range(model.n_layers):
        head, key = (row + layer) % model.n_heads, row * (layer + 1) // (model.n_layers + 1)
        unit = units[layer][head, key] @ direction
        parts = split_cell(patterns[layer], model.kernels_of(layer), row, head, key, unit)
        splits.append({"layer": layer, "head": head, "key": key, "parts": parts})
    embedding, *mlps = (float(vector @ direction) for vector in vectors)
    return {
        "row": row, "target": target, "minus": minus,
        "logit": logits[target] - (logits.mean() if minus is None else logits[minus]),
        "embedding": embedding, "heads": cells.sum(-1).tolist(), "mlps": mlps,
        "tokens": cells.sum((0, 1)).tolist(), "cells": cells.tolist(),
        "norm": np.stack(norms)[..., : row + 1].tolist(), "contribution": np.stack(shares)[..., : row + 1].tolist(),
        "splits": splits,
    }  # fmt: skip


def split_cell(pattern, parts, row, head, key, unit):
    """What each cell of the pattern alone, all others 0, adds through a cell of the last stage: [head, query, key, it]."""
    found = []
    for place in zip(*np.nonzero(np.tril(pattern))):
        alone = np.zeros_like(pattern)
        alone[place] = pattern[place]
        if "post_softmax_conv" in parts:
            alone = convolve(alone, parts["post_softmax_conv"])
        if "post_softmax_head_mix" in parts:
            alone = np.einsum("ds,sij->dij", parts["post_softmax_head_mix"], alone)
        if alone[head, row, key] != 0:
            found.append([*map(int, place), float(alone[head, row, key] * unit)])
    return found


def lens_attribution(name: str):
    """What TransformerLens says of a model of `export.hugging_face_cases`."""
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    from export.hugging_face_cases import build_case

    with tempfile.TemporaryDirectory() as folder:
        source, tokens, _, _ = build_case(name, folder)
        any_tokenizer().save_pretrained(folder)
        model = TransformerBridge.boot_transformers(folder, hf_model=copy.deepcopy(source))
    # As its analyses expect it: the final norm's weight in the unembedding, that centered; biases stay where they are.
    model.enable_compatibility_mode(disable_warnings=True, center_writing_weights=False, fold_value_biases=False)
    cfg = model.cfg
    n_tokens = tokens.shape[1]
    with torch.no_grad():
        reference = source(tokens).logits
        logits, cache = model.run_with_cache(tokens)
        centered = reference - reference.mean(-1, keepdim=True)
        assert torch.allclose(logits, centered, atol=1e-4), (logits - centered).abs().max()
        questions = []
        for row, target, minus in [(n_tokens - 1, 7, None), (5, 3, 40), (0, 1, None)]:
            split = lambda stack: cache.logit_attrs(  # noqa: E731
                stack, tokens=target, incorrect_tokens=minus, pos_slice=row, has_batch_dim=True
            ).flatten()
            heads = split(cache.stack_head_results(pos_slice=row))
            parts, labels = cache.decompose_resid(mode="full", return_labels=True, pos_slice=row)
            values = dict(zip(labels, split(parts).tolist()))
            logit = logits[0, row, target] - (0 if minus is None else logits[0, row, minus])
            questions.append({
                "row": row, "target": target, "minus": minus, "logit": logit.item(),
                "embedding": values["embed"] + values.get("pos_embed", 0.0),
                "heads": heads.reshape(cfg.n_layers, cfg.n_heads).tolist(),
                "mlps": [values[f"{layer}_mlp_out"] for layer in range(cfg.n_layers)],
                "attention": [values[f"{layer}_attn_out"] for layer in range(cfg.n_layers)],
            })  # fmt: skip
    version = importlib.metadata.version("transformer-lens")
    return {"format": "mta-attribution-1", "case": name, "transformer_lens": version, "questions": questions}


def any_tokenizer():
    """The library demands one; the cases are token ids."""
    import tokenizers
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0}, unk_token="x"))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="x", eos_token="x", pad_token="x")


def main(folder: Path, names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = Model(TINY)
    mta = {"format": "mta-attribution-1", "ids": IDS, "questions": [mta_attribution(model, IDS, *q) for q in QUESTIONS]}
    (folder / "mta.json").write_text(json.dumps(rounded(mta)) + "\n")
    for name in names:
        (folder / f"lens-{name}.json").write_text(json.dumps(rounded(lens_attribution(name))) + "\n")


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or LENS_CASES)
