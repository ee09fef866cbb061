"""Training on the CPU in seconds: it learns, resumes exactly, stops on NaN, and the fast convolution is the plain one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.to_safetensors import export_bundle, load_bundle
from mta.attention import key_query_conv
from mta.config import ConfigError, MTAConfig, ModelConfig
from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from training.data import write_shard
from training.evaluate import bits_per_byte
from training.fast_conv import shifted_key_query_conv
from training.optimizer import orthogonalize
from training.train import RunConfig, TrainingError, learning_rate_multiplier, read_config, train

MODEL = ModelConfig(
    dim=32, n_layers=2, n_heads=2, vocab_size=40, max_seqlen=32, hidden_dim=48, weight_tying=True,
    mta=MTAConfig(use_mta=True, query_kernel_size=2, key_kernel_size=5, mta_layers=(1,), head_kernel_size=2,
                  pre_sm_linear_head=True, group_norm=True, add_gating=True),
)


def run_config(**changes) -> RunConfig:
    values = dict(model=MODEL, begin_token_id=39, seqlen=32, batch_size=8, steps=40, warmup_steps=5, checkpoint_steps=20)
    return RunConfig(**{**values, **changes})


@pytest.fixture()
def data(tmp_path: Path) -> Path:
    """A stream whose next token follows from the last: there is something to learn."""
    folder = tmp_path / "data"
    folder.mkdir()
    tokens = (np.arange(6000) * 7 % 39).astype(np.uint16)
    tokens[::500] = 39
    write_shard(folder / "text-000.tokens.xz", tokens)
    return folder


@pytest.mark.parametrize("pad_key,key_size", [("both", 5), ("left", 4), ("right", 4)])
def test_the_fast_convolution_is_the_plain_one_forward_and_backward(pad_key, key_size):
    torch.manual_seed(1)
    results = []
    scores = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    kernel = torch.randn(3, 1, 4, key_size, dtype=torch.float64)
    for conv in (key_query_conv, shifted_key_query_conv):
        s, k = scores.clone().requires_grad_(), kernel.clone().requires_grad_()
        y = conv(s, k, pad_key)
        (y * torch.arange(81.0, dtype=torch.float64).view(9, 9)).sum().backward()
        results.append((y, s.grad, k.grad))
    for plain, fast in zip(*results):
        torch.testing.assert_close(plain, fast, rtol=1e-9, atol=1e-9)


def test_orthogonalised_matrices_have_singular_values_near_one():
    torch.manual_seed(2)
    for shape in [(3, 8, 8), (2, 4, 12), (2, 12, 4)]:
        values = torch.linalg.svdvals(orthogonalize(torch.randn(*shape)))
        assert values.min() > 0.3 and values.max() < 1.5


def test_it_learns_and_its_bundle_opens(data, tmp_path):
    model = train(run_config(steps=120), [data], tmp_path / "run")
    tokens = (np.arange(400) * 7 % 39).astype(np.uint16)
    bits = bits_per_byte(model, tokens, n_bytes=400, begin_token_id=39, seqlen=32)
    assert bits < 2.5  # untrained: log2(40) = 5.3
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    export_bundle(model, tmp_path / "bundle", "tiny", tokenizer, 39)
    again = load_bundle(tmp_path / "bundle")
    assert abs(bits_per_byte(again, tokens, 400, 39, 32) - bits) < 0.02  # weights are fp16


def test_a_resumed_run_ends_where_an_unbroken_one_does(data, tmp_path):
    whole = train(run_config(), [data], tmp_path / "whole")

    class Interrupted(Exception):
        pass

    import training.train as module

    save = module.save_checkpoint

    def save_and_stop(path, content):
        save(path, content)
        if content["progress"]["steps"] == 20:
            raise Interrupted

    module.save_checkpoint = save_and_stop
    try:
        with pytest.raises(Interrupted):
            train(run_config(), [data], tmp_path / "broken")
    finally:
        module.save_checkpoint = save
    resumed = train(run_config(), [data], tmp_path / "broken")
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values()):
        torch.testing.assert_close(a, b, msg=name)


def test_nan_stops_with_the_step(data, tmp_path):
    with pytest.raises(TrainingError, match=r"The loss is nan at step \d+"):
        train(run_config(embedding_lr=float("nan")), [data], tmp_path / "run")


def test_checkpoints_are_never_overwritten_in_place(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(CheckpointError, match="untouched"):
        save_checkpoint(path, {"step": lambda: None})  # cannot be pickled: fails in the middle of writing
    assert load_checkpoint(path) == {"step": 1}
    path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="Cannot read checkpoint"):
        load_checkpoint(path)
    assert load_checkpoint(tmp_path / "none.pt") is None


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    config = run_config(warmup_steps=10)
    assert learning_rate_multiplier(0, 0.0, config) == pytest.approx(0.1)
    assert learning_rate_multiplier(20, 0.3, config) == 1.0
    assert learning_rate_multiplier(99, 1.0, config) == 0.0


def test_the_shipped_configuration_reads_and_misspelt_keys_fail(tmp_path):
    source = Path(__file__).parents[1] / "training" / "configs" / "mta-small.yaml"
    config = read_config(source)
    assert config.model.mta.mta_layers == (2, 6)
    broken = tmp_path / "broken.yaml"
    broken.write_text(source.read_text().replace("batch_size", "batchsize"))
    with pytest.raises(ConfigError, match="batchsize|batch_size"):
        read_config(broken)
