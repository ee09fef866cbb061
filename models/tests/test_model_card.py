"""Model cards: every number comes from a file, and config.json gets what `mta-inspect models` prints."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from export.card_tables import attention_text, code_text, corpus_text, quality_table
from export.loss_curve import loss_curve_svg, short
from export.model_card import write_card
from export.to_safetensors import export_bundle
from export.verify import TINY_CONFIG, tiny_model
from mta.config import ModelConfig, MTAConfig

SUMMARY = {"name": "tiny", "steps": 1200, "tokens_seen": 39_321_600, "train_seconds": 330, "tokens_per_second": 119_156, "seed": 7,
           "loss_curve": [[32_768, 9.1], [3_276_800, 4.2], [39_321_600, 2.875]], "epochs": {"books": 1.1, "code": 0.9}}  # fmt: skip
EVALUATION = [
    {"model": "tiny", "window": 64, "bits_per_byte": {"books": 1.5, "code": 0.9}, "interval": {"books": [1.4, 1.6], "code": [0.8, 1.0]}},
    {"model": "plain", "window": 64, "bits_per_byte": {"books": 1.55, "code": 0.88}, "interval": {"books": [1.4, 1.7], "code": [0.8, 1.0]},
     "difference": {"books": [0.05, 0.04, 0.06], "code": [-0.02, -0.03, -0.01]}},
]  # fmt: skip
CORPUS = """# Text
| file | documents |
| --- | --- |
| a | 1 |

## Sources

| source | repository | commit | licence | credit | train documents | train MB | validation MB |
| --- | --- | --- | --- | --- | --- | --- | --- |
| a | one/a | 1 | MIT | A. Person | 3 | 1,200.40 | 0.1 |
| b | two/b | 2 | CC0-1.0 | B's authors | 3 | 5.00 | 0.1 |
| c | one/c | 3 | MIT | C | 3 | 0.60 | 0.1 |

## How made
| not | a source |
| --- | --- |
"""
CODE = {
    "npm:one": {"group": "npm", "licence": "MIT", "heldout": False, "documents": 3, "bytes": 1_500_000, "languages": {"javascript": 1_500_000}},
    "npm:two": {"group": "npm", "licence": "MIT", "heldout": False, "documents": 2, "bytes": 500_000, "languages": {"css": 500_000}},
    "python:abc": {"group": "python", "licence": "Python-2.0", "heldout": False, "documents": 1, "bytes": 10_000, "languages": {"python": 10_000}},
    "npm:kept": {"group": "npm", "licence": "ISC", "heldout": True, "documents": 9, "bytes": 90_000_000, "languages": {"json": 90_000_000}},
}  # fmt: skip


def toy_result(kind, answer, seed, sample_error):
    return {"name": f"toy-{kind}-n5", "answer": answer, "seed": seed, "sampleErrorPercent": sample_error, "tokenErrorPercent": sample_error / 5,
            "samples": 10_000, "leftOutBecauseCut": 0, "steps": 24_000, "learningRate": 0.001, "tokens_seen": 491_520_000, "train_seconds": 300.0,
            "curve": [[1_000_000, 2.0], [491_520_000, 0.01]]}  # fmt: skip


TOY = [toy_result("mta", "all", 42, 0.05), toy_result("mta", "all", 43, 0.02), toy_result("transformer", "all", 42, 80.0),
       toy_result("mta", "last", 42, 0.0)]  # fmt: skip


def share(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def search(name="tiny"):
    row = {"models": [{"found": share(0.61), "exact": share(0.4), "nats": share(2.5)}] * 2,
           "differences": [{"found": share(0.13), "exact": share(0.0), "nats": share(-0.25)}]}  # fmt: skip
    induction = {"pattern": [[0.5, 0.25]], "mixed_pattern": [[1.35, -0.12]], "first_copy_nats": 9.5, "second_copy_nats": 0.5}
    return {
        "settings": {"samples_per_cell": 200, "lengths": [512], "needles": [2], "tasks": {"facts": "a number"}, "induction_length": 64},
        "models": [{"name": name, "induction": induction}, {"name": "plain", "induction": induction}],
        "tasks": [{"task": "facts", **row}], "cells": [{"task": "facts", "needles": 2, "length": 512, **row}],
        "depths": [{"task": "facts", "depth": 0.5, **row}],
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    export_bundle(tiny_model(), tmp_path / "tiny", "tiny", tokenizer, 256)
    return tmp_path / "tiny"


def test_a_whole_card(folder):
    counts = [{"name": "x-0", "tokens": 9, "bytes": 9}] * 3 + [{"name": "docs-000.tokens.xz", "tokens": 2_500_000, "bytes": 10_000_000}]
    before = json.loads((folder / "config.json").read_text())
    write_card(folder, SUMMARY, [{**SUMMARY, "name": "plain"}], [EVALUATION], search(), counts, CODE, CORPUS, "## Known weaknesses\n\n- small")
    card = (folder / "README.md").read_text()
    for text in (
        "# tiny\n", f"{tiny_model().n_parameters():,} (embedding ", "fp16, ", "| tiny | 1.5000 (1.4000 to 1.6000) | 0.9000 (",
        "| plain less tiny | +0.0500 (+0.0400 to +0.0600) | −0.0200 (−0.0300 to −0.0100) |",
        "1,200 steps, 39,321,600 tokens seen in 6 minutes", "Passes over the data: books 1.1, code 0.9.", "(curve.svg)",
        "| facts | a number | 61 · 61 (+13: +3 to +23) |", "| 0 | 1.35 (0.50) | −0.12 (0.25) |", "9.00 less",
        "2.5 million tokens: docs 2.5 M (10 MB).", "- **MIT**, 1201 MB: one/a (A. Person); one/c (C).",
        "| npm dependencies of this project | MIT | 2 | 5 | 2.00 |", "## Known weaknesses\n\n- small",
    ):  # fmt: skip
        assert text in card, text
    after = json.loads((folder / "config.json").read_text())
    assert after["metrics"] == {"validation_books_bpb": 1.5, "heldout_code_bpb": 0.9}
    assert after["training"]["tokens_seen"] == 39_321_600
    assert {**before, "metrics": 0, "training": 0} == {**after, "metrics": 0, "training": 0}


def test_sections_without_a_file_are_left_out(folder):
    write_card(folder, notes="Nothing is known of it.")
    card = (folder / "README.md").read_text()
    assert "##" not in card and card.endswith("\n\nNothing is known of it.\n")
    assert not (folder / "curve.svg").exists() and json.loads((folder / "config.json").read_text())["metrics"] == {}


def test_the_card_of_a_toy_model(folder):
    write_card(folder, toy=TOY, toy_run="toy-mta-n5-all-seed42")
    card, config = (folder / "README.md").read_text(), json.loads((folder / "config.json").read_text())
    rows = [line for line in card.splitlines() if line.startswith("| 5 |")]
    assert rows == [
        "| 5 | all | MTA | 24,000 | 0.001 | 42: 0.05, 43: 0.02 | 0.04 | 0.007 | 0.1 ± 0.1 |",
        "| 5 | all | Transformer | 24,000 | 0.001 | 42: 80.00 | 80.00 | 16.000 | 51.6 ± 43.1 |",
        "| 5 | last | MTA | 24,000 | 0.001 | 42: 0.00 | 0.00 | 0.000 | 0.0 ± 0.0 |",
    ]
    assert "24,000 steps, 491,520,000 tokens seen in 5 minutes, 1,638,400 a second, seed 42." in card
    assert config["metrics"] == {"toy_samples_wrong_percent": 0.05, "toy_tokens_wrong_percent": 0.01}
    assert config["training"]["tokens_seen"] == 491_520_000
    assert "toy-transformer-n5 0.01" in (folder / "curve.svg").read_text(), "the other model of the same seed is beside it"


@pytest.mark.parametrize("inputs,message", [
    ({"toy": TOY, "toy_run": "toy-mta-n5-all-seed9"}, 'no run "toy-mta-n5-all-seed9"'),
    ({"evaluations": [EVALUATION[1:]]}, 'no model "tiny", only plain'),
    ({"search": search("other")}, 'no model "tiny", only other, plain'),
    ({"corpus_readme": "# Text\n"}, 'no table under "## Sources"'),
    ({"corpus_readme": CORPUS.replace("credit", "thanks")}, "lacks credit"),
])  # fmt: skip
def test_an_input_about_something_else_is_refused(folder, inputs, message):
    with pytest.raises(ValueError, match=message):
        write_card(folder, SUMMARY, **inputs)
    assert not (folder / "README.md").exists() and not (folder / "curve.svg").exists()


def test_tables():
    assert corpus_text(CORPUS).count("- **") == 2 and "one/a" in corpus_text(CORPUS)
    text = code_text(CODE)
    assert text.index("Python standard library") < text.index("| npm") and "90" not in text
    assert "javascript 1.5 MB, css 0.5 MB, python 0.0 MB" in text and "whole packages: npm dependencies of this project: kept." in text
    assert quality_table(EVALUATION[:1]).count("\n") == 2


def test_attention_in_words():
    sizes = {"dim": 8, "n_layers": 4, "n_heads": 2, "vocab_size": 8, "max_seqlen": 8, "hidden_dim": 8}
    assert attention_text(ModelConfig(**sizes)) == "plain"
    mta = MTAConfig(use_mta=True, query_kernel_size=2, key_kernel_size=9)
    assert attention_text(ModelConfig(**sizes, mta=mta)) == "key-query kernels of 2 × 9 before the softmax in all layers"
    assert "layers" in attention_text(TINY_CONFIG)


def test_the_curve_is_a_picture_with_a_text():
    svg = loss_curve_svg({"a & b": SUMMARY["loss_curve"], "plain": [[32_768, 9.0], [39_321_600, 2.87]]})
    root = ElementTree.fromstring(svg)
    assert "a & b ends at 2.88 nats after 39.3M tokens" in root.attrib["aria-label"]
    lines = [element for element in root if element.tag.endswith("polyline")]
    assert len(lines) == 2 and "stroke-dasharray" not in lines[0].attrib and "stroke-dasharray" in lines[1].attrib
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for line in lines:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert points == sorted(points) and all(0 <= x <= width and 0 <= y <= height for x, y in points)
    heights = [float(e.attrib["y"]) for e in root if e.tag.endswith("text") and e.text.startswith(("a &", "plain"))]
    assert abs(heights[0] - heights[1]) >= 15, "labels do not cover each other"
    assert loss_curve_svg({"flat": [[100, 2.0]]})
    with pytest.raises(ValueError, match="Cannot draw"):
        loss_curve_svg({"none": []})
    assert [short(n) for n in (1_500_000, 32_768, 2e9, 7)] == ["1.5M", "32.8k", "2B", "7"]
