"""The whole model: embedding, blocks, final norm, output. Layout and key names as lingua's base transformer."""

from __future__ import annotations

import math
from typing import Dict, List, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, RMSNorm, Taps, causal_mask, depth_scale
from .config import ConfigError, ModelConfig
from .rope import rope_table


class FeedForward(nn.Module):
    """SwiGLU: w2(silu(w1 z) · w3 z)."""

    def __init__(self, dim: int, hidden_dim: int, bias: bool = False) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden_dim, bias=bias)
        self.w3 = nn.Linear(dim, hidden_dim, bias=bias)
        self.w2 = nn.Linear(hidden_dim, dim, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    """h = x + attention(norm x); h + feed_forward(norm h). Input and output [batch, token, dim].

    With `norm_position` "after", what attention and feed-forward write is normed, not what they read (OLMo 2).
    """

    def __init__(self, config: ModelConfig, layer_idx: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer_idx)
        self.feed_forward = FeedForward(config.dim, config.hidden_dim, config.ffn_bias)
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)
        self.norms_after = config.norm_position == "after"
        self.norm_scale = depth_scale(layer_idx) if config.mta.curse_norm else None

    def forward(
        self,
        x: Tensor,
        rope: Tuple[Tensor, Tensor],
        allowed: Tensor,
        taps: Optional[Taps] = None,
        cut_doc_lengths: Optional[Sequence[int]] = None,
    ) -> Tensor:
        if self.norms_after:
            hidden = x + self._scaled(self.attention_norm(self.attention(x, rope, allowed, taps, cut_doc_lengths)))
            return hidden + self._scaled(self.ffn_norm(self.feed_forward(hidden)))
        hidden = x + self.attention(self._scaled(self.attention_norm(x)), rope, allowed, taps, cut_doc_lengths)
        return hidden + self.feed_forward(self._scaled(self.ffn_norm(hidden)))

    def _scaled(self, x: Tensor) -> Tensor:
        return x if self.norm_scale is None else x * self.norm_scale


class Transformer(nn.Module):
    """A decoder-only language model with Multi-Token Attention.

    The state dict has exactly the keys of mta-spec §4: the rotary tables are not in it, and a tied output weight
    is no entry of its own.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Block(config, layer_idx) for layer_idx in range(config.n_layers))
        self.norm = RMSNorm(config.dim, config.norm_eps)
        self.output = None if config.weight_tying else nn.Linear(config.dim, config.vocab_size, bias=False)
        self._tables: Dict[tuple, tuple] = {}

    def forward(
        self,
        tokens: Tensor,
        taps: Optional[List[Taps]] = None,
        doc_lengths: Optional[Sequence[int]] = None,
        cut_documents: bool = False,
    ) -> Tensor:
        """Vocabulary logits [batch, token, vocab_size] for tokens [batch, token].

        taps: when given, gets one dictionary of stages per layer, with `hidden`, the residual stream after it.
        doc_lengths: lengths of the documents packed in the row. The authors' convolution looks across their borders;
        `cut_documents` keeps it inside.
        """
        return self.logits(self.hidden(tokens, taps, doc_lengths, cut_documents))

    def hidden(
        self,
        tokens: Tensor,
        taps: Optional[List[Taps]] = None,
        doc_lengths: Optional[Sequence[int]] = None,
        cut_documents: bool = False,
    ) -> Tensor:
        """The residual stream after the last block and the final norm, [batch, token, dim]."""
        rope, allowed = self.tables(tokens.shape[1], tokens.device)
        if doc_lengths is not None:
            allowed = causal_mask(tokens.shape[1], tokens.device, doc_lengths)
        x = self.tok_embeddings(tokens)
        for block in self.layers:
            layer_taps: Optional[Taps] = None if taps is None else {}
            x = block(x, rope, allowed, layer_taps, doc_lengths if cut_documents else None)
            if taps is not None:
                layer_taps["hidden"] = x
                taps.append(layer_taps)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Vocabulary logits of normalised states: the embedding serves as output matrix when tied."""
        return F.linear(hidden, self.tok_embeddings.weight if self.output is None else self.output.weight)

    def tables(self, seqlen: int, device) -> Tuple[Tuple[Tensor, Tensor], Tensor]:
        """Rotary tables and causal mask for this length, made once per length and device."""
        cached = self._tables.get((seqlen, device))
        if cached is None:
            rope = rope_table(seqlen, self.config.head_dim, self.config.rope_theta, device, self.config.rope_scaling)
            cached = self._tables[(seqlen, device)] = (rope, causal_mask(seqlen, device))
        return cached

    def init_weights(self, seed: int) -> None:
        """Random weights for training: normal with lingua's depth-aware sizes; kernels and mixings stay identity."""
        if self.config.mta.init_method != "identity":
            raise ConfigError(f'mta.init_method is "{self.config.mta.init_method}"; training starts from "identity" only.')
        generator = torch.Generator().manual_seed(seed)

        def fill(weight: Tensor, std: float) -> None:
            with torch.no_grad():
                weight.copy_(torch.randn(weight.shape, generator=generator).clamp(-3, 3) * std)

        fill(self.tok_embeddings.weight, self.config.dim**-0.5)
        residual_scale = (2 * self.config.n_layers) ** -0.5
        for block in self.layers:
            attention, feed_forward = block.attention, block.feed_forward
            for linear in (attention.wq, attention.wk, attention.wv, feed_forward.w1, feed_forward.w3):
                fill(linear.weight, linear.in_features**-0.5)
            for linear in (attention.wo, feed_forward.w2):
                fill(linear.weight, linear.in_features**-0.5 * residual_scale)
            if attention.gate is not None:
                fill(attention.gate.weight, attention.gate.in_features**-0.5)
                nn.init.zeros_(attention.gate.bias)
        if self.output is not None:
            fill(self.output.weight, self.config.dim**-0.5)

    def n_parameters(self) -> int:
        """Parameters counted once (a tied output adds nothing)."""
        return sum(p.numel() for p in self.parameters())
