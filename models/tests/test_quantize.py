"""Matrices in 8 bits: what is written, against numpy and a reader that is not ours, and what is refused."""

import json
import shutil
import struct
from pathlib import Path

import numpy
import pytest
import torch

from export.add_kernels import read_plain
from export.quantize import BLOCK, QUANTIZATION, quantize, read_weights, weight_files, write_shards
from export.safetensors_file import read_safetensors, write_safetensors
from export.to_safetensors import export_bundle, load_bundle

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"
INT8 = FIXTURES / "int8-model"
WQ = "layers.0.attention.wq.weight"


def raw_tensors(folder):
    """Tensors of all files by numpy alone."""
    types = {"I8": "i1", "F16": "<f2", "F32": "<f4"}
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        content = path.read_bytes()
        start = 8 + struct.unpack("<Q", content[:8])[0]
        for name, entry in json.loads(content[8:start]).items():
            if name != "__metadata__":
                begin, end = (start + offset for offset in entry["data_offsets"])
                found[name] = numpy.frombuffer(content[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return found


def test_weights_are_numbers_times_scales():
    raw = raw_tensors(INT8)
    weights = load_bundle(INT8).state_dict()
    assert {name for name in raw if not name.endswith(".scales")} == set(weights)
    n_matrices = 0
    for name, weight in weights.items():
        values = raw[name]
        if values.dtype == numpy.int8:
            values = values.astype(numpy.float32) * numpy.repeat(raw[f"{name}.scales"], BLOCK, 1).astype(numpy.float32)
            n_matrices += 1
        else:
            assert values.dtype == numpy.float32 and f"{name}.scales" not in raw
        assert numpy.array_equal(values, weight.numpy()), name
    assert n_matrices == 1 + 3 * 7


def test_rounding_is_half_a_step_at_most():
    exact = load_bundle(FIXTURES / "tiny-model").state_dict()
    raw = raw_tensors(INT8)
    for name, weight in load_bundle(INT8).state_dict().items():
        if raw[name].dtype != numpy.int8:
            assert torch.equal(weight, exact[name]), name
            continue
        # The scale is rounded to fp16 itself, so the largest number of a block may be off by that.
        steps = torch.from_numpy(numpy.repeat(raw[f"{name}.scales"], BLOCK, 1).astype(numpy.float32))
        assert ((weight - exact[name]).abs() <= steps * (0.5 + 127 * 2.0**-11)).all(), name


def test_the_fixture_is_what_the_program_writes(tmp_path):
    from export.verify import write_int8_model

    write_int8_model(tmp_path)
    for path in sorted(INT8.iterdir()):
        if path.name != "expected.json":  # by rounding of the machine
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_blocks_of_zeros_and_other_matrices():
    matrix = torch.zeros(2, 64)
    matrix[0, :32] = torch.linspace(-1, 1, 32)
    stored = quantize({WQ: matrix, "layers.0.attention.wpsm.weight": torch.eye(32), "layers.0.attention.wk.weight": torch.ones(2, 33)})
    assert stored[f"{WQ}.scales"].tolist()[1] == [0, 0] and not stored[WQ][1].any()
    assert stored[WQ][0, 0] == -127 and stored[WQ][0, 31] == 127
    assert stored["layers.0.attention.wpsm.weight"].dtype == stored["layers.0.attention.wk.weight"].dtype == torch.float32


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e8])
def test_values_that_no_scale_holds_are_refused(value):
    with pytest.raises(ValueError, match="Cannot quantize layers.0.attention.wq.weight"):
        quantize({WQ: torch.full((1, 32), value)})


def edit(folder, name, change):
    """Rewrite the file that has a tensor."""
    for path in weight_files(folder):
        tensors = read_safetensors(path)
        if name in tensors:
            tensors[name] = change(tensors[name])
            write_safetensors(path, {key: value for key, value in tensors.items() if value is not None})


@pytest.mark.parametrize(
    "name, change, message",
    [
        (f"{WQ}.scales", lambda scales: None, f"{WQ}.scales is missing"),
        (f"{WQ}.scales", lambda scales: scales.float(), f"{WQ}.scales is torch.float32"),
        (f"{WQ}.scales", lambda scales: scales.T, f"{WQ}.scales is .*1, 32"),
        (f"{WQ}.scales", lambda scales: scales * float("inf"), f"{WQ}.scales has a value that is not finite"),
        ("norm.weight", lambda weight: weight.to(torch.int8), "norm.weight of shape"),
        (WQ, lambda weight: weight[:, :16], f"{WQ} of shape"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, name, change, message):
    folder = shutil.copytree(INT8, tmp_path / "model")
    edit(folder, name, change)
    with pytest.raises(ValueError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize("quantization", [None, {"bits": 4, "block": 32}, {"bits": 8, "block": 64}, True])
def test_other_quantizations_are_refused(tmp_path, quantization):
    folder = shutil.copytree(INT8, tmp_path / "model")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "quantization": quantization}))
    with pytest.raises(ValueError, match="quantization"):
        load_bundle(folder)


def test_an_index_that_leads_elsewhere_is_refused(tmp_path):
    folder = shutil.copytree(INT8, tmp_path / "model")
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {WQ: "../other.safetensors"}}))
    with pytest.raises(ValueError, match="not a file of the folder"):
        read_weights(folder)


def test_exported_in_8_bits_and_read_again(tmp_path):
    model = load_bundle(FIXTURES / "tiny-model")
    export_bundle(model, tmp_path, "tiny-model", FIXTURES / "tiny-model" / "tokenizer.json", 300, dtype="int8")
    assert json.loads((tmp_path / "config.json").read_text())["quantization"] == QUANTIZATION
    expected = load_bundle(INT8).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in load_bundle(tmp_path).state_dict().items())
    # Exported again as it was, nothing of the shards is left.
    write_shards(tmp_path, quantize(model.state_dict()), 30_000)
    export_bundle(model, tmp_path, "tiny-model", tmp_path / "tokenizer.json", 300, dtype="fp32")
    assert [path.name for path in weight_files(tmp_path)] == ["model.safetensors"]
    assert not list(tmp_path.glob("model-*"))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in load_bundle(tmp_path).state_dict().items())


def test_programs_that_start_from_a_folder_read_it():
    weights = read_plain(INT8)[1]
    assert weights[WQ].dtype == torch.float32 and f"{WQ}.scales" not in weights
