"""Lens, knock-outs, patches and ablations of tiny models with generated weights, made with TransformerLens and transformers.

Usage: PYTHONPATH=.:tests python3 -m export.intervention_cases ../test/fixtures/interventions.json
(needs torch, transformers and transformer_lens; only the file it writes is used by the tests)

The logit lens reads `hook_resid_post` with the final norm and the unembedding. Knock-outs in all heads are an attention mask
of transformers; those in chosen heads set `hook_attn_scores` to minus infinity. Patches and ablations replace `hook_z`,
`hook_v`, `hook_pattern`, `hook_mlp_out` and `hook_resid_pre`.
"""

from __future__ import annotations

import argparse
import copy
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import torch

from attribution_cases import any_tokenizer, rounded
from export.hugging_face_cases import build_case
from mta.program import run_program

CASES = ["gpt2", "llama"]
# keys, rows [first, end) that may not see them, layers, heads (None: all)
KNOCK_OUTS: List[Dict[str, Any]] = [
    dict(keys=[2, 4], queries=[4, None], layers=None, heads=None),
    dict(keys=[0, 1], queries=[1, None], layers=None, heads=None),
    dict(keys=[3, 6], queries=[6, None], layers=[1], heads=[0, 2]),
]
HOOKS = {
    "head": "blocks.{}.attn.hook_z",
    "value": "blocks.{}.attn.hook_v",
    "pattern": "blocks.{}.attn.hook_pattern",
    "mlp": "blocks.{}.hook_mlp_out",
    "residual": "blocks.{}.hook_resid_pre",
}


def bits(nats: torch.Tensor) -> torch.Tensor:
    return nats / torch.log(torch.tensor(2.0))


def case(name: str) -> Dict[str, Any]:
    from transformer_lens.model_bridge import TransformerBridge

    with tempfile.TemporaryDirectory() as folder:
        source, tokens, _, _ = build_case(name, folder)
        any_tokenizer().save_pretrained(folder)
        model = TransformerBridge.boot_transformers(folder, hf_model=copy.deepcopy(source))
    model.enable_compatibility_mode(disable_warnings=True, center_writing_weights=False, fold_value_biases=False)
    source = source.eval()
    cfg = model.cfg
    n = tokens.shape[1]
    row = n - 1
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
        reference = source(tokens).logits[0]
        log_p = torch.log_softmax(reference, -1)
        assert torch.allclose(torch.log_softmax(logits[0], -1), log_p, atol=1e-4)
        followers = torch.cat([tokens[0, 1:], tokens[0, :1]])

        lens = []
        for layer in range(cfg.n_layers):
            resid = cache[f"blocks.{layer}.hook_resid_post"]
            here = torch.log_softmax(model.unembed(model.ln_final(resid))[0], -1)
            target = here.gather(-1, followers[:, None])
            lens.append({
                "surprisal_bits": bits(-target[:, 0]).tolist(),
                "rank": (1 + (here > target).sum(-1)).tolist(),
                "entropy_bits": bits(-(here.exp() * here).sum(-1)).tolist(),
                "kl_bits": bits((log_p.exp() * (log_p - here)).sum(-1)).tolist(),
            })  # fmt: skip

        knock_outs = []
        for cut in KNOCK_OUTS:
            keys, queries = slice(*cut["keys"]), slice(*cut["queries"])
            if cut["heads"] is None and cut["layers"] is None:
                allowed = torch.ones(n, n, dtype=torch.bool).tril()
                allowed[queries, keys] = False
                bias = torch.zeros(1, 1, n, n).masked_fill(~allowed, torch.finfo(torch.float32).min)
                source.set_attn_implementation("eager")
                cut_logits = source(tokens, attention_mask=bias).logits[0]
            else:

                def forbid(scores, hook, cut=cut, keys=keys, queries=queries):
                    for head in cut["heads"]:
                        scores[:, head, queries, keys] = -torch.inf
                    return scores

                hooks = [(f"blocks.{layer}.attn.hook_attn_scores", forbid) for layer in cut["layers"]]
                cut_logits = model.run_with_hooks(tokens, fwd_hooks=hooks)[0]
            now = torch.log_softmax(cut_logits, -1)
            change = (now - log_p).gather(-1, followers[:, None])[:, 0]
            kl = (log_p.exp() * (log_p - now)).sum(-1)
            knock_outs.append({**cut, "change_bits": bits(change).tolist(), "kl_bits": bits(kl).tolist()})

        corrupted = tokens.clone()
        corrupted[0, 3] = (tokens[0, 3] + 1) % cfg.d_vocab
        target, minus = 7, 3
        difference = lambda logits: (logits[0, row, target] - logits[0, row, minus]).item()  # noqa: E731

        def run(what: str, layer: int, place, value) -> float:
            def replace(x, hook):
                x = x.clone()
                if what == "pattern":
                    x[:, place] = value[:, place]
                elif what == "mlp":
                    x = value
                elif what == "residual":
                    x[:, place] = value[:, place]
                else:
                    x[:, :, place] = value[:, :, place]
                return x

            return difference(model.run_with_hooks(corrupted, fwd_hooks=[(HOOKS[what].format(layer), replace)]))

        own_logits, own = model.run_with_cache(corrupted)
        # Grouped values have as many heads as keys have: a query head's cannot be replaced by itself.
        is_grouped = (cfg.n_key_value_heads or cfg.n_heads) != cfg.n_heads
        patches, ablations = {}, {}
        for what, hook in HOOKS.items():
            places = {"mlp": 1, "residual": n}.get(what, cfg.n_heads)
            if what == "value" and is_grouped:
                continue
            patches[what] = [
                [run(what, layer, place, cache[hook.format(layer)]) for place in range(places)]
                for layer in range(cfg.n_layers)
            ]
            for kind in ["zero", "mean"]:
                if what == "pattern" and kind == "mean":
                    continue
                values = []
                for layer in range(cfg.n_layers):
                    there = own[hook.format(layer)]
                    value = torch.zeros_like(there) if kind == "zero" else there.mean(1, keepdim=True).expand_as(there)
                    values.append([run(what, layer, place, value) for place in range(places)])
                ablations[f"{what} {kind}"] = values
    return {
        "ids": tokens[0].tolist(), "corrupted": corrupted[0].tolist(), "row": row, "target": target, "minus": minus,
        "lens": lens, "knock_outs": knock_outs,
        "clean": difference(logits), "original": difference(own_logits), "patches": patches, "ablations": ablations,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    path = parser.parse_args().out
    versions = {name: importlib.metadata.version(name) for name in ["transformers", "transformer-lens"]}
    cases = {name: rounded(case(name)) for name in CASES}
    path.write_text(json.dumps({"format": "mta-interventions-1", "versions": versions, "cases": cases}) + "\n")


if __name__ == "__main__":
    run_program(main)
