"""What the `tokenizers` library makes of a thousand texts in twenty scripts, for tests that need no such library.

Usage: python3 -m export.tokenizer_cases ../test/fixtures/tokenizers      (needs `tokenizers`)

Writes `texts.json.gz`, and for each kind of tokenizer in use by llama-class models one trained on those texts on the
spot: NAME.json.gz with `tokenizer` (its tokenizer.json), and per text `ids` and `ends`, where each token ends in the
text, in UTF-16 code units.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import unicodedata
from pathlib import Path
from typing import Any, Callable, Dict, List

from mta.program import run_program

SEED = 20251125
N_TEXTS = 1000
# Letters (and marks) of each script as ranges, and its own full stop.
SCRIPTS = {
    "latin": ("az AZ", "."), "latin_accents": ("àÿ āž", "!"), "greek": ("αω ΑΡ", ";"), "cyrillic": ("ая АЯ", "."),
    "armenian": ("աև", "։"), "georgian": ("აჰ", "."), "hebrew": ("את ְּ", "׃"), "arabic": ("ءي ًْ", "؟"),
    "devanagari": ("अह ाौ ्् ंः", "।"), "bengali": ("অহ াৌ", "।"), "tamil": ("அஹ ாௌ", "."), "telugu": ("అహ ాౌ", "."),
    "thai": ("กฮ ะู เไ ่๋", "ฯ"), "lao": ("ກຮ ະູ", "."), "tibetan": ("ཀཧ ིེ", "།"), "ethiopic": ("ሀፗ", "።"),
    "khmer": ("កអ ាៅ", "។"), "hangul": ("가힣 ᄀᄒ ᅡᅵ", "."), "kana": ("ぁん ァン", "。"), "han": ("一龥", "。"),
}  # fmt: skip
CODE = ["def f(x):\n    return x + 1\n", "if (a != b) {\r\n\treturn 'ok';\r\n}", "https://a.example/x?y=1&z=%20", "3.14159 x 2,000,000",
        "I'll, we've, DON'T", "snake_case camelCase __init__", "<s> </s> [INST]", "a\u00a0b\u2003c\u200bd", "👩‍👩‍👧 🇪🇺 ½ ﬁ Å e\u0301\u0323",
        "▁ literal ▁▁", "\ttabs\t\n\n\n  lines  \n", "\ufeffmark", "x\u0085y\u2028z", "᾽ \u1fbd ϓ ſ"]  # fmt: skip
SPLIT_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLIT_QWEN2 = SPLIT_LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def sample_texts() -> List[str]:
    """Seeded: words of a script's letters with blanks, numbers, marks and pieces of code between them."""
    rng = random.Random(SEED)
    texts = []
    alphabets = []
    for ranges, stop in SCRIPTS.values():
        letters = [chr(c) for r in ranges.split() for c in range(ord(r[0]), ord(r[-1]) + 1)]
        alphabets.append(([c for c in letters if unicodedata.category(c) != "Cn"], stop))
    for text_idx in range(N_TEXTS):
        letters, stop = alphabets[text_idx % len(alphabets)]
        # Few letters a text, so that there is something to merge.
        few = rng.sample(letters, min(len(letters), 8))
        words = ["".join(rng.choice(few) for _ in range(rng.randint(1, 6))) for _ in range(4)]
        parts = []
        for _ in range(rng.randint(1, 7)):
            roll = rng.random()
            part = rng.choice(words) if roll < 0.75 else str(rng.randint(0, 99999)) if roll < 0.85 else rng.choice(CODE)
            parts.append(part + rng.choice([" ", " ", " ", "  ", stop, stop + " ", "\n", ", "]))
        texts.append("".join(parts) if rng.random() < 0.8 else " " + "".join(parts).strip())
    return texts


def byte_level(split: str = "", normalizer: Any = None, digits: bool = False, **bpe: Any):
    """As GPT-2 (no `split`), Llama 3, Qwen 2 or SmolLM have it."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    def build(texts: List[str]):
        tokenizer = Tokenizer(models.BPE(**bpe))
        if normalizer:
            tokenizer.normalizer = getattr(normalizers, normalizer)()
        parts = [pre_tokenizers.Split(Regex(split), behavior="isolated")] if split else []
        parts += [pre_tokenizers.Digits(individual_digits=True)] if digits else []
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not split)])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
                                      special_tokens=["<s>", "</s>"])  # fmt: skip
        tokenizer.train_from_iterator(texts, trainer)
        return tokenizer

    return build


def sentence_piece(prepend: str, n_pieces: int = 1500):
    """As converted from SentencePiece: `prepend` is "normalizer" (Llama 2), or the scheme of Metaspace (Mistral)."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    def build(texts: List[str]):
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=n_pieces, limit_alphabet=700, show_progress=False))
        content = json.loads(trained.to_str())["model"]
        special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
        pieces = sorted(content["vocab"], key=content["vocab"].get)
        vocab = {piece: i for i, piece in enumerate([*special, *pieces])}
        merges = [tuple(merge) for merge in content["merges"]]
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        tokenizer.add_special_tokens(special[:3])
        if prepend == "normalizer":
            tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        return tokenizer

    return build


def kinds() -> Dict[str, Callable[[List[str]], Any]]:
    return {
        "gpt2": byte_level(),
        "llama3": byte_level(SPLIT_LLAMA3, ignore_merges=True),
        "qwen2": byte_level(SPLIT_QWEN2, normalizer="NFC"),
        "smollm": byte_level(digits=True),
        "llama2": sentence_piece("normalizer"),
        "mistral": sentence_piece("first"),
        "metaspace_never": sentence_piece("never"),
    }


def utf16_ends(text: str, offsets) -> List[int]:
    """Ends of tokens, from the library's characters to UTF-16 code units."""
    lengths = [0]
    for character in text:
        lengths.append(lengths[-1] + (2 if ord(character) > 0xFFFF else 1))
    return [lengths[end] for _, end in offsets]


def compute_case(name: str, texts: List[str]) -> Dict[str, Any]:
    tokenizer = kinds()[name](texts)
    encodings = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    return {
        "tokenizer": json.loads(tokenizer.to_str()), "ids": [encoding.ids for encoding in encodings],
        "ends": [utf16_ends(text, encoding.offsets) for text, encoding in zip(texts, encodings)],
    }  # fmt: skip


def write(path: Path, content: Any) -> None:
    encoded = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    path.write_bytes(gzip.compress(encoded, 9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    texts = sample_texts()
    write(args.out / "texts.json.gz", texts)
    for name in kinds():
        write(args.out / f"{name}.json.gz", compute_case(name, texts))
        print(name, flush=True)


if __name__ == "__main__":
    run_program(main)
