"""Train the tokenizer and write token shards for training and evaluation.

Usage: python3 -m training.prepare --corpus CORPUS --code .cache/code --out .cache/data [--vocab-size 12288]
       … --tokenizer FOLDER/tokenizer.json --begin-token "<|endoftext|>"    with an existing tokenizer instead

Writes OUT/tokenizer.json, OUT/a and OUT/b with training shards (two halves, each small enough to carry alone), and
OUT/eval with the evaluation texts as shards, and `bytes.json`: the UTF-8 bytes of each, for bits per byte.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Iterator, List, Tuple

from mta.program import InputError, run_program
from mta.tokenizer import BEGIN_TOKEN, load_tokenizer, train_byte_level_bpe
from training.data import read_documents, tokenize_documents, write_shard


def tokenizer_sample(sources: List[Tuple[List[Path], int]], seed: int) -> Iterator[str]:
    """From each group of files, random documents (cut at 8 000 characters) up to its number of bytes."""
    for paths, limit_bytes in sources:
        rng, used = random.Random(seed), 0
        total_bytes = sum(1 for path in paths for _ in read_documents(path)) or 1
        keep = min(1.0, limit_bytes / 6000 / total_bytes)
        for path in paths:
            for document in read_documents(path):
                if rng.random() < keep and used < limit_bytes:
                    text = document["text"][:8000]
                    used += len(text)
                    yield text


def encode_file(job: Tuple[Path, str, Path, Path, int, int]) -> dict:
    """Worker: one corpus file to one shard (or every `n_parts`-th document of it)."""
    tokenizer_file, begin_token, source, target, part, n_parts = job
    tokenizer = load_tokenizer(tokenizer_file)
    begin_token_id = tokenizer.token_to_id(begin_token)
    texts = [d["text"] for i, d in enumerate(read_documents(source)) if i % n_parts == part]
    tokens = tokenize_documents(tokenizer, texts, begin_token_id)
    write_shard(target, tokens)
    return {"name": target.name, "tokens": int(tokens.size), "documents": len(texts),
            "bytes": sum(len(t.encode("utf-8")) for t in texts)}  # fmt: skip


def sample_documents(source: Path, target: Path, limit_bytes: int, seed: int) -> None:
    """A random part of a file, for quick evaluation."""
    documents = list(read_documents(source))
    random.Random(seed).shuffle(documents)
    used = 0
    with open(target, "w", encoding="utf-8") as file:
        for document in documents:
            if used < limit_bytes:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
                used += len(document["text"].encode("utf-8"))


def check_tokenizer(path: Path, begin_token: str) -> None:
    """Raise ValueError unless shards can hold the tokenizer's ids and it has the begin token."""
    tokenizer = load_tokenizer(path)
    if tokenizer.get_vocab_size() > 65536:
        raise ValueError(f"{path} has {tokenizer.get_vocab_size()} tokens; shards hold ids of 16 bits, so at most 65536.")
    if tokenizer.token_to_id(begin_token) is None:
        raise ValueError(f'{path} has no token "{begin_token}"; name the token that opens a document with --begin-token.')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--code", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=12288)
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to use instead of training one; at most 65,536 tokens")
    parser.add_argument("--begin-token", default=BEGIN_TOKEN, help="token of that tokenizer that opens every document")
    parser.add_argument("--books", type=int, default=5, help="how many shards of books")
    parser.add_argument("--docs", type=int, default=4, help="how many shards of documentation")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    inputs = [args.corpus / "validation" / "books.jsonl.zst", args.corpus / "validation" / "docs.jsonl.zst", args.code / "train.jsonl", args.code / "heldout.jsonl"]
    missing = [str(path) for path in inputs if not path.is_file()]
    if missing:
        raise InputError(f"Cannot prepare: {', '.join(missing)} missing. Name the corpus, and the folder of training.collect_code.")
    for part in ("a", "b", "eval"):
        (args.out / part).mkdir(parents=True, exist_ok=True)

    tokenizer_file = args.out / "tokenizer.json"
    books = sorted(args.corpus.glob("books-*"))[: args.books]
    docs = sorted(args.corpus.glob("docs-*"))[: args.docs]
    code = args.code / "train.jsonl"
    if args.tokenizer is not None:
        check_tokenizer(args.tokenizer, args.begin_token)
        shutil.copyfile(args.tokenizer, tokenizer_file)
    elif not tokenizer_file.exists():
        sample = tokenizer_sample([(books[:1], 9_000_000), (docs[:1], 11_000_000), ([code], 13_000_000)], args.seed)
        train_byte_level_bpe(sample, args.vocab_size).save(str(tokenizer_file))
        print("tokenizer done", flush=True)

    validation = args.corpus / "validation"
    sample_documents(args.code / "heldout.jsonl", args.out / "eval" / "code.jsonl", 2_000_000, args.seed)
    jobs = [
        (validation / "books.jsonl.zst", args.out / "eval" / "books-000.tokens.xz", 0, 1),
        (validation / "docs.jsonl.zst", args.out / "eval" / "docs-000.tokens.xz", 0, 1),
        (args.out / "eval" / "code.jsonl", args.out / "eval" / "code-000.tokens.xz", 0, 1),
        *((code, args.out / "ab"[i % 2] / f"code-{i:03d}.tokens.xz", i, 4) for i in range(4)),
        *((p, args.out / "ab"[i % 2] / f"docs-{i:03d}.tokens.xz", 0, 1) for i, p in enumerate(docs)),
        *((p, args.out / "ba"[i % 2] / f"books-{i:03d}.tokens.xz", 0, 1) for i, p in enumerate(books)),
    ]
    rows = []
    with ProcessPoolExecutor(2) as pool:
        for row in pool.map(encode_file, ((tokenizer_file, args.begin_token, *job) for job in jobs)):
            rows.append(row)
            print(row, flush=True)
    (args.out / "eval" / "bytes.json").write_text(json.dumps({r["name"].split("-")[0]: r["bytes"] for r in rows[:3]}))
    (args.out / "counts.json").write_text(json.dumps(rows, indent=1))
    print("tokens", {k: sum(r["tokens"] for r in rows[3:] if r["name"].startswith(k)) for k in ("books", "docs", "code")})


if __name__ == "__main__":
    run_program(main)
