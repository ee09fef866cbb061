"""What each part of a trained MTA model matters: bits of held-out texts with the part set to the identity.

Usage: python3 -m training.ablation MODEL_FOLDER EVALDIR --out FILE.json [--texts 200] [--window 2048] [--device cuda]

Parts are the kernels before and after the softmax and the head mixing before and after it, each of one layer, of all layers,
and together. Layers before the part are computed once. Reported are extra bits against the whole model; they say how
much the trained model relies on a part, not how much worse a model trained without it would be.
"""

from __future__ import annotations

import argparse
import json
import math
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.to_safetensors import load_bundle
from mta.attention import Attention, identity_kernel
from mta.fast_attention import use_fast_attention
from mta.program import read_json, run_program, usable_device
from mta.transformer import Transformer
from training.data import read_streams
from training.evaluate import IGNORED, split_documents

Text = Tuple[str, int, np.ndarray]
"""Stream, index of the document in it, token ids without the begin token."""

PARTS: Dict[str, Callable[[Attention], Optional[nn.Parameter]]] = {
    "kernels before": lambda attention: attention.mta_kernel,
    "kernels after": lambda attention: attention.mta_kernel_after_sm,
    "mixing before": lambda attention: None if attention.wpsm is None else attention.wpsm.weight,
    "mixing after": lambda attention: attention.head_kernel if attention.wposm is None else attention.wposm.weight,
}
GROUPS: Dict[str, Sequence[str]] = {
    "everything": tuple(PARTS), **{name: (name,) for name in PARTS},
    "all kernels": ("kernels before", "kernels after"), "all mixing": ("mixing before", "mixing after"),
}  # fmt: skip


def identity_like(parameter: Tensor) -> Tensor:
    """The value of a part that changes nothing."""
    if parameter.ndim == 4:
        return identity_kernel(parameter.shape[0], *parameter.shape[-2:]).to(parameter)
    return torch.eye(parameter.shape[-1]).expand_as(parameter).to(parameter)


@contextmanager
def without(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """These parts as the identity; they are put back at the end."""
    kept = [(parameter, parameter.detach().clone()) for parameter in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(identity_like(parameter))
        try:
            yield
        finally:
            for parameter, value in kept:
                parameter.copy_(value)


def choose_texts(streams: Mapping[str, np.ndarray], begin_token_id: int, count: int, window: int) -> List[Text]:
    """The first `window` tokens of `count` documents of 64 tokens or more, as evenly over the streams as they have them."""
    documents = {
        name: [(i, d) for i, d in enumerate(split_documents(stream, begin_token_id)) if len(d) >= 64] for name, stream in streams.items()
    }
    texts: List[Text] = []
    for place, name in enumerate(sorted(documents, key=lambda name: (len(documents[name]), name))):
        share = min(len(documents[name]), (count - len(texts)) // (len(documents) - place))
        for index in np.linspace(0, len(documents[name]) - 1, share).astype(int):
            number, document = documents[name][index]
            texts.append((name, number, document[:window]))
    return sorted(texts, key=lambda text: -len(text[2]))


@torch.no_grad()
def extra_bits(model: Transformer, texts: Sequence[Text], begin_token_id: int) -> Tuple[List[float], Dict[str, List[float]]]:
    """Bits of each text with the whole model, and by part how many more without it."""
    length = -(-max(len(tokens) for _, _, tokens in texts) // 128) * 128
    inputs = torch.full((len(texts), length), begin_token_id)
    targets = torch.full((len(texts), length), IGNORED)
    for row, (_, _, tokens) in enumerate(texts):
        ids = torch.from_numpy(tokens.astype(np.int64))
        inputs[row, 1 : len(ids)], targets[row, : len(ids)] = ids[:-1], ids
    device = model.tok_embeddings.weight.device
    targets = targets.to(device)
    rope, allowed = model.tables(length, device)
    entering = [model.tok_embeddings(inputs.to(device))]

    def bits(first_layer: int, keep: bool = False) -> np.ndarray:
        hidden = entering[first_layer]
        for block in model.layers[first_layer:]:
            hidden = block(hidden, rope, allowed)
            if keep:
                entering.append(hidden)
        sums = []
        for part, expected in zip(model.norm(hidden).split(4), targets.split(4)):
            losses = F.cross_entropy(model.logits(part).float().flatten(0, 1), expected.flatten(), ignore_index=IGNORED, reduction="none")
            sums.append(losses.view(expected.shape).double().sum(1))
        return torch.cat(sums).cpu().numpy() / math.log(2)

    def of(names: Sequence[str], layers: Sequence[int]) -> List[nn.Parameter]:
        found = [PARTS[name](model.layers[i].attention) for name in names for i in layers]
        return [parameter for parameter in found if parameter is not None]

    whole, extra = bits(0, keep=True), {}
    for group, names in GROUPS.items():
        parameters = of(names, range(len(model.layers)))
        if parameters:
            with without(parameters):
                extra[group] = (bits(0) - whole).tolist()
    for name in PARTS:
        for layer_idx in range(len(model.layers)):
            parameters = of((name,), (layer_idx,))
            if parameters:
                with without(parameters):
                    extra[f"{name} {layer_idx}"] = (bits(layer_idx) - whole).tolist()
    return whole.tolist(), extra


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=8, help="texts at a time")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=usable_device)
    args = parser.parse_args()
    content = read_json(args.model / "config.json", "name", "bos_token_id")
    model = load_bundle(args.model).to(args.device).eval()
    if not model.config.mta.use_mta:
        parser.error(f"{args.model} is a plain Transformer, which has no part of MTA to leave out.")
    is_cuda = args.device.startswith("cuda")
    use_fast_attention(model, "triton" if is_cuda else "shifted")
    texts = choose_texts(read_streams([args.data], model.config.vocab_size), content["bos_token_id"], args.texts, args.window)
    whole: List[float] = []
    extra: Dict[str, List[float]] = {}
    for start in range(0, len(texts), args.batch):
        with torch.autocast("cuda" if is_cuda else "cpu", dtype=torch.bfloat16, enabled=is_cuda):
            some, more = extra_bits(model, texts[start : start + args.batch], content["bos_token_id"])
        whole += some
        for name, values in more.items():
            extra.setdefault(name, []).extend(values)
    result = {
        "format": "mta-part-ablation-1", "model": content["name"], "window": args.window, "precision": "bf16" if is_cuda else "fp32",
        "texts": [{"stream": stream, "document": number, "tokens": len(tokens)} for stream, number, tokens in texts],
        "bits": [round(value, 2) for value in whole],
        "extra_bits": {name: [round(value, 2) for value in values] for name, values in extra.items()},
    }  # fmt: skip
    args.out.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(f"{args.out}: {len(texts)} texts, {len(extra)} parts")


if __name__ == "__main__":
    run_program(main)
