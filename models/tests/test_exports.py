"""Exports of the command line as Python reads them, without options, on a text with all that is quoted or counted otherwise."""

import csv
import json
import re
import subprocess
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = '\n=1+1,"a"; \'b\'\r\n\N{GRINNING FACE}\N{GRINNING FACE} e\N{COMBINING ACUTE ACCENT}\t価格 # x\n'.replace("\r\n", "\n")


@pytest.fixture(scope="module")
def exports(tmp_path_factory, command_line):
    """A document, and a function that exports it from the tiny model."""
    folder = tmp_path_factory.mktemp("exports")
    document = folder / "odd, 'name'.txt"
    document.write_text("\N{ZERO WIDTH NO-BREAK SPACE}" + TEXT, encoding="utf-8", newline="")

    def export(form: str, *options: str) -> Path:
        out = folder / f"out.{form}"
        command = [*command_line, "export", document, "--model", "test/fixtures/tiny-model"]
        subprocess.run([*command, "--format", form, "--out", out, *options], cwd=ROOT, check=True)
        return out

    return document, export


def test_npz_as_the_guide_reads_it(exports):
    document, export = exports
    guide = (ROOT / "docs" / "guide" / "exports.md").read_text(encoding="utf-8")
    lines = re.search(r'```python\n(maps = numpy\.load.*?)```', guide, re.S)[1]
    out = export("npz", "--layer", "2", "--stage", "mixed_scores")
    names = {"numpy": numpy, "json": json, "path": document}
    exec(lines.replace('"out.npz"', repr(str(out))), names)
    assert "".join(names["tokens"]) == TEXT
    assert "\N{GRINNING FACE}" in names["tokens"]
    maps, pattern = names["maps"], names["pattern"]
    assert names["info"]["layers"] == [2] and pattern.shape == (4, len(maps["ids"]), len(maps["ids"]))
    assert numpy.isnan(pattern[:, 0, 1:]).all() and not numpy.isnan(pattern[:, -1]).any()
    stored = maps["layer_2.mixed_scores"]
    assert (stored[:, ~numpy.tri(stored.shape[-1], dtype=bool)] == 0).all()
    assert numpy.isnan(maps["surprisal_bits"][0])
    # UTF-16: two units for each emoji.
    assert maps["offsets"][-1] == len(TEXT.encode("utf-16-le")) // 2


@pytest.mark.parametrize("options", [(), ("--bom",)])
def test_csv_as_pythons_reader_reads_it(exports, options):
    document, export = exports
    choice = ("--layer", "1", "--head", "3")
    out = export("csv", *choice, *options)
    assert out.read_bytes().startswith(b"\xef\xbb\xbf") == bool(options)
    with open(out, encoding="utf-8-sig" if options else "utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whole = json.loads(export("json", *choice).read_text(encoding="utf-8"))
    texts = [token["text"] for token in whole["tokens"]]
    assert [(int(row["query"]), int(row["key"])) for row in rows] == [(q, k) for q in range(len(texts)) for k in range(q + 1)]
    for row in rows:
        query, key = int(row["query"]), int(row["key"])
        assert set(row) == {"query", "key", "query_token", "key_token", "value"}
        assert row["query_token"].removeprefix("'") == texts[query].removeprefix("'")
        assert float(row["value"]) == pytest.approx(whole["map"][query][key], rel=1e-4, abs=1e-5)
        assert row["key_token"][:1] not in tuple("=+-@\t\r")
    facts = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert (facts["layer"], facts["head"], facts["file"]) == (1, 3, document.name)
    assert list(facts["columns"]) == list(rows[0])


def test_json_has_code_points(exports):
    _, export = exports
    tokens = json.loads(export("json").read_text(encoding="utf-8"))["tokens"]
    assert "".join(TEXT[token["start_codepoint"]:token["end_codepoint"]] for token in tokens) == TEXT
