"""The loop end to end at toy size on the CPU: it learns, resumes exactly, and stops for what it cannot train on."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from export.to_safetensors import export_bundle, load_bundle
from mta.config import ConfigError, config_from_mapping, config_to_mapping
from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from training.data import ShardError, WindowSampler, gather_windows, read_shard, write_shard
from training.evaluate import IGNORED, Score, evaluation_windows, score_stream, split_documents
from training.optimizer import newton_schulz
from training.processes import Processes
from training.train import TrainConfig, Trainer, TrainingError, load_config, lr_scale, wait_for_streams, with_settings

BEGIN = 15


PLAIN = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "vocab_size": 16, "max_seqlen": 16, "weight_tying": True}


def config(**changes):
    mta = {"use_mta": True, "query_kernel_size": 2, "key_kernel_size": 3, "mta_layers": [1], "after_sm_query_kernel_size": 2,
           "after_sm_key_kernel_size": 3, "head_kernel_size": 2, "pre_sm_linear_head": True, "group_norm": True, "add_gating": True}
    model = {**PLAIN, "mta": mta}
    mapping = {"name": "smoke", "begin_token_id": BEGIN, "model": model, "mix": {"text": 1.0}, "budget": {"steps": 40},
               "phases": [{"until": 0.5, "seqlen": 8, "batch_size": 8}, {"until": 1.0, "seqlen": 16, "batch_size": 4}],
               "compile": False, "warmup_steps": 4, "log_every": 5, **changes}
    return config_from_mapping(TrainConfig, mapping)


@pytest.fixture
def data(tmp_path):
    """Documents that count upwards: easy to learn."""
    rng = np.random.default_rng(0)
    documents = [np.concatenate([[BEGIN], (rng.integers(0, 15) + np.arange(40)) % 15]) for _ in range(50)]
    write_shard(tmp_path / "text-000.tokens.xz", np.concatenate(documents).astype(np.uint16))
    return tmp_path


def test_learns_and_ends_with_its_budget(data, tmp_path):
    trainer = Trainer(config(budget={"steps": 80}), [data], tmp_path / "run", "cpu", resume=False)
    summary = trainer.run()
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert summary["steps"] == 80 and rows[-1]["loss"] < 0.6 * rows[0]["loss"]
    assert {row["seqlen"] for row in rows} == {8, 16}
    tokens = read_shard(data / "text-000.tokens.xz", 16)
    assert score_stream(trainer.model.eval(), tokens, 2000, 16, BEGIN).bits_per_byte < 3.0


def test_resumes_exactly(data, tmp_path):
    whole = Trainer(config(), [data], tmp_path / "whole", "cpu", resume=False)
    whole.run()
    Trainer(config(), [data], tmp_path / "parts", "cpu", resume=False).run(stop_after_steps=25)
    resumed = Trainer(config(), [data], tmp_path / "parts", "cpu", resume=True)
    assert resumed.step == 25
    resumed.run()
    for name, expected in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], expected), name


def test_stops_for_a_loss_that_is_not_a_number(data, tmp_path):
    trainer = Trainer(config(log_every=1), [data], tmp_path / "run", "cpu", resume=False)
    trainer.run(stop_after_steps=3)
    with torch.no_grad():
        trainer.model.norm.weight[0] = float("nan")
    with pytest.raises(TrainingError, match="step 4: the loss is nan"):
        trainer.run()
    assert load_checkpoint(tmp_path / "run")["progress"]["steps"] == 3


def test_a_time_budget_sets_the_schedule():
    timed = config(budget={"seconds": 100.0})
    assert lr_scale(timed, 0, 0.0) == 0.25 and lr_scale(timed, 50, 0.2) == 1.0
    assert lr_scale(timed, 50, 0.7) == pytest.approx(0.5) and lr_scale(timed, 50, 1.0) == timed.lr_floor


def test_decay_from_the_end_is_a_constant_rate():
    constant = config(decay_from=1.0)
    assert [lr_scale(constant, 50, progress) for progress in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]


def test_a_run_that_goes_on_leaves_out_the_batches_of_the_one_before(data, tmp_path):
    """Any number of them, in the order in which they would have come."""
    whole, rest = (Trainer(config(skip_batches=n), [data], tmp_path / str(n), "cpu", resume=False) for n in (0, 3))
    batches = [whole.source.batch(8) for _ in range(5)]
    for tokens, targets in batches[3:]:
        again = rest.source.batch(8)
        assert torch.equal(tokens, again[0]) and torch.equal(targets, again[1])
    with pytest.raises(ConfigError, match="skip_batches is -1; it must be 0 or"):
        config(skip_batches=-1)


@pytest.mark.parametrize("changes,message", [
    ({"budgte": {"steps": 3}}, "budgte is not a known setting"),
    ({"budget": {"steps": 3, "seconds": 1.0}}, "exactly one of steps and seconds"),
    ({"phases": [{"until": 0.9, "seqlen": 8, "batch_size": 1}]}, "until: 1.0"),
    ({"phases": [{"until": 1.0, "seqlen": 99, "batch_size": 1}]}, "seqlen 99"),
    ({"optimizer": {"muon_lr": "fast"}}, "optimizer.muon_lr is 'fast'"),
])  # fmt: skip
def test_a_wrong_configuration_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_shipped_configurations_load():
    from conftest import MODELS_DIR

    paths = sorted((MODELS_DIR / "training" / "configs").glob("*.yaml"))
    assert paths and all(load_config(path).name == path.stem for path in paths)


def test_a_damaged_shard_is_named(tmp_path):
    path = tmp_path / "text-000.tokens.xz"
    write_shard(path, np.arange(1000, dtype=np.uint16))
    assert np.array_equal(read_shard(path, 1000), np.arange(1000))
    with pytest.raises(ShardError, match="holds id 999; the vocabulary has 999"):
        read_shard(path, 999)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ShardError, match="text-000.tokens.xz"):
        read_shard(path, 1000)


def test_windows_visit_every_position_once():
    streams = {"a": np.arange(100, dtype=np.uint16), "b": np.arange(100, 400, dtype=np.uint16)}
    sampler = WindowSampler(streams, {"a": 1, "b": 3}, 10, seed=0)
    starts = np.concatenate([sampler.next_starts(4) for _ in range(8)])
    assert len(np.unique(starts)) == len(starts)
    assert {bool(s < 100) for s in starts} == {True, False}


def test_text_that_comes_later_is_visited_in_the_same_pass():
    streams = {"a": np.arange(101, dtype=np.uint16), "b": np.arange(200, 301, dtype=np.uint16)}
    sampler = WindowSampler(streams, {"a": 1, "b": 1}, 10, seed=0)
    early = sampler.next_starts(6)
    sampler.add({"a": np.arange(400, 501, dtype=np.uint16)})
    starts = np.concatenate([early, *(sampler.next_starts(2) for _ in range(6))])
    assert len(np.unique(starts)) == len(starts) and (starts >= 202).any()
    assert set(sampler.joined[starts[starts >= 202]]) <= set(range(400, 501))
    while sampler.epochs()["a"] < 1.5:
        sampler.next_starts(2)
    state = sampler.state()
    again = WindowSampler(streams, {"a": 1, "b": 1}, 10, seed=5)
    again.add({"a": np.arange(400, 501, dtype=np.uint16)})
    again.restore(state)
    assert np.array_equal(again.next_starts(20), sampler.next_starts(20))


def test_a_run_takes_shards_that_arrive_on_the_way_and_resumes_with_them(data, tmp_path):
    later = tmp_path / "later"
    trainer = Trainer(config(), [data], tmp_path / "run", "cpu", resume=False, later=[(10, later)])
    trainer.run(stop_after_steps=10)
    n_tokens = len(trainer.source.joined)
    (tmp_path / "partial").mkdir()
    write_shard(tmp_path / "partial" / "text-001.tokens.xz", read_shard(data / "text-000.tokens.xz", 16)[:800])
    (tmp_path / "partial").rename(later)
    trainer.run(stop_after_steps=15)
    assert len(trainer.source.joined) == n_tokens + 800
    resumed = Trainer(config(), [data], tmp_path / "run", "cpu", resume=True, later=[(10, later)])
    resumed.run()
    trainer.run()
    for name, expected in trainer.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], expected), name
    with pytest.raises(ShardError, match="still no folder .*missing after 0 s"):
        wait_for_streams(tmp_path / "missing", 16, 0.0)


def test_the_number_of_steps_can_change_during_a_run(data, tmp_path, capsys):
    trainer = Trainer(config(), [data], tmp_path / "run", "cpu", resume=False)
    trainer.run(stop_after_steps=10)
    (tmp_path / "run" / "steps").write_text("7\n")
    trainer.run(stop_after_steps=5)
    assert "it must be a number of steps, at least 1" in capsys.readouterr().out and trainer.n_steps == 40
    (tmp_path / "run" / "steps").write_text("30\n")
    assert trainer.run()["steps"] == 30 and trainer.progress() == 1.0


def test_windows_open_with_the_begin_token():
    joined = torch.tensor([BEGIN, 1, 2, 3, 4, BEGIN, 5, 6, 7, 8, 9])
    tokens, targets = gather_windows(joined, torch.tensor([0, 2, 5]), 3, BEGIN)
    assert tokens.tolist() == [[BEGIN, 1, 2], [BEGIN, 2, 3], [BEGIN, 5, 6]]
    assert targets.tolist() == [[1, 2, 3], [2, 3, 4], [5, 6, 7]]


def test_evaluation_predicts_each_token_once():
    stream = np.array([BEGIN, 1, 2, 3, 4, 5, BEGIN, 6, BEGIN, 7, 8], dtype=np.uint16)
    inputs, targets, document_of = evaluation_windows(split_documents(stream, BEGIN), 3, BEGIN)
    assert document_of.tolist() == [0, 0, 1, 2]
    assert inputs.tolist()[:2] == [[BEGIN, 1, 2], [BEGIN, 4, BEGIN]]
    assert sorted(targets[targets != IGNORED].tolist()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_intervals_hold_the_value_and_compare_in_pairs():
    rng = np.random.default_rng(1)
    n_tokens = rng.integers(50, 500, 80).astype(float)
    bits = n_tokens * rng.normal(3.0, 0.5, 80)
    score = Score(bits, n_tokens, 4 * n_tokens.sum())
    low, high = score.interval()
    assert low < score.bits_per_byte < high and high - low < 0.1
    # A constant gain is certain however much the documents differ from each other.
    assert Score(bits - 0.4 * n_tokens, n_tokens, score.n_bytes).difference(score) == (-0.1, -0.1, -0.1)


def test_settings_replace_one_value():
    changed = with_settings(config(), ["optimizer.muon_lr=0.5", "model.mta.query_kernel_size=3", "warmup_steps=7"])
    assert (changed.optimizer.muon_lr, changed.model.mta.query_kernel_size, changed.warmup_steps) == (0.5, 3, 7)
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        with_settings(config(), ["warmup_steps"])


def test_several_processes_train_as_one(data, tmp_path):
    """Two processes that share every batch end with the weights of one that takes whole batches."""
    folder = tmp_path / "two"
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\n"
        "from test_training import config\n"
        "from training.train import Trainer\n"
        "torch.set_num_threads(1)\n"
        "trainer = Trainer(config(budget={'steps': 12}), [sys.argv[1]], sys.argv[2], 'cpu', resume=False)\n"
        "trainer.run()\n"
        "trainer.processes.end()\n"
    )
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]), "WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}  # fmt: skip
    running = [subprocess.Popen([sys.executable, str(script), str(data), str(folder)], env={**environment, "RANK": rank},
                                stderr=subprocess.PIPE, text=True) for rank in "01"]  # fmt: skip
    for process in running:
        assert process.communicate(timeout=120)[1] is not None and process.returncode == 0
    whole = Trainer(config(budget={"steps": 12}), [data], tmp_path / "one", "cpu", resume=False)
    whole.run()
    got = load_checkpoint(folder)
    assert got["progress"]["tokens_seen"] == whole.tokens_seen
    for name, expected in whole.model.state_dict().items():
        torch.testing.assert_close(got["model"][name], expected, rtol=1e-3, atol=2e-4)


def test_clocks_of_several_processes_are_no_budget(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Processes, "__init__", lambda self, device: self.__dict__.update(rank=0, size=2, device=device))
    with pytest.raises(ConfigError, match="budget in steps"):
        Trainer(config(budget={"seconds": 3.0}), [data], tmp_path / "run", "cpu", resume=False)
    with pytest.raises(ConfigError, match="batch_size 3, which 2 processes cannot share"):
        Trainer(config(phases=[{"until": 1.0, "seqlen": 8, "batch_size": 3}]), [data], tmp_path / "run", "cpu", resume=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_checkpoints_are_never_overwritten_in_place(tmp_path):
    save_checkpoint(tmp_path, {"n": 1})
    with pytest.raises(CheckpointError, match="The previous one is untouched"):
        save_checkpoint(tmp_path, {"n": _Unwritable()})
    assert load_checkpoint(tmp_path) == {"n": 1} and [p.name for p in tmp_path.iterdir()] == ["latest.pt"]
    save_checkpoint(tmp_path, {"n": 2})
    (tmp_path / "latest.pt").write_bytes(b"half a file")
    assert load_checkpoint(tmp_path) == {"n": 1}
    (tmp_path / "previous.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="Cannot read any checkpoint"):
        load_checkpoint(tmp_path)


class _Unwritable:
    def __reduce__(self):
        raise OSError("No space left on device")


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 4, 12), (2, 12, 4)])
def test_newton_schulz_brings_singular_values_near_one(shape):
    torch.manual_seed(2)
    values = torch.linalg.svdvals(newton_schulz(torch.randn(*shape)))
    assert values.min() > 0.3 and values.max() < 1.5


def test_bundle_round_trip(data, tmp_path):
    trainer = Trainer(config(), [data], tmp_path / "run", "cpu", resume=False)
    trainer.run(stop_after_steps=2)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    export_bundle(trainer.model, tmp_path / "bundle", "smoke", tokenizer, BEGIN, dtype="fp32")
    tokens = torch.tensor([[BEGIN, 1, 2, 3]])
    assert torch.allclose(load_bundle(tmp_path / "bundle")(tokens), trainer.model(tokens), atol=1e-6)
    assert "output.weight" not in trainer.model.state_dict()


def test_kernels_alone_are_trained(data, tmp_path):
    """From a plain model with identity kernels: its own weights stay, the kernels learn and make it better."""
    from export.add_kernels import with_identity_kernels
    from export.model_folder import write_model_folder
    from mta.config import MTAConfig

    plain = Trainer(config(model={**PLAIN, "mta": {}}, budget={"steps": 60}), [data], tmp_path / "plain", "cpu", resume=False)
    plain.run()
    mta = MTAConfig(use_mta=True, query_kernel_size=2, key_kernel_size=3, after_sm_query_kernel_size=2, after_sm_key_kernel_size=3,
                    head_kernel_size=2, pre_sm_linear_head=True)  # fmt: skip
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    model_config, weights = with_identity_kernels(plain.config.model, plain.model.state_dict(), mta)
    write_model_folder(tmp_path / "start", model_config, weights, tokenizer, "start", BEGIN)

    mapping = {**config_to_mapping(config(budget={"steps": 60}, trains="kernels", warmup_steps=1)), "mix": {"text": 1.0}}
    mapping["optimizer"]["adam_lr"] = 0.02
    path = tmp_path / "kernels.yaml"
    path.write_text(json.dumps(mapping))
    trainer = Trainer(load_config(path, tmp_path / "start"), [data], tmp_path / "kernels", "cpu", resume=False)
    tokens = read_shard(data / "text-000.tokens.xz", 16)
    before = score_stream(trainer.model.eval(), tokens, 2000, 16, BEGIN).bits_per_byte
    summary = trainer.run()
    assert summary["trained_parameters"] == 2 * (2 * 2 * 2 * 3 + 2 * 4)
    assert score_stream(trainer.model.eval(), tokens, 2000, 16, BEGIN).bits_per_byte < before
    for name, value in trainer.model.state_dict().items():
        is_kernel = "mta_kernel" in name or "wpsm" in name or "head_kernel" in name
        assert torch.equal(value, weights[name]) != is_kernel, name
    resumed = Trainer(load_config(path, tmp_path / "start"), [data], tmp_path / "kernels", "cpu", resume=True)
    assert resumed.step == 60
