"""The paper's toy task: find the only block that holds all query letters, and print it (arXiv:2504.00927, §4.1).

A sample is `hjnvt.qfjgt.…#pb` → `bjtpq`: blocks of N distinct letters, the query, the block that has both.
`generate_sample` does as the authors' generator, one sample at a time, and is what tests and evaluations use;
`ToySource` makes the same kind of sample in batches on the training device, so that no sample is seen twice.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Dict, List, Tuple

import torch
from torch import Tensor

from mta.config import ConfigError
from mta.tokenizer import TOY_ALPHABET, TOY_BEGIN, TOY_END, encode_toy

SOURCE_AND_TARGET_LENGTH = 319
ANSWERS = ("all", "first", "last")
IGNORED = -100
_DOT, _HASH = TOY_ALPHABET.index("."), TOY_ALPHABET.index("#")


@dataclass(frozen=True)
class ToyConfig:
    """N letters a block, L query letters, and which part of the block is the answer."""

    block_length: int = 5
    query_length: int = 2
    answer: str = "all"

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ConfigError(f'toy.answer is "{self.answer}"; it must be one of {", ".join(ANSWERS)}.')
        if not 1 <= self.query_length <= self.block_length <= 26:
            raise ConfigError("toy needs 1 <= query_length <= block_length <= 26.")

    @property
    def blocks_width(self) -> int:
        """Characters that the blocks and their dots take."""
        return SOURCE_AND_TARGET_LENGTH - self.block_length - self.query_length - 1

    @property
    def n_blocks(self) -> int:
        """Blocks a sample starts with; the last may be cut at `blocks_width`."""
        return -(-self.blocks_width // (self.block_length + 1))

    @property
    def last_block_length(self) -> int:
        return min(self.block_length, self.blocks_width - (self.n_blocks - 1) * (self.block_length + 1))

    @property
    def n_answer_tokens(self) -> int:
        """Predicted tokens a sample: the answer and the end token."""
        return (self.block_length if self.answer == "all" else 1) + 1


def answer_of(block: str, answer: str) -> str:
    """The part of the block that is asked for."""
    return {"all": block, "first": block[0], "last": block[-1]}[answer]


class ToyRandom:
    """Random numbers that are the same in every language: mulberry32. `src/cli/toy.ts` draws the same samples."""

    def __init__(self, seed: int) -> None:
        self.state = seed & 0xFFFFFFFF

    def below(self, n: int) -> int:
        """A whole number from 0 to n − 1."""
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        mixed = ((self.state ^ (self.state >> 15)) * (self.state | 1)) & 0xFFFFFFFF
        mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) & 0xFFFFFFFF
        return ((mixed ^ (mixed >> 14)) * n) >> 32

    def sample(self, items: str, count: int) -> str:
        """`count` different ones of `items`, in random order."""
        letters = list(items)
        for i in range(count):
            j = i + self.below(len(letters) - i)
            letters[i], letters[j] = letters[j], letters[i]
        return "".join(letters[:count])


def generate_sample(rng: ToyRandom, config: ToyConfig) -> dict:
    """One sample in the form of the golden toy files: src, tgt, targetIndex, blocks, lastBlockLength, tokens.

    targetIndex is −1 when the target stood last and was cut (N = 8 only): there is no answer then.
    """
    target = rng.sample(string.ascii_lowercase, config.block_length)
    query = rng.sample(target, config.query_length)
    blocks: List[str] = []
    while len(blocks) < config.n_blocks - 1:
        block = rng.sample(string.ascii_lowercase, config.block_length)
        if block not in blocks and not set(query) <= set(block):
            blocks.append(block)
    place = rng.below(config.n_blocks)
    blocks.insert(place, target)
    source = f"{'.'.join(blocks)[: config.blocks_width]}#{query}"
    is_cut = place == len(blocks) - 1 and config.last_block_length < config.block_length
    answer = answer_of(target, config.answer)
    return {"src": source, "tgt": answer, "targetIndex": -1 if is_cut else place, "blocks": len(blocks),
            "lastBlockLength": config.last_block_length, "tokens": encode_toy(source, answer)}  # fmt: skip


def generate_cases(config: ToyConfig, count: int, seed: int) -> dict:
    """A cases file as the golden toy files are laid out; unanswerable samples are left out."""
    rng, samples, n_cut = ToyRandom(seed), [], 0
    while len(samples) < count:
        sample = generate_sample(rng, config)
        if sample["targetIndex"] < 0:
            n_cut += 1
        else:
            samples.append(sample)
    return {"name": f"toy_n{config.block_length}_{config.answer}", "kind": "toy-data", "blockLength": config.block_length,
            "queryLength": config.query_length, "answer": config.answer, "seed": seed, "leftOutBecauseCut": n_cut,
            "samples": samples}  # fmt: skip


class ToySource:
    """Endless fresh batches, made on the device. Cut targets never occur: the target is kept off a cut last place.

    A repeated distractor (probability under 0.02 % a sample) is not rejected here.
    """

    def __init__(self, config: ToyConfig, seed: int, device: torch.device) -> None:
        self.config, self.device = config, device
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.n_samples = 0

    def blocks(self, batch_size: int) -> Tuple[Tensor, Tensor, Tensor]:
        """Blocks [batch, block, letter], query [batch, letter], place of the target [batch]."""
        n_letters, n_query, n_blocks = self.config.block_length, self.config.query_length, self.config.n_blocks
        n_drawn = n_blocks + n_blocks // 2 + 8  # so many that enough remain in any realistic batch
        drawn = self._random(batch_size, n_drawn, 26).argsort(-1)[..., :n_letters]
        order = self._random(batch_size, n_letters).argsort(-1)[:, :n_query]
        query = drawn[:, 0].gather(1, order)
        holds_query = (drawn[:, :, :, None] == query[:, None, None, :]).any(2).all(-1)
        # The target first, then distractors without the query, in random order.
        rank = holds_query.float() * 2 + self._random(batch_size, n_drawn)
        rank[:, 0] = -1.0
        chosen = rank.argsort(-1)[:, :n_blocks]
        blocks = drawn.gather(1, chosen[:, :, None].expand(-1, -1, n_letters))
        n_places = n_blocks - (self.config.last_block_length < n_letters)
        place = (self._random(batch_size) * n_places).long().clamp_(max=n_places - 1)
        rows = torch.arange(batch_size, device=self.device)
        target, displaced = blocks[:, 0].clone(), blocks[rows, place].clone()
        blocks[:, 0] = displaced
        blocks[rows, place] = target
        return blocks, query, place

    def batch(self, batch_size: int) -> Tuple[Tensor, Tensor]:
        """Inputs and targets [batch, tokens]; targets are `IGNORED` except at the answer and the end token."""
        config = self.config
        blocks, query, place = self.blocks(batch_size)
        target = blocks[torch.arange(batch_size, device=self.device), place]
        answer = {"all": target, "first": target[:, :1], "last": target[:, -1:]}[config.answer]

        def column(value: int) -> Tensor:
            return torch.full((batch_size, 1), value, device=self.device)

        dotted = torch.cat([blocks, torch.full_like(blocks[..., :1], _DOT)], -1).flatten(1)[:, : config.blocks_width]
        tokens = torch.cat([column(TOY_BEGIN), dotted, column(_HASH), query, answer, column(TOY_END)], 1)
        targets = tokens[:, 1:].clone()
        targets[:, : -config.n_answer_tokens] = IGNORED
        self.n_samples += batch_size
        return tokens[:, :-1], targets

    def state(self) -> dict:
        return {"generator": self.generator.get_state(), "n_samples": self.n_samples}

    def restore(self, state: dict) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.n_samples = state["n_samples"]

    def _random(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)


@torch.no_grad()
def toy_errors(model, samples: List[dict], batch_size: int = 100, autocast: bool = False) -> Dict[str, float]:
    """Percent of samples with any wrong token, and of wrong tokens: answer and end token, teacher-forced argmax."""
    device = model.tok_embeddings.weight.device
    n_wrong_samples = n_wrong_tokens = n_tokens = 0
    for i in range(0, len(samples), batch_size):
        batch = samples[i : i + batch_size]
        n_answer = len(batch[0]["tgt"]) + 1
        tokens = torch.tensor([sample["tokens"] for sample in batch], device=device)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            predicted = model(tokens[:, :-1])[:, -n_answer:].argmax(-1)
        wrong = predicted != tokens[:, -n_answer:]
        n_wrong_samples += int(wrong.any(1).sum())
        n_wrong_tokens += int(wrong.sum())
        n_tokens += wrong.numel()
    return {"sampleErrorPercent": 100.0 * n_wrong_samples / len(samples), "tokenErrorPercent": 100.0 * n_wrong_tokens / n_tokens}


def toy_tokenizer_json() -> dict:
    """A tokenizer.json with one token a character; what is not in the alphabet becomes the filler."""
    vocab = {character: index for index, character in enumerate(TOY_ALPHABET)}
    specials = ["<|begin|>", "<|end|>", "<|filler|>"]
    vocab.update({token: len(TOY_ALPHABET) + index for index, token in enumerate(specials)})
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": vocab[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for t in specials],
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<|filler|>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": []},
    }  # fmt: skip
