"""Multi-Token Attention in float64 numpy, from its specification and by nothing of this repository.

It is what `test_numbers.py` compares the command line with, so it stays short, slow and plain. Maps are [head, query, key].
"""

import json
import struct
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

DTYPES = {"F16": np.float16, "F32": np.float32}


def read_safetensors(path: Path) -> Dict[str, np.ndarray]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        first, end = (8 + size + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[first:end], DTYPES[entry["dtype"]]).astype(np.float64)
        tensors[key] = values.reshape(entry["shape"])
    return tensors


def rms(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def convolve(maps: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Σ K[a, b] · S[i − (c_q − 1) + a, j − own + b], with masked cells and what lies outside read as 0."""
    n_heads, n, _ = maps.shape
    c_q, c_k = kernels.shape[-2:]
    own = c_k // 2
    padded = np.zeros((n_heads, n + c_q - 1, n + c_k - 1))
    padded[:, c_q - 1 :, own : own + n] = np.tril(maps)
    out = np.zeros_like(maps)
    for a in range(c_q):
        for b in range(c_k):
            out += kernels[:, a, b, None, None] * padded[:, a : a + n, b : b + n]
    return np.tril(out)


class Model:
    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = read_safetensors(folder / "model.safetensors")
        self.n_layers, self.n_heads = self.config["n_layers"], self.config["n_heads"]

    def kernels_of(self, layer: int) -> Dict[str, np.ndarray]:
        """Learned parts under the names of the command line; mixing is [destination, source]."""
        prefix = f"layers.{layer}.attention."
        get = lambda name: self.weights.get(prefix + name)  # noqa: E731
        parts = {}
        if get("mta_kernel") is not None:
            parts["pre_softmax_conv"] = get("mta_kernel")[:, 0]
        if get("wpsm.weight") is not None:
            parts["pre_softmax_head_mix"] = get("wpsm.weight")
        if get("mta_kernel_after_sm") is not None:
            parts["post_softmax_conv"] = get("mta_kernel_after_sm")[:, 0]
        if get("head_kernel") is not None:
            parts["post_softmax_head_mix"] = get("head_kernel")[0].T
        return parts

    def rotate(self, x: np.ndarray) -> np.ndarray:
        n, d = x.shape[-2:]
        frequencies = (1.0 / (self.config["rope_theta"] ** (np.arange(0, d, 2, dtype=np.float32) / d))).astype(np.float32)
        angles = (np.arange(n, dtype=np.float32)[:, None] * frequencies).astype(np.float64)
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2] = even * np.cos(angles) - odd * np.sin(angles)
        out[..., 1::2] = even * np.sin(angles) + odd * np.cos(angles)
        return out

    def attention(self, x: np.ndarray, layer: int, parts: Dict[str, np.ndarray]):
        n = len(x)
        get = lambda name: self.weights[f"layers.{layer}.attention.{name}"]  # noqa: E731
        heads = lambda y: y.reshape(n, self.n_heads, -1).transpose(1, 0, 2)  # noqa: E731
        q, k, v = (heads(x @ get(f"w{name}.weight").T) for name in "qkv")
        q, k = self.rotate(q), self.rotate(k)
        stages = {"scores": np.tril(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]))}
        current = stages["scores"]
        for side, source, mixed in [("pre", "scores", "mixed_scores"), ("post", "pattern", "mixed_pattern")]:
            if side == "post":
                stages["pattern"] = softmax(np.where(np.tril(np.ones((n, n))) > 0, current, -np.inf))
                current = stages["pattern"]
            if f"{side}_softmax_conv" in parts:
                current = convolve(current, parts[f"{side}_softmax_conv"])
            stages[f"convolved_{source}"] = current
            if f"{side}_softmax_head_mix" in parts:
                current = np.einsum("ds,sij->dij", parts[f"{side}_softmax_head_mix"], current)
            stages[mixed] = current
        out = rms(current @ v, get("subln.weight"), 1e-5)
        gate = out @ get("gate.weight").T + get("gate.bias")
        out = out / (1 + np.exp(-gate))
        return out.transpose(1, 0, 2).reshape(n, -1) @ get("wo.weight").T, stages

    def copies(self, hidden: np.ndarray, layer: int, ids: List[int]) -> np.ndarray:
        """r of the measure "Copying" [head, key], with every source token's vector in the residual stream written out."""
        get = lambda name: self.weights[f"layers.{layer}.{name}"]  # noqa: E731
        n, distinct = len(ids), sorted(set(ids))
        x = rms(hidden, get("attention_norm.weight"), self.config["norm_eps"])
        v = (x @ get("attention.wv.weight").T).reshape(n, self.n_heads, -1) * get("attention.subln.weight")
        wo = get("attention.wo.weight").reshape(-1, self.n_heads, v.shape[-1])
        added = np.einsum("jhd,Dhd->hjD", v, wo)
        logits = added @ (self.weights["tok_embeddings.weight"][distinct] * self.weights["norm.weight"]).T
        own = np.stack([logits[:, j, distinct.index(ids[j])] for j in range(n)], 1)[..., None]
        below = (logits < own).sum(-1) + ((logits == own).sum(-1) - 1) / 2
        return 2 * below / (len(distinct) - 1) - 1

    def run(self, ids: List[int], parts: Optional[Dict[int, Dict[str, np.ndarray]]] = None):
        """Natural log-probabilities [token, vocabulary] of the next token, and every layer's stages."""
        eps = self.config["norm_eps"]
        hidden = self.weights["tok_embeddings.weight"][ids]
        layers = []
        for layer in range(self.n_layers):
            get = lambda name, layer=layer: self.weights[f"layers.{layer}.{name}"]  # noqa: E731
            kernels = (parts or {}).get(layer) or self.kernels_of(layer)
            added, stages = self.attention(rms(hidden, get("attention_norm.weight"), eps), layer, kernels)
            stages["copies"] = self.copies(hidden, layer, ids)
            hidden = hidden + added
            z = rms(hidden, get("ffn_norm.weight"), eps)
            up = z @ get("feed_forward.w1.weight").T
            hidden = hidden + (up / (1 + np.exp(-up)) * (z @ get("feed_forward.w3.weight").T)) @ get("feed_forward.w2.weight").T
            layers.append(stages)
        logits = rms(hidden, self.weights["norm.weight"], eps) @ self.weights["tok_embeddings.weight"].T
        top = logits.max(-1, keepdims=True)
        return logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True)), layers


def surprisal_bits(log_probabilities: np.ndarray, ids: List[int]) -> np.ndarray:
    """Of every token; NaN for the first one, which nothing predicts."""
    bits = -log_probabilities[np.arange(len(ids) - 1), ids[1:]] / np.log(2)
    return np.concatenate([[np.nan], bits])


def divergence_bits(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    return (np.exp(log_p) * (log_p - log_q)).sum(-1) / np.log(2)
