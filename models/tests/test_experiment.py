"""The experiment with a start model: parts trained, rates apart, micro batches, kernels kept on the way, models compared."""

import json

import pytest
import torch
from test_training import PLAIN, config, data  # noqa: F401 (data is a fixture)

from export.kernel_history import kernel_history
from export.safetensors_file import read_safetensors
from mta.config import ConfigError
from training.compare import pairs, read_scores
from training.compare_context import group_table, read_outcomes
from training.optimizer import KERNEL_NAMES, Optimizer, OptimizerConfig
from training.train import Trainer


def test_blocks_are_trained_and_the_embedding_kept(data, tmp_path):  # noqa: F811
    trainer = Trainer(config(trains="blocks", budget={"steps": 10}), [data], tmp_path / "run", "cpu", resume=False)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    after = trainer.model.state_dict()
    assert torch.equal(after["tok_embeddings.weight"], before["tok_embeddings.weight"])
    assert all(not torch.equal(after[name], before[name]) for name in before if name.startswith("layers."))


def test_kernels_have_a_rate_of_their_own(data, tmp_path):  # noqa: F811
    kept = Trainer(config(optimizer={"kernel_lr": 0.0}, budget={"steps": 5}), [data], tmp_path / "run", "cpu", resume=False)
    before = {name: value.clone() for name, value in kept.model.state_dict().items()}
    kept.run()
    for name, value in kept.model.state_dict().items():
        assert torch.equal(value, before[name]) == (KERNEL_NAMES.search(name) is not None), name


def test_a_model_without_kernels_ignores_their_rate():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    with_rate, without = (Optimizer(model, OptimizerConfig(use_muon=False, kernel_lr=rate)) for rate in (0.1, None))
    assert with_rate.state_dict()["adam"]["param_groups"] == without.state_dict()["adam"]["param_groups"]


def test_micro_batches_change_memory_only(data, tmp_path):  # noqa: F811
    losses = []
    for micro_batch in (None, 2):
        phases = [{"until": 1.0, "seqlen": 8, "batch_size": 8, **({"micro_batch": micro_batch} if micro_batch else {})}]
        trainer = Trainer(config(phases=phases, budget={"steps": 20}), [data], tmp_path / str(micro_batch), "cpu", resume=False)
        losses.append([loss for _, loss in trainer.run()["loss_curve"]])
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)
    with pytest.raises(ConfigError, match="micro_batch 3; it must divide batch_size 8"):
        config(phases=[{"until": 1.0, "seqlen": 8, "batch_size": 8, "micro_batch": 3}])


def test_arms_see_the_same_batches(data, tmp_path):  # noqa: F811
    """A plain model and one with kernels, of one seed."""
    mta, plain = (Trainer(c, [data], tmp_path / name, "cpu", resume=False) for name, c in (("mta", config()), ("plain", config(model=PLAIN))))
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(mta.source.batch(8), plain.source.batch(8)))


def test_kernels_are_kept_on_the_way(data, tmp_path):  # noqa: F811
    trainer = Trainer(config(kernel_snapshots=4, budget={"steps": 40}), [data], tmp_path / "run", "cpu", resume=False)
    start = trainer.model.layers[1].attention.mta_kernel.detach().clone()
    trainer.run()
    history = kernel_history(tmp_path / "run" / "kernels")
    assert history["steps"].tolist() == [0, 10, 20, 30, 40]
    kernels = history["layers.1.attention.mta_kernel"]
    assert torch.equal(kernels[0], start) and torch.equal(kernels[-1], trainer.model.layers[1].attention.mta_kernel)
    with pytest.raises(ValueError, match="There are no step-"):
        kernel_history(tmp_path)


def test_the_stored_experiment_is_whole():
    """Its kernels begin as the identity; its table can be made again from the stored bits."""
    from conftest import MODELS_DIR

    folder = MODELS_DIR / "experiments" / "smollm2-mta"
    history = read_safetensors(folder / "kernels.safetensors")
    assert history["steps"].tolist()[0] == 0 and torch.equal(history["layers.0.attention.wpsm.weight"][0], torch.eye(9))
    scores = read_scores([folder / "evaluation.json"])
    assert scores["MTA, seed 1234"]["code"].bits_per_byte == 0.6397
    differences = {(model, other): row for model, other, row in pairs(scores)}
    assert differences["MTA, seed 1234", "plain, seed 1234"]["code"] == (-0.0013, -0.0015, -0.0011)
    long = differences["MTA, seed 1234, 117 M tokens", "plain, seed 1234, 117 M tokens"]
    assert long["docs"] == (-0.0012, -0.0014, -0.0009) and long["code"] == (-0.0013, -0.0017, -0.0009)
    longest = differences["MTA, seed 1234, 287 M tokens", "plain, seed 1234, 287 M tokens"]
    assert longest == {"books": (-0.0006, -0.0009, -0.0003), "code": (-0.0022, -0.0027, -0.0017), "docs": (-0.0016, -0.0018, -0.0013)}
    assert differences["kernels alone, 63 M tokens", "start"]["code"] == (-0.0439, -0.0461, -0.0417)
    table = group_table(read_outcomes([folder / "context-287m.json"]), "needles", lambda cell: cell[1], 2048)
    assert "| 6 | 288 | 55 · 50 · 51 · 46 (+6: +1 to +10;" in table
    second = differences["MTA, seed 2, 339 M tokens", "MTA, seed 1234, 287 M tokens"]
    assert second == {"books": (-0.0002, -0.0009, 0.0006), "code": (-0.0008, -0.0039, 0.0023), "docs": (-0.0039, -0.0047, -0.0032)}
    rounding = differences["MTA, seed 2, 339 M tokens, 8 bits", "MTA, seed 2, 339 M tokens"]
    assert rounding == {"books": (0.0001, 0.0001, 0.0002), "code": (0.0004, 0.0003, 0.0004), "docs": (0.0003, 0.0002, 0.0003)}
    both = read_outcomes([folder / "context-seed2.json", folder / "context-287m.json"])
    table = group_table(both, "needles", lambda cell: cell[1], 2048)
    assert "| 32 · 40 · 35 · 37 · 29 (−8: −13 to −3; −3: −8 to +2;" in table
    table = group_table(read_outcomes([folder / "context.json"]), "tokens", lambda cell: cell[2])
    assert "| 4096 | 288 | 56 · 60 · 56 (−4: −8 to 0; 0: −5 to +5) |" in table


def test_models_measured_on_other_texts_are_not_compared(tmp_path):
    def row(model, tokens):
        return {"model": model, "documents": {"text": {"bits": [1.0, 2.0], "tokens": tokens, "bytes": 10}}}

    (tmp_path / "a.json").write_text(json.dumps([row("a", [3, 4])]))
    (tmp_path / "b.json").write_text(json.dumps([row("b", [3, 5])]))
    (tmp_path / "c.json").write_text(json.dumps([{"model": "c"}]))
    with pytest.raises(ValueError, match='"b" was measured on other texts than "a"'):
        read_scores([tmp_path / "a.json", tmp_path / "b.json"])
    with pytest.raises(ValueError, match="no documents"):
        read_scores([tmp_path / "c.json"])
