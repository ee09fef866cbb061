"""Collect source code for training from what the machine holds anyway, permissive licences only.

Usage: python3 -m training.collect_code --repository .. --out .cache/code

Sources: the standard libraries of Python and Go, and the sources of this project's own dependencies (npm and apt).
Writes train.jsonl and heldout.jsonl (the corpus' format: id, source, licence, text) and sources.json with counts.
Whole packages are held out, never single files: `HELD_OUT` names them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from mta.program import InputError, read_json, run_program

PERMISSIVE = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Python-2.0", "BlueOak-1.0.0", "CC0-1.0"}
LANGUAGES = {".py": "python", ".go": "go", ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript",
             ".ts": "typescript", ".tsx": "typescript", ".css": "css", ".scss": "css", ".json": "json", ".sh": "shell",
             ".bash": "shell"}  # fmt: skip
HELD_OUT = {
    "python": {"asyncio", "email", "sqlite3", "tomllib"},
    "go": {"net/http", "encoding/json", "strconv", "go/printer"},
    "npm": {"cheerio", "fflate", "semver", "js-yaml", "jszip", "playwright-core", "tabbable", "glob", "css-select"},
    "apt": {"yaml"},
}
PYTHON_PACKAGES = {"torch": "BSD-3-Clause", "numpy": "BSD-3-Clause", "_pytest": "MIT", "yaml": "MIT"}
NODE_MODULES = ("node_modules", "test/e2e/workbench/node_modules")
MAX_DOCUMENT_BYTES = 65_536
MAX_FILE_BYTES = 400_000


@dataclass
class SourceFile:
    """One readable file and where it belongs."""

    package: str
    group: str
    licence: str
    name: str
    path: Path


def python_stdlib(root: Path) -> Iterator[SourceFile]:
    """The standard library; the package is its first folder, or the module's own name."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if parts[0] in ("site-packages", "dist-packages", "lib2to3", "idlelib") or "__pycache__" in parts:
            continue
        yield SourceFile(parts[0].removesuffix(".py"), "python", "Python-2.0", "/".join(parts), path)


def go_stdlib(root: Path) -> Iterator[SourceFile]:
    """GOROOT/src without test data; a package is a folder."""
    for pattern in ("*.go", "*.sh", "*.bash"):
        for path in sorted(root.rglob(pattern)):
            relative = path.relative_to(root)
            if not {"testdata", "vendor"} & set(relative.parts):
                yield SourceFile(relative.parent.as_posix(), "go", "BSD-3-Clause", relative.as_posix(), path)


def npm_packages(node_modules: Path) -> Iterator[SourceFile]:
    """Every installed package whose package.json states one permissive licence."""
    manifests = [*node_modules.glob("*/package.json"), *node_modules.glob("@*/*/package.json")]
    for manifest in sorted(manifests):
        try:
            content = read_json(manifest)
        except (OSError, ValueError):
            continue
        licence = content.get("license")
        if licence not in PERMISSIVE:
            continue
        folder = manifest.parent
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.suffix in LANGUAGES and path.is_file() and not path.is_symlink() and "node_modules" not in parts:
                name = folder.relative_to(node_modules).as_posix()
                yield SourceFile(name, "npm", licence, "/".join(parts), path)


def python_packages(dist_packages: Path) -> Iterator[SourceFile]:
    """The Python part of this project's own apt dependencies."""
    for package, licence in PYTHON_PACKAGES.items():
        for path in sorted((dist_packages / package).rglob("*.py")):
            name = path.relative_to(dist_packages).as_posix()
            yield SourceFile(package, "apt", licence, name, path)


def readable_text(path: Path) -> Optional[str]:
    """The file's text with LF line ends, or None when it is not text that a person wrote."""
    try:
        size_bytes = path.stat().st_size
        if not 200 <= size_bytes <= MAX_FILE_BYTES:
            return None
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError):
        return None
    lines = text.split("\n")
    n_long = sum(len(line) for line in lines if len(line) > 300)
    head = text[:600]
    generated = re.search(r"Code generated|DO NOT EDIT|@generated|auto-?generated", head, re.IGNORECASE)
    if ".min." in path.name or n_long > 0.1 * len(text) or (generated and size_bytes > 20_000) or "\x00" in text:
        return None
    n_digits = sum(character.isdigit() for character in text)
    return None if n_digits > 0.2 * len(text) else text


def pieces(text: str) -> List[str]:
    """Cut at line ends so that no piece is over `MAX_DOCUMENT_BYTES`."""
    parts, current, size = [], [], 0
    for line in text.splitlines(keepends=True):
        n = len(line.encode("utf-8"))
        if size + n > MAX_DOCUMENT_BYTES and current:
            parts.append("".join(current))
            current, size = [], 0
        current.append(line)
        size += n
    return [*parts, "".join(current)]


def collect(files: Iterator[SourceFile], caps_bytes: Dict[str, int]) -> Iterator[dict]:
    """Documents in hash order, exact duplicates once, at most `caps_bytes[group]` a group (held-out files apart)."""
    seen, used = set(), {}
    for file in sorted(files, key=lambda f: hashlib.sha1(f"{f.group}/{f.package}/{f.name}".encode()).digest()):
        heldout = any(file.package == p or file.package.startswith(p + "/") for p in HELD_OUT[file.group])
        if not heldout and used.get(file.group, 0) >= caps_bytes[file.group]:
            continue
        text = readable_text(file.path)
        digest = text and hashlib.sha1(text.encode("utf-8")).digest()
        if not text or digest in seen:
            continue
        seen.add(digest)
        if not heldout:
            used[file.group] = used.get(file.group, 0) + len(text.encode("utf-8"))
        for index, piece in enumerate(pieces(text)):
            yield {"id": f"{file.group}/{file.package}/{file.name}#{index}", "source": f"{file.group}:{file.package}",
                   "group": file.group, "language": LANGUAGES[file.path.suffix], "licence": file.licence,
                   "heldout": heldout, "text": piece}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True, help="checkout whose npm dependencies are read, those of the tests' workbench too")
    parser.add_argument("--python-stdlib", type=Path, default=Path(sysconfig.get_paths()["stdlib"]))
    parser.add_argument("--dist-packages", type=Path, default=Path("/usr/lib/python3/dist-packages"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if not args.repository.is_dir():
        raise InputError(f"There is no folder {args.repository}; name a checkout with --repository.")
    goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()

    def all_files() -> Iterator[SourceFile]:
        yield from python_stdlib(args.python_stdlib)
        yield from go_stdlib(Path(goroot) / "src")
        for folder in NODE_MODULES:
            yield from npm_packages(args.repository / folder)
        yield from python_packages(args.dist_packages)

    caps_bytes = {"python": 30_000_000, "go": 40_000_000, "npm": 60_000_000, "apt": 20_000_000}
    args.out.mkdir(parents=True, exist_ok=True)
    counts: Dict[str, dict] = {}
    with open(args.out / "train.jsonl", "w", encoding="utf-8") as train, \
            open(args.out / "heldout.jsonl", "w", encoding="utf-8") as heldout:  # fmt: skip
        for document in collect(all_files(), caps_bytes):
            (heldout if document["heldout"] else train).write(json.dumps(document, ensure_ascii=False) + "\n")
            row = counts.setdefault(document["source"], {"group": document["group"], "licence": document["licence"],
                                                         "heldout": document["heldout"], "documents": 0, "bytes": 0,
                                                         "languages": {}})  # fmt: skip
            n_bytes = len(document["text"].encode("utf-8"))
            row["documents"] += 1
            row["bytes"] += n_bytes
            row["languages"][document["language"]] = row["languages"].get(document["language"], 0) + n_bytes
    (args.out / "sources.json").write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n")
    for heldout_split in (False, True):
        totals: Dict[str, int] = {}
        for row in counts.values():
            if row["heldout"] == heldout_split:
                for language, n_bytes in row["languages"].items():
                    totals[language] = totals.get(language, 0) + n_bytes
        print("held out" if heldout_split else "train", {k: f"{v / 1e6:.1f} MB" for k, v in sorted(totals.items())})


if __name__ == "__main__":
    run_program(main)
