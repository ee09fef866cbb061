"""What the `tokenizers` library makes of source files on this machine, hashed by file.

Usage: python3 -m export.tokenizer_files PIPELINES.json.gz DIRECTORY... [--count 500]      (needs `tokenizers`)

Chooses files by a seed and prints one JSON object a line: first `files`, then for each pipeline its `name` and `hashes`, one per
file, as `tokenizer_pipelines.hash_of` makes them. `npm run compare:tokenizers` compares them with the extension's own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path
from typing import List, Sequence

from export.tokenizer_pipelines import encode, hash_of
from mta.program import run_program

SEED = 20261130
KINDS = (".py", ".pyi", ".js", ".mjs", ".ts", ".c", ".h", ".hpp", ".cpp", ".cu", ".md", ".rst", ".html", ".css", ".json", ".yaml", ".toml", ".sh")
LARGEST = 200_000  # bytes


def choose(directories: Sequence[Path], count: int) -> List[Path]:
    """Source files of at most LARGEST bytes in UTF-8, by the seed, at most a third of one kind where there are enough others."""
    found = sorted({path.resolve() for root in directories for path in root.rglob("*") if path.suffix in KINDS and path.is_file()})
    rng = random.Random(SEED)
    rng.shuffle(found)
    chosen: List[Path] = []
    left: List[Path] = []
    for path in found:
        if len(chosen) == count:
            break
        if not 0 < path.stat().st_size <= LARGEST:
            continue
        try:
            path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        is_common = sum(other.suffix == path.suffix for other in chosen) >= count / 3
        (left if is_common else chosen).append(path)
    return [*chosen, *left[: count - len(chosen)]]


def main() -> None:
    from tokenizers import Tokenizer, __version__

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipelines", type=Path)
    parser.add_argument("directories", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=500)
    args = parser.parse_args()
    files = choose(args.directories, args.count)
    print(json.dumps({"library": f"tokenizers {__version__}", "files": list(map(str, files))}), flush=True)
    for name, entry in json.loads(gzip.decompress(args.pipelines.read_bytes()))["pipelines"].items():
        tokenizer = Tokenizer.from_str(json.dumps(entry["tokenizer"]))
        hashes = [hash_of([encode(tokenizer, path.read_bytes().decode("utf-8"))]) for path in files]
        print(json.dumps({"name": name, "hashes": hashes}), flush=True)


if __name__ == "__main__":
    run_program(main)
