"""Write the small random model that tests in other languages open, and what PyTorch computes with it.

Usage: python3 -m export.verify tiny-model FOLDER      rewrites the fixture (needs no training, no packages)
       python3 -m export.verify int8-model FOLDER      the same model with its matrices in 8 bits, in shards

The fixture has every part of MTA in some layer: kernels before and after the softmax in layers 0 and 2 only, head
mixing, norm and gate in all three. `expected.json` holds token ids and the logits' first entries for a short text.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Dict, List

import torch

from export.generated_weights import generated_state_dict
from export.quantize import QUANTIZATION, quantize, write_shards
from export.to_safetensors import export_bundle, load_bundle
from mta.config import ModelConfig, MTAConfig
from mta.program import read_json, run_program
from mta.tokenizer import BEGIN_TOKEN, SPLIT_PATTERN
from mta.transformer import Transformer

TINY_MERGES = [
    "Ġ t", "h e", "Ġt he", "i n", "r e", "o n", "Ġ a", "e r", "a t", "Ġ c", "e n", "o r", "Ġ s", "a n", "i t", "e s",
    "Ġ f", "n d", "i s", "a l", "Ġ o", "e d", "in g", "Ġ =", "Ġc on", "Ġf or", "o f", "Ġo f", "u r", "re t", "ret ur",
    "retur n", "u n", "f un", "c t", "fun ct", "i on", "funct ion", "Ġ Ġ", "ĠĠ ĠĠ", "d e", "de f", "Ġ {", "Ċ Ċ",
]  # fmt: skip
TINY_CONFIG = ModelConfig(
    dim=32, n_layers=3, n_heads=4, vocab_size=256 + len(TINY_MERGES) + 1, max_seqlen=64, hidden_dim=96,
    rope_theta=100000.0, weight_tying=True,
    mta=MTAConfig(
        use_mta=True, query_kernel_size=6, key_kernel_size=11, mta_layers=(0, 2), after_sm_query_kernel_size=6,
        after_sm_key_kernel_size=11, head_kernel_size=4, group_norm=True, pre_sm_linear_head=True, add_gating=True,
    ),
)  # fmt: skip
TINY_SEED = 20251124
TINY_TEXT = "def find(key):\n    return the_function(key)  # naïve 🦊\r\n"


def byte_alphabet() -> List[str]:
    """GPT-2's printable stand-in for each of the 256 bytes, in byte order."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    characters = {}
    n_moved = 0
    for byte in range(256):
        characters[byte] = chr(byte if byte in visible else 256 + n_moved)
        n_moved += byte not in visible
    return [characters[byte] for byte in range(256)]


def byte_level_tokenizer_json(merges: List[str], split_pattern: str = SPLIT_PATTERN) -> dict:
    """A tokenizer.json: id = byte for single bytes, then one id a merge, then the begin token."""
    vocab: Dict[str, int] = {character: byte for byte, character in enumerate(byte_alphabet())}
    for merge in merges:
        vocab["".join(merge.split(" "))] = len(vocab)
    begin_id = len(vocab)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": split_pattern}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": begin_id, "content": BEGIN_TOKEN, "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}],
        "normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": [merge.split(" ") for merge in merges]},
    }  # fmt: skip


def tiny_model() -> Transformer:
    """The fixture's model; the same weights on every machine."""
    model = Transformer(TINY_CONFIG)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    model.load_state_dict(generated_state_dict(shapes, TINY_SEED), strict=True)
    return model.eval()


def write_tiny_model(folder: Path) -> None:
    """Write the fixture folder, with `expected.json` beside the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_file = folder / "tokenizer.json"
    content = byte_level_tokenizer_json(TINY_MERGES)
    tokenizer_file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    begin_id = content["added_tokens"][0]["id"]
    export_bundle(tiny_model(), folder, "tiny-model", tokenizer_file, begin_id, dtype="fp32")
    # Raw bytes, no merges: what the expectation is about is the model, not the tokenizer.
    token_ids = [begin_id, *TINY_TEXT.encode("utf-8")][: TINY_CONFIG.max_seqlen]
    expected = expected_values(load_bundle(folder), token_ids)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


def write_int8_model(folder: Path) -> None:
    """Write the fixture with matrices in 8 bits, and what PyTorch computes with their values in float32."""
    write_tiny_model(folder)
    write_shards(folder, quantize(tiny_model().state_dict()), 30_000)
    content = {**read_json(folder / "config.json"), "name": "int8-model", "quantization": QUANTIZATION}
    (folder / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    token_ids = read_json(folder / "expected.json")["tokenIds"]
    expected = expected_values(load_bundle(folder), token_ids)
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


def expected_values(model: Transformer, token_ids: List[int]) -> dict:
    """Small facts about one forward pass: the last row of every stage of every layer, and logits."""
    taps: List[dict] = []
    with torch.no_grad():
        logits = model(torch.tensor([token_ids]), taps)[0]
    stages = ("scores", "mixed_scores", "pattern", "mixed_pattern")
    return {
        "note": "float32 on the CPU; lastRows[layer][stage][head] is the last query's row over all keys",
        "tokenIds": token_ids,
        "lastRows": [{s: _rounded(layer[s][0, :, -1]) for s in stages} for layer in taps],
        "hiddenLast": [_rounded(layer["hidden"][0, -1]) for layer in taps],
        "logitsLast": _rounded(logits[-1]),
        "lossNats": float(torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(token_ids[1:]))),
    }


def _rounded(tensor: torch.Tensor):
    """Nested lists with 7 significant digits, which float32 has."""
    if tensor.dim() > 1:
        return [_rounded(row) for row in tensor]
    return [float(f"{value:.7g}") for value in tensor.tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tiny-model", "int8-model"])
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    write_tiny_model(args.folder) if args.what == "tiny-model" else write_int8_model(args.folder)


if __name__ == "__main__":
    run_program(main)
