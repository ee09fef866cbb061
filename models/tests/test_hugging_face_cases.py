"""The stored results of Hugging Face's libraries are what the libraries compute, where they are installed."""

import gzip
import json

import numpy as np
import pytest
from conftest import MODELS_DIR

from export import hugging_face_cases, rope_cases, tokenizer_cases

FIXTURES = MODELS_DIR.parent / "test" / "fixtures"


def _skip_without_fla():
    try:
        import fla.models  # noqa: F401
    except ImportError as error:  # also where Triton or transformers is missing, which the library imports
        pytest.skip(f"needs flash-linear-attention: {error}")


@pytest.mark.parametrize("name", sorted(hugging_face_cases.CASES))
def test_stored_models_are_what_the_library_computes(name):
    pytest.importorskip("transformers")
    if hugging_face_cases.CASES[name][0] == hugging_face_cases.FORGETTING:
        _skip_without_fla()
    stored = json.loads((FIXTURES / "hugging-face" / f"{name}.json").read_text())
    computed = hugging_face_cases.compute_case(name)
    assert stored["tokens"] == computed["tokens"] and stored["shapes"] == computed["shapes"]
    for got, expected in zip([stored["logits"], *stored["attentions"]], [computed["logits"], *computed["attentions"]]):
        np.testing.assert_allclose(hugging_face_cases.decoded(got), hugging_face_cases.decoded(expected), atol=2e-5)


def test_stored_keys_and_defaults_are_those_of_the_library():
    pytest.importorskip("transformers")
    stored = json.loads((FIXTURES / "huggingFaceKeys.json").read_text())
    own = {family: keys for family, keys in stored.items() if family != hugging_face_cases.FORGETTING}
    assert hugging_face_cases.library_keys(own) == own


def test_stored_keys_of_the_forgetting_transformer_are_those_of_its_library():
    _skip_without_fla()
    stored = json.loads((FIXTURES / "huggingFaceKeys.json").read_text())
    assert hugging_face_cases.library_keys([hugging_face_cases.FORGETTING])[hugging_face_cases.FORGETTING] == stored[hugging_face_cases.FORGETTING]


def test_stored_rotary_positions_are_what_the_library_computes():
    pytest.importorskip("transformers")
    stored = json.loads((FIXTURES / "ropes.json").read_text())
    assert stored["sizes"] == rope_cases.SIZES and [case["config"] for case in stored["cases"]] == list(rope_cases.configs())
    for case in stored["cases"][::15]:
        assert {"config": case["config"], **rope_cases.compute(case["config"])} == case


def test_stored_tokens_are_what_the_library_makes():
    Tokenizer = pytest.importorskip("tokenizers").Tokenizer
    folder = FIXTURES / "tokenizers"
    texts = json.loads(gzip.decompress((folder / "texts.json.gz").read_bytes()))
    assert texts == tokenizer_cases.sample_texts() and len(texts) == 1000
    for name in tokenizer_cases.kinds():
        stored = json.loads(gzip.decompress((folder / f"{name}.json.gz").read_bytes()))
        tokenizer = Tokenizer.from_str(json.dumps(stored["tokenizer"]))
        for text, ids, ends in zip(texts, stored["ids"], stored["ends"]):
            encoding = tokenizer.encode(text, add_special_tokens=False)
            assert encoding.ids == ids and tokenizer_cases.utf16_ends(text, encoding.offsets) == ends
