"""The stored attributions are what their makers compute, where those are installed."""

import json

import numpy as np
import pytest
from conftest import MODELS_DIR
from independent_model import Model

import attribution_cases

FIXTURES = MODELS_DIR.parent / "test" / "fixtures"


def parts(question):
    names = ("logit", "embedding", "heads", "mlps")
    return np.concatenate([np.ravel(question[name]) for name in names])


def test_stored_attribution_of_the_tiny_model_is_that_of_the_independent_one():
    stored = json.loads((FIXTURES / "attribution" / "mta.json").read_text())
    model = Model(FIXTURES / "tiny-model")
    for expected, question in zip(stored["questions"], attribution_cases.QUESTIONS):
        computed = attribution_cases.mta_attribution(model, stored["ids"], *question)
        total = computed["embedding"] + np.sum(computed["heads"]) + np.sum(computed["mlps"])
        np.testing.assert_allclose(total, computed["logit"], atol=1e-9)
        np.testing.assert_allclose(np.ravel(expected["cells"]), np.ravel(computed["cells"]), atol=1e-6)
        np.testing.assert_allclose(parts(expected), parts(computed), atol=1e-6)


@pytest.mark.parametrize("name", attribution_cases.LENS_CASES)
def test_stored_attributions_are_those_of_transformer_lens(name):
    pytest.importorskip("transformer_lens")
    stored = json.loads((FIXTURES / "attribution" / f"lens-{name}.json").read_text())
    computed = attribution_cases.lens_attribution(name)
    for got, expected in zip(computed["questions"], stored["questions"]):
        np.testing.assert_allclose(parts(got), parts(expected), atol=2e-5)
