"""Character classes as the `tokenizers` library sees them, which has several versions of Unicode inside.

Usage: python3 -m export.tokenizer_characters ../src/tokenization/characterClasses.ts      (needs `tokenizers`)
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Callable, List

from mta.program import run_program

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def to_base_36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return digits[number] if number < 36 else to_base_36(number // 36) + digits[number % 36]


def encode_ranges(belongs: Callable[[str], bool]) -> str:
    """Lengths of the stretches outside and inside in turn, in base 36. Surrogates continue what is before them."""
    lengths: List[int] = [0]
    is_inside = False
    last = 0
    for code in CODE_POINTS:
        if belongs(chr(code)) != is_inside:
            lengths[-1] = code - last
            lengths.append(0)
            is_inside, last = not is_inside, code
    return " ".join(map(to_base_36, lengths[:-1] if not is_inside else [*lengths[:-1], 0x110000 - last]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    import tokenizers
    from tokenizers import Regex, normalizers, pre_tokenizers

    bert = pre_tokenizers.BertPreTokenizer()
    strip = normalizers.StripAccents()
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    unassigned = pre_tokenizers.Split(Regex(r"\p{Cn}"), "removed")
    decompose = normalizers.NFKD()
    classes = {
        "punctuation": ("`Punctuation` and `BertPreTokenizer`.", lambda c: len(bert.pre_tokenize_str(f"a{c}a")) == 3),
        "controls": ("What `BertNormalizer` removes.", lambda c: clean.normalize_str(f"a{c}a") == "aa"),
        "nonspacingMarks": ("Accents that `BertNormalizer` removes.", lambda c: accents.normalize_str(f"a{c}a") == "aa"),
        "marks": ("Accents that `StripAccents` removes; no other character has a combining class.", lambda c: strip.normalize_str(f"a{c}a") == "aa"),
        "decomposable": ("What a Unicode normal form changes or makes.", lambda c: decompose.normalize_str(c) != c),
        "unassigned": ("`\\\\p{Cn}` of regular expressions.", lambda c: not unassigned.pre_tokenize_str(c)),
    }  # fmt: skip
    lines = [
        f"/** Made by models/export/tokenizer_characters.py from `tokenizers` {tokenizers.__version__}; do not edit. */",
        "",
        "import { CharacterClass } from './characterClass';",
    ]
    for name, (comment, belongs) in classes.items():
        lines += ["", f"/** {comment} */", f"export const {name} = new CharacterClass(", f"  '{encode_ranges(belongs)}',", ");"]
    out.write_text("\n".join(lines).replace("\\\\p", "\\p") + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
