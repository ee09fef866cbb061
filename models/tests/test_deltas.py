"""Changes of weights come back from their files as they were said to, and only on the model they belong to."""

import pytest
import torch

from training.deltas import DeltaError, files_of, pack, unpack

KERNEL = "layers.0.attention.mta_kernel"


def start_and_trained():
    torch.manual_seed(0)
    start = {"tok_embeddings.weight": torch.randn(6, 4), "layers.0.attention.wq.weight": torch.randn(40, 300), "norm.weight": torch.ones(4)}
    trained = {name: value.clone() for name, value in start.items()}
    trained["layers.0.attention.wq.weight"] += torch.randn(40, 300) * torch.rand(40, 1) * 0.01
    trained["norm.weight"] += 0.25
    trained[KERNEL] = torch.randn(2, 1, 3, 5)
    return start, trained


@pytest.mark.parametrize("step,error,bits", [(1.0, 0.29, 2.4), (0.5, 0.144, 3.4)])
def test_a_step_gives_the_error_and_size_it_promises(step, error, bits):
    start, trained = start_and_trained()
    stored, relative_error = pack(start, trained, step)
    name = "layers.0.attention.wq.weight"
    assert "tok_embeddings.weight" not in stored and relative_error == pytest.approx(error, abs=0.02)
    assert stored[f"{name}.change"].numel() * 8 < bits * trained[name].numel()
    weights = unpack(start, stored)
    change = trained[name] - start[name]
    assert float((weights[name] - trained[name]).norm() / change.norm()) == pytest.approx(relative_error, abs=1e-4)
    for exact in ("tok_embeddings.weight", "norm.weight", KERNEL):
        assert torch.equal(weights[exact], trained[exact])


def test_a_row_without_changes_stays_as_it_is():
    start, trained = start_and_trained()
    name = "layers.0.attention.wq.weight"
    trained[name][3] = start[name][3]
    assert torch.equal(unpack(start, pack(start, trained, 1.0)[0])[name][3], start[name][3])


def test_files_stay_under_their_limit():
    stored = {str(i): torch.zeros(100) for i in range(10)}
    parts = list(files_of(stored, limit=1500))
    assert len(parts) == 5 and {k for part in parts for k in part} == set(stored)


def test_changes_of_another_model_are_refused():
    start, trained = start_and_trained()
    stored, _ = pack(start, trained, 1.0)
    with pytest.raises(DeltaError, match="which the model that training began with does not have"):
        unpack({"norm.weight": torch.ones(4)}, stored)
    with pytest.raises(DeltaError, match="has 12000 numbers; its weight has 4"):
        unpack({**start, "layers.0.attention.wq.weight": torch.zeros(2, 2)}, stored)
    with pytest.raises(DeltaError, match="is .40, 300.; in the model that training began with it is .2, 2."):
        pack({**start, "layers.0.attention.wq.weight": torch.zeros(2, 2)}, trained, 1.0)
