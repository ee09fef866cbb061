"""From other layouts to ours: the converted model computes what its library computed, and bad checkpoints are refused."""

import json
import pickle
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from conftest import MODELS_DIR

from export.add_kernels import read_plain, with_identity_kernels
from export.from_huggingface import FAMILIES, begin_token_of, hugging_face_config, read_hugging_face
from export.from_lingua import read_lingua
from export.generated_weights import generated_state_dict
from export.hugging_face_cases import DTYPES, decoded
from export.model_folder import ConversionError, expected_shapes, write_model_folder
from export.pickled_file import PickledFileError, read_pickled
from export.safetensors_file import read_safetensors, write_safetensors
from export.to_safetensors import load_bundle
from mta.config import ConfigError, ModelConfig, MTAConfig, bundle_config
from mta.transformer import Transformer

CASES = MODELS_DIR.parent / "test" / "fixtures" / "hugging-face"
TOKENIZER = MODELS_DIR.parent / "test" / "fixtures" / "tiny-model" / "tokenizer.json"
MTA = MTAConfig(use_mta=True, query_kernel_size=3, key_kernel_size=5, mta_layers=(1,), after_sm_query_kernel_size=2,
                after_sm_key_kernel_size=3, head_kernel_size=2, pre_sm_linear_head=True)  # fmt: skip


def write_hugging_face(folder, name, pickled=False):
    """A case as its library would save it; returns the case."""
    case = json.loads((CASES / f"{name}.json").read_text())
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(case["config"]))
    shutil.copyfile(TOKENIZER, folder / "tokenizer.json")
    shapes = {key: tuple(shape) for key, shape in case["shapes"].items()}
    weights = {key: value.to(DTYPES[case["dtype"]]) for key, value in generated_state_dict(shapes, case["seed"]).items()}
    if pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        write_safetensors(folder / "model.safetensors", weights)
    return case


def model_of(config, weights):
    model = Transformer(config)
    model.load_state_dict({key: value.float() for key, value in weights.items()})
    return model.eval()


REFUSED = ("llama-longrope", "llama-other-activations", "mistral-layer-types")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_a_hugging_face_model_computes_the_same_here_or_is_refused(name, tmp_path):
    case = write_hugging_face(tmp_path / "model", name)
    if case["config"]["model_type"] not in FAMILIES or name in REFUSED:
        with pytest.raises((ConversionError, ConfigError), match="model_type|rope_type|layer_types|silu"):
            read_hugging_face(tmp_path / "model")
        return
    model = model_of(*read_hugging_face(tmp_path / "model"))
    taps = []
    with torch.no_grad():
        logits = model(torch.tensor([case["tokens"]]), taps)[0]
    for got, expected in zip([logits, *(layer["mixed_pattern"][0] for layer in taps)], [case["logits"], *case["attentions"]]):
        expected = decoded(expected)
        assert np.abs(got.numpy().ravel() - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())


def test_pickled_hugging_face_weights_are_converted(tmp_path):
    case = write_hugging_face(tmp_path / "model", "llama-3", pickled=True)
    config, weights = read_hugging_face(tmp_path / "model")
    write_model_folder(tmp_path / "out", config, weights, tmp_path / "model" / "tokenizer.json", "out", None)
    with torch.no_grad():
        logits = load_bundle(tmp_path / "out")(torch.tensor([case["tokens"]]))[0]
    assert np.abs(logits.numpy().ravel() - decoded(case["logits"])).max() < 1e-3
    assert {value.dtype for value in read_safetensors(tmp_path / "out" / "model.safetensors").values()} == {torch.bfloat16}


@pytest.mark.parametrize("name", ["qwen2", "qwen3-bias", "olmo2", "mistral-window"])
def test_added_kernels_change_nothing_yet(name, tmp_path):
    case = write_hugging_face(tmp_path / "plain", name)
    config, weights, begin, end = read_plain(tmp_path / "plain")
    config, weights = with_identity_kernels(config, weights, MTA)
    write_model_folder(tmp_path / "out", config, weights, TOKENIZER, "out", begin, end)
    model = load_bundle(tmp_path / "out")
    with torch.no_grad():
        logits = model(torch.tensor([case["tokens"]]))[0].numpy().ravel()
    expected = decoded(case["logits"])
    assert np.abs(logits - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())
    with pytest.raises(ConversionError, match="already"):
        with_identity_kernels(config, weights, MTA)


def lingua_checkpoint(folder, weights=None):
    """Files as lingua leaves them: sizes under `model`, a tied output under its alias, buffers beside the weights."""
    config = ModelConfig(dim=16, n_layers=2, n_heads=4, vocab_size=32, max_seqlen=24, hidden_dim=48, rope_theta=100000.0,
                         weight_tying=True, mta=MTA)  # fmt: skip
    weights = weights or generated_state_dict(expected_shapes(config), 7)
    saved = {**weights, "output.tied_module.weight": weights["tok_embeddings.weight"], "rope_embeddings.freqs_cis": torch.zeros(3)}
    folder.mkdir(exist_ok=True)
    torch.save({"model": saved}, folder / "consolidated.pth")
    mta = {"use_mta": True, "query_kernel_size": 3, "key_kernel_size": 5, "mta_layers": "1", "after_sm_query_kernel_size": 2,
           "after_sm_key_kernel_size": 3, "head_kernel_size": 2, "pre_sm_linear_head": True, "init_method": "identity", "some_new_switch": 1}
    model = {"dim": 16, "n_layers": 2, "n_heads": 4, "head_dim": None, "n_kv_heads": None, "multiple_of": 16, "rope_theta": 100000.0,
             "norm_eps": 1e-5, "vocab_size": -1, "max_seqlen": 24, "weight_tying": True, "seed": 42, "mta": mta}  # fmt: skip
    (folder / "params.json").write_text(json.dumps({"name": "run", "steps": 10, "model": model}))
    return config, weights


def test_a_lingua_checkpoint_is_converted(tmp_path):
    config, weights = lingua_checkpoint(tmp_path / "run")
    command = [sys.executable, "-m", "export.from_lingua", str(tmp_path / "run"), "--tokenizer", str(TOKENIZER),
               "--out", str(tmp_path / "out"), "--bos-token-id", "1"]  # fmt: skip
    subprocess.run(command, check=True, cwd=MODELS_DIR)
    model = load_bundle(tmp_path / "out")
    assert model.config == config
    for key, value in weights.items():
        assert torch.equal(model.state_dict()[key], value), key
    content = json.loads((tmp_path / "out" / "config.json").read_text())
    assert content["bos_token_id"] == 1 and content["name"] == "run"


def test_a_lingua_checkpoint_with_wrong_shapes_is_refused(tmp_path):
    config, weights = lingua_checkpoint(tmp_path / "run")
    weights["layers.1.attention.mta_kernel"] = torch.zeros(4, 1, 3, 7)
    lingua_checkpoint(tmp_path / "run", weights)
    config, weights = read_lingua(tmp_path / "run")
    with pytest.raises(ConversionError, match=r"layers\.1\.attention\.mta_kernel is 4×1×3×7; the configuration asks for 4×1×3×5"):
        write_model_folder(tmp_path / "out", config, weights, TOKENIZER, "out", None)


class _Hostile:
    def __reduce__(self):
        import os

        return os.system, ("touch hostile-was-here",)


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"tok_embeddings.weight": _Hostile()}}, "zipped.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"model": _Hostile()}))
    for name in ("zipped.pth", "plain.pth"):
        with pytest.raises(PickledFileError, match="without running code"):
            read_pickled(tmp_path / name)
    assert not (tmp_path / "hostile-was-here").exists()


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 50_000_000)
    with pytest.raises(PickledFileError, match="would unpack from"):
        read_pickled(tmp_path / "bomb.pth")


@pytest.mark.parametrize("change,message", [
    ({"model_type": "gpt_neox"}, "one of llama, mistral"), ({"quantization_config": {"bits": 4}}, "without quantization"),
])  # fmt: skip
def test_other_families_are_refused(change, message):
    content = json.loads((CASES / "llama.json").read_text())["config"]
    with pytest.raises(ConversionError, match=message):
        hugging_face_config({**content, **change})


def test_the_begin_token_is_the_template_s():
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                "special_tokens": {"<s>": {"ids": [7]}}}  # fmt: skip
    assert begin_token_of({"post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"}, template]}}) == 7
    assert begin_token_of({"post_processor": None}) is None


def test_bundle_config_holds_every_size():
    config = ModelConfig(dim=16, n_layers=2, n_heads=4, vocab_size=32, max_seqlen=24, hidden_dim=48, rope_style="half", qk_norm="head")
    assert bundle_config(config, name="m")["qk_norm"] == "head"
