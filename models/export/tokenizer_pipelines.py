"""What the `tokenizers` library makes of texts in 25 scripts and of source files, by the pipelines of well-known models.

Usage: python3 -m export.tokenizer_pipelines ../test/fixtures/tokenizers/pipelines         (needs `tokenizers`)
       python3 -m export.tokenizer_pipelines --full /tmp/out FILE...

Each pipeline has the normalizer, pre-tokenizer, kind of model, flags and added tokens of the models it is named for, and
a small vocabulary trained here. The first form writes `texts.json.gz` and `pipelines.json.gz` with every tokenizer.json
and hashes of ids and offsets, one for ten texts. The second one writes ids, starts and ends themselves, in UTF-16 code
units, for the files too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import struct
import unicodedata
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

from export.tokenizer_cases import CODE, SCRIPTS, write
from mta.program import run_program

SEED = 20261130
N_TEXTS = 2000
GROUP = 10
MORE_SCRIPTS = {
    "gurmukhi": ("ਅਹ ਾੌ", "।"), "malayalam": ("അഹ ാൌ", "."), "sinhala": ("අෆ ාෟ", "."), "myanmar": ("ကအ ါှ", "။"),
    "cherokee": ("ᎠᏴ", "."), "marks": ("az \u0300\u036f \u0591\u05af", "\u0301"), "math": ("𝐀𝐳 𝔸𝕫", "∑"),
}  # fmt: skip
ODD = [*CODE, "٣٥ २१ ½ Ⅷ 四 ①", "ǅ ß ſ K İ ı ﬆ", "'S 'LL I'ſ we'RE", "\u00a0\u2003\u3000 x\u202f", "\u200b\u200c\u200d\ufeff\u2060", "a\r\nb\rc\n\n\nd\t\t  \n ",
       "<|im_start|>user\n", "two lotuses lotus lotus_1 (lotus)", "<|end|>  \n x", "  <mask>  y", "<mask>", "[CLS] [MASK] [UNK]", "𠀀𝒳🏳️‍🌈👍🏽🇩🇪", "각ᄀ\u1161\u11a8 ﷺ ㎏ ﾊﾟ",
       "q\u0323\u0307 \u0344 \u0958 \u0f73\u0f71", "\u0378\ua7ce\u1acf\U00010940\U00011db0", "foo(bar)[0]->baz::qux!=\"x\"; // …—“”", "1234567890 1,234.5 0xFF 1e-9",
       "ABCdef HTMLParser x2y e\u0301e\u0301 CAFÉ", "\x00\x01\x07\x7f\x85\u0080\ufffd", "，。！？「日本」", "__init__ ___ ~~~ ```py\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", " " * 70]  # fmt: skip

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+",
])  # fmt: skip
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK2 = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ\u1f18-\u1f1d\u1f20-\u1fbcℂℇℊ-ℓⅠ-ⅿⰀ-ⱻⱾ-ⳤꙀ-ꙭꚀ-ꚛꜢ-ꝯꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𞤀-𞥃]+",
             r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"]  # fmt: skip
DEEPSEEK3 = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
             r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]  # fmt: skip
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"


def sample_texts() -> List[str]:
    """Seeded: words of a script's letters with blanks, numbers, marks and odd characters between them."""
    rng = random.Random(SEED)
    alphabets = []
    for ranges, stop in {**SCRIPTS, **MORE_SCRIPTS}.values():
        letters = [chr(c) for r in ranges.split() for c in range(ord(r[0]), ord(r[-1]) + 1)]
        alphabets.append(([c for c in letters if unicodedata.category(c) != "Cn"], stop))
    texts = []
    for text_idx in range(N_TEXTS):
        letters, stop = alphabets[text_idx % len(alphabets)]
        few = rng.sample(letters, min(len(letters), 9))
        words = ["".join(rng.choice(few) for _ in range(rng.randint(1, 6))) for _ in range(4)]
        parts = []
        for _ in range(rng.randint(1, 7)):
            roll = rng.random()
            part = rng.choice(words) if roll < 0.6 else str(rng.randint(0, 99999)) if roll < 0.68 else rng.choice(ODD)
            parts.append(part + rng.choice([" ", " ", "", "  ", stop, stop + " ", "\n", ", "]))
        texts.append("".join(parts) if rng.random() < 0.8 else " " + "".join(parts).strip())
    return texts


def added(content: str, **flags: bool) -> Dict[str, Any]:
    return {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


def regex_split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> Dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level_part(use_regex: bool = False, add_prefix_space: bool = False) -> Dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def sequence(kind: str, *parts: Dict[str, Any]) -> Dict[str, Any]:
    return {"type": "Sequence", kind: list(parts)} if len(parts) != 1 else parts[0]


CHAT = [added("<|endoftext|>"), added("<|im_start|>"), added("<|end|>", rstrip=True), added("<mask>", lstrip=True), added("lotus", single_word=True, special=False)]


def pipeline(model: Dict[str, Any], pre: Any = None, normalizer: Any = None, post: Any = None, tokens: Sequence[Dict[str, Any]] = CHAT) -> Dict[str, Any]:
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(tokens), "normalizer": normalizer, "pre_tokenizer": pre,
            "post_processor": post, "decoder": None, "model": model}  # fmt: skip


def trained_bpe(texts: List[str], pre: Any, normalizer: Any, alphabet: Sequence[str] = (), size: int = 560, **options: Any) -> Dict[str, Any]:
    """A small vocabulary for the pipeline: `alphabet` first, then the merges of the most frequent pairs."""
    from tokenizers import Tokenizer, trainers

    empty = {"type": "BPE", "vocab": {}, "merges": [], **options}
    tokenizer = Tokenizer.from_str(json.dumps(pipeline(empty, pre, normalizer, tokens=[])))
    affixes = {key: options[key] for key in ("continuing_subword_prefix", "end_of_word_suffix") if options.get(key)}
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), limit_alphabet=400, show_progress=False, **affixes)
    tokenizer.train_from_iterator(texts, trainer)
    model = {**json.loads(tokenizer.to_str())["model"], **options}
    if options.get("unk_token"):
        model["vocab"].setdefault(options["unk_token"], len(model["vocab"]))
    return model


def byte_level(*splits: Dict[str, Any], normalizer: Any = None, post: Any = None, use_regex: bool = False, add_prefix_space: bool = False, **options: Any):
    def build(texts: List[str]) -> Dict[str, Any]:
        from tokenizers import pre_tokenizers

        pre = sequence("pretokenizers", *splits, byte_level_part(use_regex, add_prefix_space))
        model = trained_bpe(texts, pre, normalizer, sorted(pre_tokenizers.ByteLevel.alphabet()), **options)
        return pipeline(model, pre, normalizer, post)

    return build


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPM_TOKENS = [added("<unk>"), added("<s>"), added("</s>"), *CHAT]


def sentence_piece(pre: Any, normalizer: Any, tokens: Sequence[Dict[str, Any]] = SPM_TOKENS, extra: Sequence[str] = (), **options: Any):
    """BPE as converted from SentencePiece, with bytes for what the vocabulary lacks."""

    def build(texts: List[str]) -> Dict[str, Any]:
        metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
        model = trained_bpe(texts, metaspace, None, size=700)
        special = ["<unk>", "<s>", "</s>", *BYTES, *extra]
        pieces = [piece for piece in sorted(model["vocab"], key=model["vocab"].get) if piece not in special]
        vocab = {piece: i for i, piece in enumerate([*special, *pieces])}
        flags = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, **options}
        return pipeline({**model, "vocab": vocab, **flags}, pre, normalizer, tokens=tokens)

    return build


def unigram(pre: Any, normalizer: Any, byte_fallback: bool = False):
    def build(texts: List[str]) -> Dict[str, Any]:
        from tokenizers import Tokenizer, trainers

        empty = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]], "byte_fallback": False}
        tokenizer = Tokenizer.from_str(json.dumps(pipeline(empty, pre, normalizer, tokens=[])))
        trainer = trainers.UnigramTrainer(vocab_size=900, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
        # The vocabulary must hold every character of what it is trained on.
        tokenizer.train_from_iterator([text for i, text in enumerate(texts) if i % 27 < 4], trainer)
        model = json.loads(tokenizer.to_str())["model"]
        if byte_fallback:
            model["vocab"] = [*model["vocab"][:3], *([byte, 0.0] for byte in BYTES), *model["vocab"][3:]]
        return pipeline({**model, "byte_fallback": byte_fallback}, pre, normalizer)

    return build


def word_piece(normalizer: Any, pre: Any):
    def build(texts: List[str]) -> Dict[str, Any]:
        from tokenizers import Tokenizer, trainers

        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        empty = {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
        tokenizer = Tokenizer.from_str(json.dumps(pipeline(empty, pre, normalizer, tokens=[])))
        tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=700, limit_alphabet=300, show_progress=False, special_tokens=specials))
        model = {**json.loads(tokenizer.to_str())["model"], "max_input_chars_per_word": 20}
        return pipeline(model, pre, normalizer, tokens=[*map(added, specials), added("lotus", normalized=True, special=False)])

    return build


def word_level(pre: Any, normalizer: Any = None):
    def build(texts: List[str]) -> Dict[str, Any]:
        from tokenizers import Tokenizer, trainers

        empty = {"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"}
        tokenizer = Tokenizer.from_str(json.dumps(pipeline(empty, pre, normalizer, tokens=[])))
        tokenizer.train_from_iterator(texts, trainers.WordLevelTrainer(vocab_size=400, show_progress=False, special_tokens=["<unk>"]))
        return pipeline(json.loads(tokenizer.to_str())["model"], pre, normalizer, tokens=[*CHAT, added("Mark", normalized=True)])

    return build


def chars_map() -> str:
    """A compiled normalization in SentencePiece's form: a double array of bytes, and what replaces what."""
    rules = {"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "½": "1⁄2", "ﬁ": "fi", "①": "1", "Ａ": "A", "e\u0301": "é", "\u200b": "", "㎏": "kg", "ｶﾞ": "ガ",
             "Å": "Å", "\u0344": "\u0308\u0301", "！": "!", "Ⅷ": "VIII"}  # fmt: skip
    blob = b""
    root: Dict[Any, Any] = {}
    for text, replacement in rules.items():
        node = root
        for byte in text.encode("utf-8"):
            node = node.setdefault(byte, {})
        node[None] = len(blob)
        blob += replacement.encode("utf-8") + b"\0"
    units: Dict[int, int] = {}
    taken = {0}

    def place(node: Dict[Any, Any], position: int, label: int) -> None:
        keys = [0 if key is None else key for key in node]
        # Offsets are of eight bits only, or a multiple of 256; children stand at position ^ offset ^ label.
        base = next(base for base in range(256, 1 << 20, 1) if all((base ^ key) not in taken for key in keys) and fits(position ^ base))
        taken.update(base ^ key for key in keys)
        offset = position ^ base
        units[position] = (offset << 10 if offset < 1 << 21 else 0) | ((1 << 8) if None in node else 0) | label
        for key, child in node.items():
            if key is None:
                units[base] = child | 1 << 31
            else:
                place(child, base ^ key, key)

    def fits(offset: int) -> bool:
        return offset < 1 << 21

    place(root, 0, 0)
    array = [units.get(i, 1 << 9 | 0xFF) for i in range(max(units) + 257)]
    trie = struct.pack(f"<{len(array)}I", *array)
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + blob).decode("ascii")


def kinds() -> Dict[str, Callable[[List[str]], Dict[str, Any]]]:
    metaspace = lambda scheme, split: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}  # noqa: E731
    replace = lambda old, new: {"type": "Replace", "pattern": {"String": old}, "content": new}  # noqa: E731
    blanks = sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁"))
    byte_post = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    roberta = {"type": "RobertaProcessing", "sep": ["!", 0], "cls": ["!", 0], "trim_offsets": True, "add_prefix_space": False}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    digits = lambda single: {"type": "Digits", "individual_digits": single}  # noqa: E731
    nfc, nfkc = {"type": "NFC"}, {"type": "NFKC"}
    phi3 = [*SPM_TOKENS, added("<|user|>", rstrip=True), added("<|assistant|>", rstrip=True)]
    long_blanks = [added("▁" * n, normalized=False, special=False) for n in (2, 4, 8)] + [added("\n" * n, special=False) for n in (1, 2, 3)]
    t5 = sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": chars_map()}, {"type": "Strip", "strip_left": False, "strip_right": True},
                  {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})  # fmt: skip
    albert = sequence("normalizers", replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                      {"type": "Precompiled", "precompiled_charsmap": chars_map()}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})  # fmt: skip
    return {
        "gpt2": byte_level(use_regex=True, post=byte_post),
        "gpt-neox": byte_level(use_regex=True, normalizer=nfc, post={**byte_post, "add_prefix_space": False}),
        "roberta": byte_level(use_regex=True, add_prefix_space=True, post=roberta),
        "llama3": byte_level(regex_split(LLAMA3), ignore_merges=True),
        "qwen2": byte_level(regex_split(QWEN2), normalizer=nfc, continuing_subword_prefix="", end_of_word_suffix=""),
        "qwen3.5": byte_level(regex_split(QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"\p{L}\p{N}]", r"\p{L}\p{M}\p{N}]")), normalizer=nfc),
        "gpt4": byte_level(regex_split(CL100K)),
        "o200k": byte_level(regex_split(O200K), ignore_merges=True),
        "tekken": byte_level(regex_split(TEKKEN), ignore_merges=True),
        "gpt2-removed": byte_level(regex_split(GPT2, "Removed", True)),
        "smollm": byte_level(digits(True), use_regex=True),
        "starcoder": byte_level(digits(True), use_regex=True, post=byte_post),
        "deepseek-v2": byte_level(*map(regex_split, DEEPSEEK2), digits(True)),
        "deepseek-v3": byte_level(*map(regex_split, DEEPSEEK3)),
        "olmo": byte_level(use_regex=True, normalizer=nfc),
        "falcon": byte_level({"type": "Punctuation", "behavior": "Contiguous"}, byte_level_part(True), digits(False), regex_split("[0-9][0-9][0-9]")),
        "bloom": byte_level(regex_split(BLOOM)),
        "command-r": byte_level(digits(True), use_regex=True, normalizer=nfc, post=byte_post),
        "llama2": sentence_piece(None, blanks),
        "mistral-v1": sentence_piece(None, blanks, ignore_merges=False),
        "mistral-v3": sentence_piece(metaspace("first", False), None),
        "phi3": sentence_piece(None, blanks, phi3),
        "gemma": sentence_piece({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}, replace(" ", "▁"), [*SPM_TOKENS, *long_blanks],
                                ["▁▁", "▁▁▁▁", "\n", "\n\n", "\n\n\n"]),
        "metaspace-split": sentence_piece(metaspace("always", True), None, extra=["▁▁", "▁▁▁▁"]),
        "metaspace-never": sentence_piece(metaspace("never", True), nfkc, fuse_unk=False, byte_fallback=False),
        "t5": unigram(metaspace("always", True), t5),
        "albert": unigram(sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace("always", True)), albert),
        "xlm-unigram-bytes": unigram(metaspace("first", False), {"type": "Nmt"}, byte_fallback=True),
        "bert": word_piece(bert, {"type": "BertPreTokenizer"}),
        "bert-cased": word_piece({**bert, "lowercase": False, "strip_accents": True}, {"type": "BertPreTokenizer"}),
        "gpt1": lambda texts: pipeline(trained_bpe(texts, {"type": "Whitespace"}, {"type": "Lowercase"}, unk_token="<unk>", end_of_word_suffix="</w>"), {"type": "Whitespace"}, {"type": "Lowercase"}),
        "prefix": lambda texts: pipeline(trained_bpe(texts, {"type": "WhitespaceSplit"}, {"type": "NFD"}, unk_token="a", continuing_subword_prefix="##", fuse_unk=True), {"type": "WhitespaceSplit"}, {"type": "NFD"}),
        "words": word_level(sequence("pretokenizers", {"type": "Whitespace"}, {"type": "Punctuation", "behavior": "MergedWithNext"}), sequence("normalizers", {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Lowercase"})),
        "cuts": word_level(sequence("pretokenizers", {"type": "CharDelimiterSplit", "delimiter": " "}, regex_split(r"\d+", "MergedWithPrevious"), regex_split(r"(?<=[a-z])\b|\.$|^\(", "MergedWithNext"), regex_split(r"\w{2}", "Contiguous", True))),
    }  # fmt: skip


def utf16_lengths(text: str) -> List[int]:
    lengths = [0]
    for character in text:
        lengths.append(lengths[-1] + (2 if ord(character) > 0xFFFF else 1))
    return lengths


def encode(tokenizer: Any, text: str) -> Tuple[List[int], List[int], List[int]]:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    at = utf16_lengths(text)
    return encoding.ids, [at[start] for start, _ in encoding.offsets], [at[end] for _, end in encoding.offsets]


def hash_of(encoded: Sequence[Sequence[Sequence[int]]]) -> str:
    written = "|".join(";".join(",".join(map(str, numbers)) for numbers in one) for one in encoded)
    return hashlib.sha256(written.encode("ascii")).hexdigest()[:12]


def main() -> None:
    from tokenizers import Tokenizer, __version__

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    samples = sample_texts()
    texts = [*samples, *(path.read_bytes().decode("utf-8") for path in args.files)]
    write(args.out / "texts.json.gz", texts)
    result: Dict[str, Any] = {}
    for name, build in kinds().items():
        if args.only and args.only != name:
            continue
        content = build(samples)
        tokenizer = Tokenizer.from_str(json.dumps(content))
        encoded = [encode(tokenizer, text) for text in texts]
        if args.full:
            write(args.out / f"{name}.json.gz", {"tokenizer": content, "encoded": encoded})
        else:
            result[name] = {"tokenizer": content, "hashes": [hash_of(encoded[i : i + GROUP]) for i in range(0, len(encoded), GROUP)]}
        print(name, sum(len(ids) for ids, _, _ in encoded), flush=True)
    if result:
        write(args.out / "pipelines.json.gz", {"library": f"tokenizers {__version__}", "pipelines": result})


if __name__ == "__main__":
    run_program(main)
