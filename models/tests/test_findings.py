"""What trained kernels learned: parts set to the identity, attention to planted values, and the tables of docs/findings.md."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import MODELS_DIR
from test_training import PLAIN, config

from mta.fast_attention import use_fast_attention
from mta.transformer import Transformer
from training.ablation import choose_texts, extra_bits, identity_like, without
from training.evaluate import nats_per_window
from training.findings import bits_interval, diagonal_share, parts_of, read_parts, report, seeds_table, spearman
from training.needles import Sample
from training.retrieval import retrieval_scores, value_places

EXPERIMENT = MODELS_DIR / "experiments" / "smollm2-mta"


def model_with_kernels(seed=0):
    model = Transformer(replace(config().model, vocab_size=max(64, config().model.vocab_size)))
    model.init_weights(seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for block in model.layers:
            for part in (block.attention.mta_kernel, block.attention.mta_kernel_after_sm, block.attention.head_kernel):
                if part is not None:
                    part += 0.3 * torch.randn(part.shape, generator=generator)
    return model.eval()


def texts(count=3, length=90):
    rng = np.random.default_rng(0)
    return [("docs", i, rng.integers(1, 60, length - 7 * i).astype(np.uint16)) for i in range(count)]


def test_extra_bits_are_those_of_the_changed_model_run_as_a_whole():
    model = model_with_kernels()
    whole, extra = extra_bits(model, texts(), 0)
    assert any(name.startswith("kernels before ") for name in extra) and "everything" in extra
    windows = [torch.from_numpy(t.astype(np.int64)) for _, _, t in texts()]

    def bits(i):
        inputs = torch.cat([torch.zeros(1, dtype=torch.long), windows[i][:-1]])[None]
        return float(nats_per_window(model, inputs, windows[i][None])[0]) / np.log(2)

    assert whole == pytest.approx([bits(i) for i in range(3)], rel=1e-5)
    attention = next(block.attention for block in model.layers if block.attention.mta_kernel is not None)
    name = next(name for name in extra if name.startswith("kernels before "))
    with without([attention.mta_kernel]):
        assert torch.equal(attention.mta_kernel, identity_like(attention.mta_kernel))
        changed = [bits(i) for i in range(3)]
    assert extra[name] == pytest.approx([c - w for c, w in zip(changed, whole)], abs=1e-3)
    assert max(abs(value) for value in extra[name]) > 0.01
    assert bits(0) == pytest.approx(whole[0], rel=1e-6), "the part is put back"


def test_a_model_whose_parts_are_the_identity_loses_nothing():
    model = Transformer(config().model)
    model.init_weights(0)
    use_fast_attention(model, "shifted")
    _, extra = extra_bits(model.eval(), [("docs", 0, np.arange(1, 20).astype(np.uint16) % 8 + 1)], 0)
    assert extra and all(value == pytest.approx(0, abs=1e-3) for values in extra.values() for value in values)


def test_texts_are_spread_over_the_streams():
    stream = np.concatenate([np.concatenate([[0], np.full(100 + i, 5)]) for i in range(10)]).astype(np.uint16)
    chosen = choose_texts({"books": stream[:300], "docs": stream, "code": stream}, 0, 12, 80)
    assert {name: sum(text[0] == name for text in chosen) for name in ("books", "docs", "code")} == {"books": 3, "docs": 5, "code": 4}
    assert all(len(tokens) == 80 for _, _, tokens in chosen)


def test_retrieval_reads_the_attention_at_the_right_value():
    prompt = np.array([0, 9, 8, 41, 42, 9, 7, 51, 52, 9, 8])
    sample = Sample(prompt, ((41, 42), (51, 52)), 0, 0.5, (1, 5), (0, 0), 4)
    assert value_places(sample) == [3, 7]
    model = model_with_kernels()
    scores = retrieval_scores(model, [sample, sample])
    taps = []
    model(torch.from_numpy(prompt)[None], taps)
    assert scores["mixed_pattern_right"][1][0] == pytest.approx(float(taps[1]["mixed_pattern"][0, 0, -1, 3]), abs=1e-6)
    assert scores["pattern_others"][0][1] == pytest.approx(float(taps[0]["pattern"][0, 1, -1, 7]), abs=1e-6)


def test_the_diagonal_is_one_query_back_one_key_back():
    kernel = np.zeros((6, 11))
    kernel[5, 5], kernel[4, 4], kernel[3, 3], kernel[4, 5] = 5.0, 1.0, 1.0, 1.0
    assert diagonal_share(kernel) == pytest.approx(2 / 3)


def test_head_kernels_are_turned_to_destination_by_source():
    kernel = np.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    matrix = parts_of({"layers.3.attention.head_kernel": kernel})["mixing after"][3]
    assert matrix.tolist() == [[1, 3, 0, 0], [2, 4, 0, 0], [0, 0, 5, 7], [0, 0, 6, 8]]


def test_two_runs_with_the_same_changes_are_alike():
    def run(scale):
        rng = np.random.default_rng(1)
        kernel = np.zeros((2, 3, 5))
        kernel[:, -1, 2] = 1
        return {"kernels before": {0: kernel + scale * rng.normal(size=kernel.shape)}, "mixing after": {0: np.eye(4) + scale * rng.normal(size=(4, 4))}}

    rows = [line for line in seeds_table(run(0.1), run(0.05)).splitlines() if line.startswith(("| kernels", "| mixing"))]
    assert len(rows) == 2 and all("| +1.00 |" in row for row in rows)


def test_intervals_and_rank_correlations():
    mean, low, high = bits_interval(np.array([1.0, 3.0]), np.array([10, 10]))
    assert (mean, low, high) == pytest.approx((0.2, 0.1, 0.3))
    found, chance = spearman(range(20), [x**3 for x in range(20)])
    assert found == pytest.approx(1.0) and chance < 0.001


def test_the_page_has_the_figures_of_the_report():
    """Every table of docs/findings.md is one of the report's, to the last digit."""
    page = (MODELS_DIR.parent / "docs" / "findings.md").read_text(encoding="utf-8")
    rows = {line for line in report(EXPERIMENT, MODELS_DIR / "bundled" / "mta-base").splitlines() if line.startswith("|")}
    shown = [line for line in page.splitlines() if line.startswith("|") and not line.startswith("| claim") and not line.startswith("|---")]
    claims = [line for line in shown if line.startswith("| *")]
    missing = [line for line in shown if line not in rows and line not in claims]
    assert len(shown) - len(claims) > 40 and not missing


@pytest.mark.parametrize("seed, last", [("", 4380), ("-seed2", 5167)])
def test_the_last_kernels_are_those_that_were_ablated(seed, last):
    steps, snapshots = read_parts(EXPERIMENT / f"kernels{seed}.safetensors")
    ablation = json.loads((EXPERIMENT / f"ablation{seed}.json").read_text())
    assert steps[0] == 0 and steps[-1] == last and len(ablation["texts"]) == 200
    names = {f"{part} {layer}" for part, layers in snapshots[-1].items() for layer in layers}
    assert names <= set(ablation["extra_bits"])
