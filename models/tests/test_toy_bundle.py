"""A toy run's files become a model folder with the evaluated weights; what ran is known from the queue that ran it."""

import argparse
import json
import time

import pytest
import torch

from export.safetensors_file import write_safetensors
from export.to_safetensors import load_bundle
from export.toy_bundle import export_toy
from mta.transformer import Transformer
from training import toy_runs
from training.toy_runs import CONFIGS, Queue, Run
from training.train import load_config

RESULT = {"name": "toy-mta-n5", "answer": "all", "seed": 42, "sampleErrorPercent": 0.05, "tokenErrorPercent": 0.01,
          "samples": 100, "steps": 3, "tokens_seen": 960, "train_seconds": 1.5}  # fmt: skip


@pytest.fixture
def results(tmp_path):
    model = Transformer(load_config(CONFIGS / "toy-mta-n5.yaml").model)
    model.init_weights(5)
    weights = {key: value.half() for key, value in model.state_dict().items()}
    write_safetensors(tmp_path / "toy-mta-n5-all-seed42.safetensors", weights, {"format": "pt"})
    (tmp_path / "results.json").write_text(json.dumps([RESULT]))
    return tmp_path, weights


def test_the_folder_holds_the_evaluated_weights(results):
    folder, weights = results
    export_toy(folder, "toy-mta-n5-all-seed42", folder / "bundle")
    loaded = load_bundle(folder / "bundle").state_dict()
    assert all(torch.equal(loaded[key], value.float()) for key, value in weights.items())
    config = json.loads((folder / "bundle" / "config.json").read_text())
    assert (config["name"], config["bos_token_id"], config["eos_token_id"], config["vocab_size"]) == ("toy-mta-n5", 29, 30, 32)
    assert config["metrics"] == {"toy_samples_wrong_percent": 0.05, "toy_tokens_wrong_percent": 0.01} and config["training"]["steps"] == 3
    vocab = json.loads((folder / "bundle" / "tokenizer.json").read_text())["model"]["vocab"]
    assert len(vocab) == 32


def test_a_run_that_is_not_there_is_named(results):
    with pytest.raises(ValueError, match='no run "toy-mta-n8-all-seed1".* only toy-mta-n5-all-seed42'):
        export_toy(results[0], "toy-mta-n8-all-seed1", results[0] / "bundle")


class FakeProcess:
    def __init__(self, seconds, returncode=0):
        self.end, self.returncode, self.killed = time.monotonic() + seconds, returncode, False

    def poll(self):
        return self.returncode if time.monotonic() >= self.end else None

    def kill(self):
        self.killed = True


def queue(tmp_path, monkeypatch, seconds, lasts, returncode=0):
    processes = []

    def start(run, work, device, settings):
        processes.append(FakeProcess(lasts, returncode))
        return processes[-1]

    monkeypatch.setattr(toy_runs, "start", start)
    monkeypatch.setattr(toy_runs, "evaluate", lambda run, *_: {"name": run.name})
    args = argparse.Namespace(out=tmp_path, work=None, seeds=[1, 2], answers=["all"], configs=["a", "b"], parallel=1,
                              seconds=seconds, set=[], samples=1)  # fmt: skip
    return Queue(args, ["cuda:0"]), processes


def test_runs_follow_each_other_by_seed(tmp_path, monkeypatch):
    runs, _ = queue(tmp_path, monkeypatch, seconds=60, lasts=0.0)
    runs.go()
    expected = [Run(config, "all", seed).name for seed in (1, 2) for config in ("a", "b")]
    assert [row["name"] for row in runs.results] == expected
    assert json.loads((tmp_path / "results.json").read_text()) == runs.results


def test_nothing_is_started_that_would_not_end_in_time(tmp_path, monkeypatch, capsys):
    runs, processes = queue(tmp_path, monkeypatch, seconds=0.5, lasts=0.3)
    runs.go()
    assert len(processes) == 1 and len(runs.results) == 1
    assert capsys.readouterr().out.count("was not started: no time is left") == 3


def test_a_run_that_fails_says_how_its_output_ended(tmp_path, monkeypatch):
    runs, _ = queue(tmp_path, monkeypatch, seconds=60, lasts=0.0, returncode=3)
    (tmp_path / "work" / "a-all-seed1").mkdir(parents=True)
    (tmp_path / "work" / "a-all-seed1" / "output.txt").write_text("RuntimeError: out of memory")
    with pytest.raises(RuntimeError, match="a-all-seed1 ended with code 3: RuntimeError: out of memory"):
        runs.go()
