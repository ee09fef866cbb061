"""The fused forms equal the plain ones, forward and backward."""

import pytest
import torch

from mta.attention import causal_mask, key_padding, key_query_conv, mix_heads
from mta.config import ModelConfig, MTAConfig
from mta.fast_attention import FORMS, fits_triton, key_query_conv_shifted, use_fast_attention
from mta.transformer import Transformer

KERNELS = [((6, 11), "both"), ((2, 9), "both"), ((1, 1), "both"), ((3, 4), "left"), ((3, 4), "right")]


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


@pytest.mark.parametrize("sizes,pad_key", KERNELS)
@pytest.mark.parametrize("n_tokens", [1, 3, 17])
def test_shifted_convolution(sizes, pad_key, n_tokens):
    torch.manual_seed(0)
    scores = torch.randn(2, 3, n_tokens, n_tokens, dtype=torch.float64).tril()
    kernel = torch.randn(3, 1, *sizes, dtype=torch.float64)
    assert_same(gradients(lambda s, k: key_query_conv(s, k, pad_key), scores, kernel),
                gradients(lambda s, k: key_query_conv_shifted(s, k, pad_key), scores, kernel))


needs_triton = pytest.mark.skipif(not torch.cuda.is_available(), reason="Triton kernels need an NVIDIA GPU; none is here")


def on_gpu(*shape, near_identity=False):
    """Random values that bfloat16 holds exactly."""
    values = torch.randn(*shape, device="cuda")
    return (torch.eye(shape[-1], device="cuda") + 0.3 * values if near_identity else values).bfloat16()


def below(function, n_tokens):
    """`function` of maps with NaN above the diagonal, where nothing may look, and 0 there in what it returns."""
    allowed = causal_mask(n_tokens, "cuda")

    class Poisoned(torch.autograd.Function):
        @staticmethod
        def forward(ctx, maps):
            return maps.masked_fill(~allowed, float("nan"))

        @staticmethod
        def backward(ctx, grad):
            return grad.masked_fill(~allowed, 0)

    class Cleared(torch.autograd.Function):
        @staticmethod
        def forward(ctx, maps):
            return maps.masked_fill(~allowed, 0)

        @staticmethod
        def backward(ctx, grad):
            return grad.masked_fill(~allowed, float("nan"))

    def wrapped(maps, *rest):
        out = function(Poisoned.apply(maps), *rest)
        return Cleared.apply(out) if out.shape == maps.shape else out

    return wrapped


@needs_triton
@pytest.mark.parametrize("sizes,pad_key", KERNELS)
@pytest.mark.parametrize("n_tokens", [1, 37, 300])
def test_triton_convolution(sizes, pad_key, n_tokens):
    from mta.triton_attention import convolve

    torch.manual_seed(0)
    allowed = causal_mask(n_tokens, "cuda")
    maps, kernel = on_gpu(2, 3, n_tokens, n_tokens), on_gpu(3, 1, *sizes).float()

    def plain(s, k):
        return key_query_conv(s.masked_fill(~allowed, 0), k, pad_key).masked_fill(~allowed, 0)

    assert_close_in_size(gradients(plain, maps.float(), kernel),
                         gradients(below(lambda s, k: convolve(s, k, key_padding(sizes[1], pad_key)[0]), n_tokens), maps, kernel))


@needs_triton
@pytest.mark.parametrize("sizes,pad_key", [(None, "both"), *KERNELS])
@pytest.mark.parametrize("n_tokens", [1, 7, 37, 300])
@pytest.mark.parametrize("n_heads,mixes_after", [(3, False), (1, True), (9, True), (16, True)])
def test_triton_pattern(sizes, pad_key, n_tokens, n_heads, mixes_after):
    """Scores with the convolution in its wide form, whose cells next to the diagonal are mended, softmax and mixing."""
    from mta.triton_attention import mixed_pattern
    from mta.triton_products import overhang

    torch.manual_seed(0)
    allowed, columns = causal_mask(n_tokens, "cuda"), key_padding(sizes[1], pad_key)[0] if sizes else 0
    query, key = (on_gpu(2, n_tokens, n_heads, 64).transpose(1, 2) * 0.25 for _ in range(2))
    kernel = on_gpu(n_heads, *(sizes or (1, 1))).float() * 0.5
    before, after = (on_gpu(n_heads, n_heads, near_identity=True).float() for _ in range(2))

    def plain(q, k, w, b, a):
        scores = (q @ k.transpose(-1, -2)).masked_fill(~allowed, 0)
        if sizes:
            scores = key_query_conv(scores, w[:, None], pad_key)
        pattern = torch.softmax(mix_heads(scores, b).masked_fill(~allowed, float("-inf")), -1)
        return (mix_heads(pattern, a) if mixes_after else pattern + 0 * a.sum()).masked_fill(~allowed, 0) + 0 * w.sum()

    def fast(q, k, w, b, a):
        band = overhang(q, k, w, columns) if sizes else None
        maps = mixed_pattern(q, k, w if sizes else None, band, columns, b, a if mixes_after else None)[0]
        return torch.where(allowed, maps, 0.0) + 0 * (w.sum() + a.sum()).bfloat16()

    assert_close_in_size(gradients(plain, query.float(), key.float(), kernel, before, after),
                         gradients(fast, query, key, kernel, before, after))


@needs_triton
@pytest.mark.parametrize("n_tokens", [1, 37, 300])
def test_triton_weighted_values(n_tokens):
    from mta.triton_attention import weighted_values

    torch.manual_seed(0)
    allowed = causal_mask(n_tokens, "cuda")
    maps, value = on_gpu(2, 3, n_tokens, n_tokens), on_gpu(2, n_tokens, 3, 64).transpose(1, 2)
    assert_close_in_size(gradients(lambda m, v: torch.where(allowed, m, 0.0) @ v, maps.float(), value.float()),
                         gradients(below(weighted_values, n_tokens), maps, value))


def assert_close_in_size(plain, fast):
    """Within bfloat16's rounding, measured over the whole tensor."""
    for expected, got in zip(plain, fast):
        assert (got.float() - expected.float()).norm() <= 0.02 * expected.float().norm() + 0.02


@needs_triton
@pytest.mark.parametrize("n_tokens", [1, 37, 300])
def test_triton_mix(n_tokens):
    from mta.triton_attention import mix

    torch.manual_seed(0)
    allowed = causal_mask(n_tokens, "cuda")
    maps, weight = on_gpu(2, 6, n_tokens, n_tokens), on_gpu(6, 6).float()
    assert_close_in_size(gradients(lambda m, w: mix_heads(m, w).masked_fill(~allowed, 0), maps.float(), weight),
                         gradients(below(mix, n_tokens), maps, weight))


@pytest.mark.parametrize("heads,head_dim,pre,post,fits", [
    (9, 64, (6, 11), (6, 11), True), (32, 128, None, (6, 33), True), (2, 96, None, None, True),
    (33, 16, None, None, False), (2, 8, None, None, False), (2, 96, (6, 11), None, False), (2, 64, (6, 17), None, False), (2, 64, None, (2, 35), False),
])  # fmt: skip
def test_which_layers_fit_triton(heads, head_dim, pre, post, fits):
    (rows, columns), (rows_after, columns_after) = pre or (None, None), post or (None, None)
    mta = MTAConfig(use_mta=True, query_kernel_size=rows, key_kernel_size=columns, after_sm_query_kernel_size=rows_after,
                    after_sm_key_kernel_size=columns_after, head_kernel_size=heads, pre_sm_linear_head=True)  # fmt: skip
    config = ModelConfig(dim=16, n_layers=1, n_heads=heads, head_dim=head_dim, vocab_size=4, max_seqlen=4, hidden_dim=8, mta=mta)
    assert fits_triton(Transformer(config).layers[0].attention) is fits


@pytest.mark.parametrize("form", FORMS)
def test_whole_model(form):
    if form == "triton" and not torch.cuda.is_available():
        pytest.skip("Triton kernels need an NVIDIA GPU; none is here")
    device, dtype = ("cuda", torch.float32) if form == "triton" else ("cpu", torch.float64)
    mta = MTAConfig(use_mta=True, query_kernel_size=3, key_kernel_size=5, mta_layers=(1,), after_sm_query_kernel_size=3,
                    after_sm_key_kernel_size=5, head_kernel_size=2, group_norm=True, pre_sm_linear_head=True, add_gating=True)
    config = ModelConfig(dim=32, n_layers=3, n_heads=2, vocab_size=20, max_seqlen=12, hidden_dim=24, weight_tying=True, mta=mta)
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
