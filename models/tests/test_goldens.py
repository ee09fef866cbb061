"""The PyTorch definition against the authors' code, through the golden vectors (mta-spec §10)."""

import pytest
import torch
from conftest import GoldenCase, golden_names, worst_difference

from export.generated_weights import generated_state_dict
from mta.attention import Attention, causal_mask
from mta.config import ModelConfig, MTAConfig, config_from_mapping, ffn_hidden_dim
from mta.rope import rope_table
from mta.transformer import Transformer

ATTENTION_TOLERANCE, MODEL_TOLERANCE = 5e-6, 1e-5

# Golden name -> our tap. Maps in masked cells hold leftovers in the goldens, so those compare allowed cells only.
STAGES = {"q": "q", "k": "k", "v": "v", "attn_v": "attn_v", "norm_out": "norm_out", "gate_logit": "gate_logit",
          "wo_in": "wo_in", "logits": "scores", "conv_pre_out": "pre_softmax_conv", "head_pre_out": "mixed_scores",
          "softmax_out": "pattern", "conv_post_out": "post_softmax_conv", "attn": "mixed_pattern", "hidden": "hidden"}
ONLY_ALLOWED = {"logits", "conv_pre_out", "head_pre_out", "conv_post_out"}


def attention_from_case(case: GoldenCase, dtype=torch.float32):
    sizes = case.config
    config = ModelConfig(dim=sizes["dim"], n_layers=sizes["layerId"] + 1, n_heads=sizes["nHeads"],
                         n_kv_heads=sizes["nKvHeads"], head_dim=sizes["headDim"], vocab_size=8, hidden_dim=8,
                         max_seqlen=sizes["seqLen"], rope_theta=sizes["ropeTheta"],
                         mta=golden_mta(sizes["mta"], sizes["layerId"] + 1))
    layer = Attention(config, sizes["layerId"])
    layer.load_state_dict(case.with_role("weight"), strict=True)
    return layer.to(dtype), rope_table(sizes["seqLen"], sizes["headDim"], sizes["ropeTheta"])


def golden_mta(mapping, n_layers):
    """A single layer's case may list layers beyond it; those do not concern the layer."""
    mta = config_from_mapping(MTAConfig, mapping)
    layers = mta.mta_layers and tuple(i for i in mta.mta_layers if i < n_layers)
    return config_from_mapping(MTAConfig, {**mapping, "mta_layers": None if layers is None else list(layers)})


def check_stages(case, taps, prefix, allowed, tolerance):
    compared = 0
    for name, expected in case.with_role("intermediate").items():
        if not name.startswith(prefix) or name[len(prefix):] not in STAGES:
            continue
        stage = name[len(prefix):]
        got, cells = taps[STAGES[stage]].detach(), allowed if stage in ONLY_ALLOWED else None
        if got.shape != expected.shape:  # "last n query rows"
            n_rows = expected.shape[-2]
            got, cells = got[..., -n_rows:, :], None if cells is None else cells[-n_rows:]
        assert worst_difference(got, expected, cells) <= tolerance, name
        compared += 1
    return compared


def test_goldens_are_there():
    assert golden_names("attention"), "no golden vectors: set MTA_GOLDEN_DIR or restore test/fixtures/golden"


@pytest.mark.parametrize("name", golden_names("attention"))
def test_attention_case(name):
    case = GoldenCase(name)
    layer, rope = attention_from_case(case)
    lengths = case.config["docLengths"]
    allowed, taps = causal_mask(case.config["seqLen"], doc_lengths=lengths), {}
    y = layer(case.tensor("x"), rope, allowed, taps)
    check_stages(case, taps, "", allowed, ATTENTION_TOLERANCE)
    assert worst_difference(y.detach(), case.tensor("y")) <= ATTENTION_TOLERANCE


@pytest.mark.parametrize("name", golden_names("model"))
def test_model_case(name):
    case = GoldenCase(name)
    sizes = dict(case.config["model"])
    hidden_dim = ffn_hidden_dim(sizes["dim"], sizes.pop("multiple_of", 256), sizes.pop("ffn_dim_multiplier", None))
    mapping = {**sizes, "hidden_dim": hidden_dim, "mta": case.config["mta"]}
    model = Transformer(config_from_mapping(ModelConfig, mapping))
    shapes = {k: tuple(v) for k, v in case.content["stateDictShapes"].items() if not k.startswith("output.tied")}
    if case.config["weights"] == "stored":
        weights = case.with_role("weight")
    else:
        weights = generated_state_dict(shapes, case.config["seed"])
        for key, first in case.content["weightCheck"].items():
            if key in weights:
                assert weights[key].flatten()[: len(first)].tolist() == pytest.approx(first, abs=1e-7), key
    weights = {k: v for k, v in weights.items() if k in shapes}
    if sizes.get("weight_tying"):
        weights.pop("output.weight", None)
    model.load_state_dict(weights, strict=True)
    taps = []
    tokens = case.tensor("tokens").long()
    logits = model(tokens, taps).detach()
    allowed = causal_mask(tokens.shape[1])
    compared = sum(check_stages(case, taps[i], f"layers.{i}.", allowed, MODEL_TOLERANCE) for i in range(len(taps)))
    assert compared
    assert worst_difference(logits, case.tensor("logits")) <= MODEL_TOLERANCE
