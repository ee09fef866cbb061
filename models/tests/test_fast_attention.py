"""The fused forms equal the plain ones, forward and backward."""

import pytest
import torch

from mta.attention import key_query_conv, mix_heads
from mta.config import ModelConfig, MTAConfig
from mta.fast_attention import MIXINGS, key_query_conv_shifted, use_fast_attention
from mta.transformer import Transformer


def gradients(function, *tensors):
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    out = function(*leaves)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    (out * weights).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def assert_same(plain, fast):
    for expected, got in zip(plain, fast):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sizes,pad_key", [((6, 11), "both"), ((2, 9), "both"), ((1, 1), "both"), ((3, 4), "left"), ((3, 4), "right")])
@pytest.mark.parametrize("n_tokens", [1, 3, 17])
def test_shifted_convolution(sizes, pad_key, n_tokens):
    torch.manual_seed(0)
    scores = torch.randn(2, 3, n_tokens, n_tokens, dtype=torch.float64).tril()
    kernel = torch.randn(3, 1, *sizes, dtype=torch.float64)
    assert_same(gradients(lambda s, k: key_query_conv(s, k, pad_key), scores, kernel),
                gradients(lambda s, k: key_query_conv_shifted(s, k, pad_key), scores, kernel))


@pytest.mark.parametrize("mixing", sorted(MIXINGS))
def test_head_mixing(mixing):
    torch.manual_seed(0)
    maps, weight = torch.randn(2, 4, 7, 7, dtype=torch.float64), torch.randn(4, 4, dtype=torch.float64)
    assert_same(gradients(mix_heads, maps, weight), gradients(MIXINGS[mixing], maps, weight))


@pytest.mark.parametrize("mixing", sorted(MIXINGS))
def test_whole_model(mixing):
    mta = MTAConfig(use_mta=True, query_kernel_size=3, key_kernel_size=5, mta_layers=(1,), after_sm_query_kernel_size=3,
                    after_sm_key_kernel_size=5, head_kernel_size=2, group_norm=True, pre_sm_linear_head=True, add_gating=True)
    config = ModelConfig(dim=16, n_layers=2, n_heads=2, vocab_size=20, max_seqlen=12, hidden_dim=24, weight_tying=True, mta=mta)
    tokens = torch.randint(0, 20, (2, 12), generator=torch.Generator().manual_seed(1))
    results = []
    for fast in (False, True):
        model = Transformer(config).double()
        model.init_weights(3)
        if fast:
            use_fast_attention(model, mixing)
        model(tokens).square().sum().backward()
        results.append({name: p.grad for name, p in model.named_parameters()})
    for name, expected in results[0].items():
        torch.testing.assert_close(results[1][name], expected, rtol=1e-8, atol=1e-10)
