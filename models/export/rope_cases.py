"""What Hugging Face's library makes of rotary positions that files describe in odd ways, for tests that need no such library.

Usage: python3 -m export.rope_cases ../test/fixtures/ropes.json      (needs torch and transformers)

`sizes` are keys of every configuration. One object a line: `config`, the other keys, and either `frequencies` and `scale` of layers that see everything, or `error`, where it refuses.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List

from mta.program import run_program

SIZES: Dict[str, Any] = dict(hidden_size=32, intermediate_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
                             vocab_size=40, max_position_embeddings=64, head_dim=8, pad_token_id=None)  # fmt: skip
TYPES: Dict[str, Dict[str, Any]] = {"llama": {}, "gemma3_text": {"layer_types": ["full_attention", "sliding_attention"]}, "phi3": {}}
SHORT, LONG = [1.0, 1.2, 1.5, 2.0], [1.5, 2.0, 4.0, 8.0]
# Under `rope_scaling` and under `rope_parameters`.
INSIDE: List[Dict[str, Any]] = [
    {"rope_type": "yarn"},
    {"rope_type": "yarn", "factor": None},
    {"rope_type": "yarn", "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 2.0},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "beta_fast": None},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "beta_fast": 0, "beta_slow": 0},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "attention_factor": 0.0},
    {"rope_type": "yarn", "factor": 0.5, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "mscale": 1.0},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "mscale": 0.0, "mscale_all_dim": 1.0},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "mscale": 1.0, "mscale_all_dim": 0.5, "attention_factor": 1.1},
    {"rope_type": "yarn", "factor": "2.0", "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 16},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "truncate": False},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": None},
    {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 16, "beta_fast": 1, "beta_slow": 32},
    {"rope_type": "linear"},
    {"rope_type": "linear", "factor": None},
    {"rope_type": "linear", "factor": 2.0},
    {"rope_type": "linear", "factor": 0.5},
    {"rope_type": "linear", "factor": 0},
    {"rope_type": "linear", "factor": "2"},
    {"rope_type": "linear", "factor": 2.0, "original_max_position_embeddings": 16},
    {"rope_type": "dynamic"},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 16},
    {"rope_type": "dynamic", "factor": None},
    {"rope_type": "dynamic", "alpha": 2.0, "factor": 1.0},
    {"rope_type": "llama3"},
    {"rope_type": "llama3", "factor": 8.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 16},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": None, "high_freq_factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "longrope"},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "factor": 4.0},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "factor": 4.0, "original_max_position_embeddings": 16},
    {"rope_type": "longrope", "short_factor": [1.0, 1.2], "long_factor": [1.5, 2.0], "original_max_position_embeddings": 16},
    {"rope_type": "longrope", "short_factor": SHORT, "original_max_position_embeddings": 16},
    {"rope_type": "longrope", "long_factor": LONG, "original_max_position_embeddings": 16},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16, "attention_factor": 1.3},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 128},
    {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16, "short_mscale": 1.2, "long_mscale": 1.3},
    {"rope_type": "su", "short_factor": SHORT, "long_factor": LONG, "original_max_position_embeddings": 16},
    {"rope_type": "proportional"},
    {"rope_type": "proportional", "partial_rotary_factor": 0.5},
    {"rope_type": "mrope", "mrope_section": [1, 1, 2]},
    {"type": "mrope", "mrope_section": [1, 1, 2]},
    {"rope_type": "default", "factor": 2.0},
    {"type": "default"},
    {"factor": 2.0},
    {"type": "linear", "factor": 2.0},
    {"type": "linear", "rope_type": "default", "factor": 2.0},
    {"type": "yarn", "rope_type": "linear", "factor": 2.0},
    {"rope_type": None},
    {"rope_type": ""},
    {"rope_type": "Linear", "factor": 2.0},
    {},
    {"rope_theta": 5.0},
    {"rope_theta": None},
    {"rope_theta": "10000.0"},
    {"rope_theta": 0},
    {"rope_theta": -1.0},
    {"partial_rotary_factor": 0.5},
    {"partial_rotary_factor": 1.0},
    {"partial_rotary_factor": None},
]  # fmt: skip
WHOLE: List[Dict[str, Any]] = [
    {"rope_theta": 50.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}},
    {"rope_theta": 50.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0, "rope_theta": 70.0}},
    {"rope_theta": 50.0, "rope_parameters": {"rope_type": "default", "rope_theta": 70.0}},
    {"rope_theta": 50.0, "rope_parameters": {"rope_type": "default"}},
    {"rope_theta": None},
    {"rope_theta": 50.0, "rope_scaling": None},
    {"rope_theta": 50.0, "rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 3.0}},
    {"rope_scaling": "linear"},
    {"rope_parameters": "x"},
    {"rope_scaling": []},
    {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0}, "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}},
    {"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0}}},
    {"original_max_position_embeddings": 16, "rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
    {"original_max_position_embeddings": 16, "rope_scaling": {"rope_type": "longrope", "short_factor": SHORT, "long_factor": LONG}},
    {"original_max_position_embeddings": 16, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}},
    {"original_max_position_embeddings": 16, "rope_scaling": {"rope_type": "dynamic", "factor": 8.0}},
    {"original_max_position_embeddings": 16, "rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32}},
]  # fmt: skip


def configs() -> Iterator[Dict[str, Any]]:
    for model_type, own in TYPES.items():
        for keys in [*({where: given} for where in ("rope_scaling", "rope_parameters") for given in INSIDE), *WHOLE]:
            yield {"model_type": model_type, **own, **keys}


def compute(config: Dict[str, Any]) -> Dict[str, Any]:
    """What the library's model rotates by after a text of eight tokens. Raises ImportError without `transformers`."""
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps({**SIZES, **config}))
        try:
            read = transformers.AutoConfig.from_pretrained(folder)
            model = transformers.AutoModelForCausalLM.from_config(read, attn_implementation="eager")
            model(torch.arange(8)[None])
        except Exception as error:  # whatever it raises, it does not open
            return {"error": type(error).__name__}
    rotary = model.model.rotary_emb
    kind = "full_attention_" if hasattr(rotary, "full_attention_inv_freq") else ""
    frequencies, scale = getattr(rotary, kind + "inv_freq").tolist(), float(getattr(rotary, kind + "attention_scaling"))
    return {"frequencies": frequencies, "scale": scale} if all(map(math.isfinite, frequencies)) else {"error": "infinite"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    lines = [json.dumps({"config": config, **compute(config)}) for config in configs()]
    content = f'{{"sizes": {json.dumps(SIZES)}, "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    parser.parse_args().out.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
