"""The toy task: samples as the authors make them, one by one and in batches on the device."""

import json

import pytest
import torch
from conftest import golden_dir, golden_names

from mta.tokenizer import TOY_BEGIN, TOY_END, decode_toy, encode_toy
from mta.transformer import Transformer
from training.toy import IGNORED, ToyConfig, ToyRandom, ToySource, answer_of, generate_cases, generate_sample, toy_errors, toy_tokenizer_json
from training.train import Trainer, load_config


SAMPLE_OF_SEED_7 = ("gotih.acztp.tnglk.nizbx", "eujsw#za", "acztp", 1)


def check_sample(sample, config):
    blocks, query = sample["src"].split("#")
    blocks = blocks.split(".")
    assert len(sample["src"]) + config.block_length == 319 and len(blocks) == sample["blocks"] == config.n_blocks
    assert len(blocks[-1]) == sample["lastBlockLength"] == config.last_block_length
    holding = [i for i, block in enumerate(blocks) if set(query) <= set(block)]
    if sample["targetIndex"] < 0:
        assert holding == []
    else:
        assert holding == [sample["targetIndex"]]
        assert sample["tgt"] == answer_of(blocks[holding[0]], config.answer)
    assert sample["tokens"] == encode_toy(sample["src"], sample["tgt"])


@pytest.mark.parametrize("name", golden_names("toy-data"))
def test_golden_samples_are_of_our_kind(name):
    content = json.loads((golden_dir() / f"{name}.json").read_text())
    for sample in content["samples"]:
        check_sample(sample, ToyConfig(content["blockLength"], content["queryLength"]))
        assert len(sample["tokens"]) == 321


@pytest.mark.parametrize("config", [ToyConfig(5), ToyConfig(8), ToyConfig(5, 2, "first"), ToyConfig(8, 2, "last")])
def test_both_generators(config):
    rng = ToyRandom(1)
    for _ in range(100):
        check_sample(generate_sample(rng, config), config)
    tokens, targets = ToySource(config, 3, torch.device("cpu")).batch(200)
    places = set()
    for row, expected in zip(tokens.tolist(), targets.tolist()):
        answer = [t for t in expected if t != IGNORED]
        assert row[0] == TOY_BEGIN and answer[-1] == TOY_END and len(answer) == config.n_answer_tokens
        source = decode_toy(row[: 1 + config.blocks_width + 1 + config.query_length])
        blocks, query = source.split("#")
        holding = [i for i, block in enumerate(blocks.split(".")) if set(query) <= set(block)]
        assert len(holding) == 1 and decode_toy(answer) == answer_of(blocks.split(".")[holding[0]], config.answer)
        assert all(len(set(block)) == len(block) for block in blocks.split("."))
        places.add(holding[0])
    assert len(places) > config.n_blocks // 2


def test_samples_are_those_of_the_command_line():
    """test/unit/cli/toy.test.ts holds `mta-inspect toy` to the same sample."""
    first = generate_cases(ToyConfig(5), 1, seed=7)["samples"][0]
    assert (first["src"][:23], first["src"][-8:], first["tgt"], first["targetIndex"]) == SAMPLE_OF_SEED_7


def test_cut_samples_are_counted_and_left_out():
    cases = generate_cases(ToyConfig(8), 200, seed=5)
    assert len(cases["samples"]) == 200 and cases["leftOutBecauseCut"] > 0
    assert all(sample["targetIndex"] >= 0 for sample in cases["samples"])


def test_errors_of_an_untrained_model_are_total():
    config = load_config_by_name("toy-mta-n5")
    model = Transformer(config.model)
    model.init_weights(1)
    errors = toy_errors(model, generate_cases(config.toy, 4, 0)["samples"])
    assert errors["sampleErrorPercent"] == 100.0 and errors["tokenErrorPercent"] > 50.0


def test_the_toy_models_have_the_papers_size():
    sizes = [Transformer(load_config_by_name(name).model).n_parameters() for name in ("toy-transformer-n5", "toy-mta-n5")]
    assert sizes == [3_418_368 - 144, 3_418_368] or sizes == [3_418_368, 3_418_368 + 144]


def test_a_toy_run_trains_and_resumes(tmp_path):
    from dataclasses import replace

    config = load_config_by_name("toy-mta-n5")
    small = replace(config, model=replace(config.model, dim=16, head_dim=8, n_layers=1, hidden_dim=16), compile=False,
                    phases=(replace(config.phases[0], batch_size=2),), log_every=1)
    Trainer(small, [], tmp_path, "cpu", resume=False).run(stop_after_steps=2)
    resumed = Trainer(small, [], tmp_path, "cpu", resume=True)
    assert resumed.source.n_samples == 4
    resumed.run(stop_after_steps=1)


def test_the_tokenizer_spells_every_letter():
    vocab = toy_tokenizer_json()["model"]["vocab"]
    assert sorted(vocab.values()) == list(range(32))
    assert [vocab[c] for c in "az.#"] == [0, 25, 26, 27] and vocab["<|begin|>"] == TOY_BEGIN and vocab["<|end|>"] == TOY_END


def load_config_by_name(name):
    from conftest import MODELS_DIR

    return load_config(MODELS_DIR / "training" / "configs" / f"{name}.yaml")
