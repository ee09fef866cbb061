"""GGUF to our layout. The file itself is read by the `gguf` package; without it the one test that writes a file is skipped."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import MODELS_DIR

from export.from_gguf import begin_token_of, gguf_config, gguf_tokenizer, our_key
from export.model_folder import ConversionError
from export.to_safetensors import load_bundle
from mta.transformer import Transformer

METADATA = {
    "general.architecture": "llama", "llama.embedding_length": 64, "llama.block_count": 2, "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2, "llama.feed_forward_length": 96, "llama.vocab_size": 8, "llama.context_length": 32,
    "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06, "llama.rope.freq_base": 100000.0, "llama.rope.dimension_count": 16,
    "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": ["<|end|>", "a", "b", "1", "2", "Ġ", "ab", "Ġa"],
    "tokenizer.ggml.token_type": [3, 1, 1, 1, 1, 1, 1, 1], "tokenizer.ggml.merges": ["a b", "Ġ a"],
    "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 0, "tokenizer.ggml.add_bos_token": False,
}  # fmt: skip
NAMES = {"wq": "attn_q", "wk": "attn_k", "wv": "attn_v", "wo": "attn_output", "w1": "ffn_gate", "w3": "ffn_up", "w2": "ffn_down",
         "attention_norm": "attn_norm", "ffn_norm": "ffn_norm"}  # fmt: skip


def gguf_name(key):
    """llama.cpp's name of one of our weights."""
    ends = {"tok_embeddings.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}
    parts = key.split(".")
    return ends.get(key) or f"blk.{parts[1]}.{NAMES[parts[-2]]}.weight"


def test_sizes_and_names():
    config = gguf_config(METADATA, is_tied=True)
    assert (config.dim, config.n_layers, config.n_heads, config.n_kv_heads, config.head_dim) == (64, 2, 4, 2, 16)
    assert config.norm_eps == 1e-5 and config.rope_theta == 100000.0 and config.rope_style == "interleaved" and config.weight_tying
    assert gguf_config({k: v for k, v in METADATA.items() if k != "llama.vocab_size"}, True).vocab_size == 8
    for key in Transformer(config).state_dict():
        assert our_key(gguf_name(key)) == key


@pytest.mark.parametrize("change,message", [
    ({"general.architecture": "gemma3"}, 'general.architecture is "gemma3"'),
    ({"llama.rope.scaling.type": "yarn"}, 'llama.rope.scaling.type is "yarn"'),
    ({"llama.rope.dimension_count": 8}, "llama.rope.dimension_count is 8"),
])  # fmt: skip
def test_other_models_are_refused(change, message):
    with pytest.raises(ConversionError, match=message):
        gguf_config({**METADATA, **change}, True)


def test_tensors_of_other_models_are_refused():
    for name in ("blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight", "rope_freqs.weight"):
        with pytest.raises(ConversionError, match=name):
            our_key(name)


def test_tokenizer():
    with pytest.raises(ConversionError, match='"llama" with "default"'):
        gguf_tokenizer({**METADATA, "tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"})
    content = gguf_tokenizer(METADATA)
    assert [token["content"] for token in content["added_tokens"]] == ["<|end|>"] and content["added_tokens"][0]["special"]
    assert begin_token_of(METADATA) is None and begin_token_of({**METADATA, "tokenizer.ggml.add_bos_token": True}) == 0
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
    assert tokenizer.encode("ab a12<|end|>").tokens == ["ab", "Ġa", "1", "2", "<|end|>"]


def test_a_quantized_file_becomes_the_model_it_holds(tmp_path):
    """Q4_1, Q8_0 and F32 as in SmolLM2's file; a weight too few and one of another shape are refused with their names."""
    gguf = pytest.importorskip("gguf")
    torch.manual_seed(0)
    config = gguf_config(METADATA, True)
    kinds, held = {}, {}
    for key, value in Transformer(config).state_dict().items():
        kind = gguf.GGMLQuantizationType.F32 if value.ndim == 1 else gguf.GGMLQuantizationType.Q8_0 if key.startswith("tok") else gguf.GGMLQuantizationType.Q4_1
        value = torch.randn(value.shape) * 0.1
        data = gguf.quantize(value.numpy(), kind)
        kinds[key], held[key] = (data, kind), torch.from_numpy(np.array(gguf.dequantize(data, kind)))

    def convert(tensors, out):
        writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
        for name, value in METADATA.items():
            if name != "general.architecture":
                add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, list: writer.add_array}
                add[type(value)](name, value)
        for key, (data, kind) in tensors.items():
            writer.add_tensor(gguf_name(key), data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        command = [sys.executable, "-m", "export.from_gguf", str(tmp_path / "model.gguf"), "--out", str(out)]
        return subprocess.run(command, cwd=MODELS_DIR, capture_output=True, text=True)

    done = convert(kinds, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    model = load_bundle(tmp_path / "out")
    assert model.config == config and "UserWarning" not in done.stderr
    for key, value in held.items():
        assert torch.equal(model.state_dict()[key], value), key
    failed = convert({k: v for k, v in kinds.items() if "layers.1.attention.wv" not in k}, tmp_path / "out")
    assert failed.returncode != 0 and "layers.1.attention.wv.weight is missing" in failed.stderr
