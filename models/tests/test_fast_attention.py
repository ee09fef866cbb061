"""The fused forms equal the plain ones, forward and backward."""

import pytest
import torch

from mta.attention import causal_mask, key_padding, key_query_conv, mix_heads
from mta.config import ModelConfig, MTAConfig
from mta.fast_attention import FORMS, key_query_conv_shifted, use_fast_attention
from mta.transformer import Transformer


def gradients(function, *tensors):
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    out = function(*leaves)
    generator = torch.Generator().manual_seed(7)
    weights = torch.randn(out.shape, generator=generator).bfloat16().to(out.device, out.dtype)
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


needs_triton = pytest.mark.skipif(not torch.cuda.is_available(), reason="Triton kernels need an NVIDIA GPU; none is here")


@needs_triton
@pytest.mark.parametrize("sizes,pad_key", [((6, 11), "both"), ((2, 9), "both"), ((1, 1), "both"), ((3, 4), "left"), ((3, 4), "right")])
@pytest.mark.parametrize("n_tokens", [1, 3, 37, 130, 300])
def test_triton_convolution(sizes, pad_key, n_tokens):
    from mta.triton_attention import convolve

    torch.manual_seed(0)
    allowed = causal_mask(n_tokens, "cuda")
    scores = torch.randn(2, 3, n_tokens, n_tokens, device="cuda").bfloat16()
    kernel = torch.randn(3, 1, *sizes, device="cuda").bfloat16().float()

    def plain(s, k):
        return key_query_conv(s.masked_fill(~allowed, 0), k, pad_key).masked_fill(~allowed, 0)

    assert_close_in_size(gradients(plain, scores.float(), kernel),
                         gradients(lambda s, k: convolve(s, k, key_padding(sizes[1], pad_key)[0]).masked_fill(~allowed, 0), scores, kernel))


@needs_triton
@pytest.mark.parametrize("n_tokens", [1, 3, 37, 130, 300])
@pytest.mark.parametrize("n_heads", [1, 6, 16])
def test_triton_mixed_softmax(n_tokens, n_heads):
    from mta.triton_attention import mixed_softmax

    torch.manual_seed(0)
    allowed = causal_mask(n_tokens, "cuda")
    scores = torch.randn(2, n_heads, n_tokens, n_tokens, device="cuda").bfloat16()
    before, after = (torch.eye(n_heads, device="cuda") + 0.3 * torch.randn(n_heads, n_heads, device="cuda") for _ in range(2))
    before, after = before.bfloat16().float(), after.bfloat16().float()

    def plain(s, b, a):
        return mix_heads(torch.softmax(mix_heads(s, b).masked_fill(~allowed, float("-inf")), -1), a)

    assert_close_in_size(gradients(plain, scores.float(), before, after),
                         gradients(lambda s, b, a: mixed_softmax(s, b, a)[0], scores, before, after))


def assert_close_in_size(plain, fast):
    """Within bfloat16's rounding, measured over the whole tensor."""
    for expected, got in zip(plain, fast):
        assert (got.float() - expected.float()).norm() <= 0.02 * expected.float().norm() + 0.02


@needs_triton
@pytest.mark.parametrize("n_tokens", [1, 37, 300])
def test_triton_mix(n_tokens):
    from mta.triton_attention import mix

    torch.manual_seed(0)
    maps = torch.randn(2, 6, n_tokens, n_tokens, device="cuda").bfloat16()
    weight = torch.randn(6, 6, device="cuda").bfloat16().float()
    assert_close_in_size(gradients(mix_heads, maps.float(), weight), gradients(mix, maps, weight))


@pytest.mark.parametrize("form", FORMS)
def test_whole_model(form):
    if form == "triton" and not torch.cuda.is_available():
        pytest.skip("Triton kernels need an NVIDIA GPU; none is here")
    device, dtype = ("cuda", torch.float32) if form == "triton" else ("cpu", torch.float64)
    mta = MTAConfig(use_mta=True, query_kernel_size=3, key_kernel_size=5, mta_layers=(1,), after_sm_query_kernel_size=3,
                    after_sm_key_kernel_size=5, head_kernel_size=2, group_norm=True, pre_sm_linear_head=True, add_gating=True)
    config = ModelConfig(dim=32, n_layers=2, n_heads=2, vocab_size=20, max_seqlen=12, hidden_dim=24, weight_tying=True, mta=mta)
    tokens = torch.randint(0, 20, (2, 12), generator=torch.Generator().manual_seed(1)).to(device)
    results = []
    for fast in (False, True):
        model = Transformer(config).to(device, dtype)
        model.init_weights(3)
        if fast:
            use_fast_attention(model, form)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=form == "triton"):
            out = model(tokens)
        out.float().square().sum().backward() if form == "triton" else out.square().sum().backward()
        results.append({name: p.grad for name, p in model.named_parameters()})
    for name, expected in results[0].items():
        if form == "triton":
            assert (results[1][name] - expected).norm() <= 0.05 * expected.norm(), name
        else:
            torch.testing.assert_close(results[1][name], expected, rtol=1e-8, atol=1e-10)
