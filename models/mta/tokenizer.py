"""Text to token ids and back, from a model folder's tokenizer.json.

The byte-level BPE itself is the `tokenizers` package's; it is imported only where text is encoded, so that the
model, its tests and its export run without it. The toy task's character vocabulary needs no package at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Sequence, Union

from .program import InputError

BEGIN_TOKEN = "<|begin|>"

# GPT-2's splitting, with numbers cut to at most three digits (as Llama 3 does) so that no long number is one token.
SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

TOY_ALPHABET = "abcdefghijklmnopqrstuvwxyz.#_"
TOY_BEGIN, TOY_END, TOY_FILLER = len(TOY_ALPHABET), len(TOY_ALPHABET) + 1, len(TOY_ALPHABET) + 2


def load_tokenizer(folder_or_file: Union[str, Path]):
    """The `tokenizers.Tokenizer` of a model folder (or of a tokenizer.json itself)."""
    from tokenizers import Tokenizer

    path = Path(folder_or_file)
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises nothing narrower
        raise InputError(f"Cannot read the tokenizer {file}: {error}.") from error


def new_byte_level_bpe():
    """An untrained byte-level BPE: no normaliser, no post-processor, decodes exactly to the bytes it read."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_byte_level_bpe(texts, vocab_size: int):
    """Train a byte-level BPE whose last id is the one special token, `BEGIN_TOKEN`.

    texts: iterable of str. vocab_size counts all 256 bytes and the special token.
    """
    from tokenizers import AddedToken, pre_tokenizers, trainers

    tokenizer = new_byte_level_bpe()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=24,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(BEGIN_TOKEN, normalized=False, special=True)])
    return tokenizer


def encode_toy(source: str, target: str) -> List[int]:
    """A toy sample as the authors number it: begin, source, target, end."""
    return [TOY_BEGIN, *(TOY_ALPHABET.index(c) for c in source + target), TOY_END]


def decode_toy(token_ids: Sequence[int]) -> str:
    """Characters of toy token ids; begin, end and filler give nothing."""
    return "".join(TOY_ALPHABET[i] for i in token_ids if i < len(TOY_ALPHABET))
