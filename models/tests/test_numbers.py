"""What the command line says of a document, against figures worked out anew from the guide's formulas and the model's weights.

Nothing of the product is imported: `independent_model.py` computes the model, and this file the figures. The last test
prints the worst difference of each.
"""

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import pytest

from independent_model import Model, divergence_bits, softmax, surprisal_bits
from mta.kernel_kinds import kernel_name, mixing_name

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = ROOT / "models" / "bundled" / "mta-base"

FACT = "The password of the vault is quartz-7391."
TEXT = (
    f"# Notes 😀\n\n{FACT}\n"
    "alpha = load(items)\n\nfor item in alpha:\n    print(item, beta[item])  # größe\n"
    "beta = alpha[items]\nThe river runs by the mill, and the mill by the road.\n"
    "x\nfor item in beta:\n    print(item, alpha[item])\n"
    f"It rained all day, and the mill stood still.\n{FACT}\nend of notes: print(items)\n"
).replace("\n", "\r\n")
SHORT = TEXT[:70]

worst: Dict[str, float] = {}


def close(name: str, got, expected, limit: float) -> None:
    """Compares arrays whose NaN (None in JSON) must agree, and keeps the worst difference."""
    got, expected = (np.asarray(values, dtype=float) for values in (got, expected))
    assert got.shape == expected.shape, f"{name}: {got.shape} and {expected.shape}"
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected), err_msg=name)
    difference = float(np.nanmax(np.abs(got - expected))) if np.any(~np.isnan(got)) else 0.0
    worst[name] = max(worst.get(name, 0.0), difference)
    assert difference <= limit, f"{name}: off by {difference}"


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def offset_of(text: str, part: str, last: bool = False) -> int:
    return utf16(text[: text.rindex(part) if last else text.index(part)])


class Product:
    """The command line, on one document."""

    def __init__(self, program: List[str], folder: Path, model: Path) -> None:
        self.program, self.folder, self.model = program, folder, model

    def __call__(self, command: str, text: str, *options: str, model: Optional[Path] = None):
        document = self.folder / f"{command}.md"
        document.write_bytes(text.encode("utf-8"))
        out = self.folder / f"{command}.out"
        flag = "--out" if command == "export" else "--json"
        run = subprocess.run(
            [*self.program, command, str(document), "--model", str(model or self.model), *options, flag, str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        return np.load(out) if command == "export" else json.loads(out.read_text(encoding="utf-8"))


    def figures(self, text: str, model: Path) -> dict:
        """Lens and kernel names, which no command has."""
        document = self.folder / "figures.md"
        document.write_bytes(text.encode("utf-8"))
        program = ["node", "--import", "tsx", "test/figures.ts", str(model), str(document)]
        return json.loads(subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def product(tmp_path_factory, command_line) -> Product:
    folder = tmp_path_factory.mktemp("numbers")
    # A random model with every part; its context is made longer, so that a whole document fits.
    model = folder / "tiny-model"
    shutil.copytree(ROOT / "test" / "fixtures" / "tiny-model", model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "max_seqlen": 512}))
    return Product(command_line, folder, model)


@pytest.fixture(scope="module")
def model(product) -> Model:
    return Model(product.model)


class Document:
    def __init__(self, model: Model, analysis: dict, text: str) -> None:
        self.text = text
        self.ids = [token["id"] for token in analysis["tokens"]]
        self.starts = [token["start"] for token in analysis["tokens"]]
        self.ends = [token["end"] for token in analysis["tokens"]]
        self.log_probabilities, self.layers = model.run(self.ids)
        self.line_of = [self.line_at(start) if end > start or i > 0 else -1 for i, (start, end) in enumerate(zip(self.starts, self.ends))]

    def line_at(self, offset: int) -> int:
        before = self.text.encode("utf-16-le")[: 2 * offset].decode("utf-16-le", "ignore")
        before = before + ("\n" if before.endswith("\r") and not self.text[len(before) :].startswith("\n") else "")
        return before.replace("\r\n", "\n").count("\n")

    def tokens_between(self, first: int, end: int) -> Tuple[int, int]:
        at = lambda offset: max(i for i, start in enumerate(self.starts) if start <= offset and (i > 0 or offset == 0))  # noqa: E731
        return at(first), at(end - 1) + 1


@pytest.fixture(scope="module")
def analysis(product):
    return product("analyze", TEXT, "--layer", "2", "--head", "3", "--stage", "mixed_pattern", "--top", "5")


@pytest.fixture(scope="module")
def document(model, analysis) -> Document:
    return Document(model, analysis, TEXT)


def bytes_of_token_strings() -> Dict[str, int]:
    """The byte-level alphabet: printable bytes stand for themselves, the others for characters from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def test_analyze(product, document, analysis):
    vocabulary = json.loads((product.model / "tokenizer.json").read_text())["model"]["vocab"]
    strings = {index: string for string, index in vocabulary.items()}
    alphabet = bytes_of_token_strings()
    spelled = b"".join(bytes(alphabet[c] for c in strings[index]) for index in document.ids[1:])
    assert spelled == TEXT.encode("utf-8"), "the ids spell the document"
    assert document.ends[0] == 0 and document.ends[-1] == utf16(TEXT)
    assert document.starts[1:] == document.ends[:-1]
    surprisal = surprisal_bits(document.log_probabilities, document.ids)
    close("surprisal, bits", [token["surprisal_bits"] for token in analysis["tokens"]], surprisal, 1e-4)
    for i, token in enumerate(analysis["tokens"]):
        listed = token["predictions"]
        probabilities = np.exp(document.log_probabilities[i])
        close("probability of predictions", [p["probability"] for p in listed], [probabilities[p["id"]] for p in listed], 5e-5)
        close("order of predictions", [p["probability"] for p in listed], np.sort(probabilities)[::-1][: len(listed)], 5e-5)
    weights = document.layers[2]["mixed_pattern"][3]
    close("row sums", [row["sum"] for row in analysis["rows"]], weights.sum(-1), 2e-5)
    for row in analysis["rows"]:
        mine = weights[row["query"], : row["query"] + 1]
        close("top keys", [key["weight"] for key in row["top"]], [mine[key["key"]] for key in row["top"]], 2e-5)
        magnitudes = np.sort(np.abs(mine))[::-1][: len(row["top"])]
        close("top keys", np.abs([key["weight"] for key in row["top"]]), magnitudes, 2e-5)


def test_bundled_model(product):
    analysis = product("analyze", TEXT, "--layer", "6", "--head", "1", model=BUNDLED)
    ids = [token["id"] for token in analysis["tokens"]]
    log_probabilities, layers = Model(BUNDLED).run(ids)
    surprisal = [token["surprisal_bits"] for token in analysis["tokens"]]
    close("mta-base: surprisal, bits", surprisal, surprisal_bits(log_probabilities, ids), 2e-4)
    sums = [row["sum"] for row in analysis["rows"]]
    close("mta-base: row sums", sums, layers[6]["mixed_pattern"][1].sum(-1), 1e-4)


def test_export(product, document):
    for stage in ("convolved_scores", "mixed_pattern"):
        file = product("export", TEXT, "--format", "npz", "--layer", "2", "--head", "3", "--stage", stage)
        (key,) = [key for key in file.files if key.startswith("layer_2")]
        limit = 1e-4 if "scores" in stage else 2e-5
        got = np.squeeze(file[key])
        rows = np.tril_indices(len(document.ids))
        close(f"npz: {stage}", got[rows], document.layers[2][stage][3][rows], limit)


def octave(distance: int) -> int:
    return 0 if distance == 0 else int(math.floor(math.log2(distance))) + 1


def head_measures(ids: List[int], stages: Dict[str, np.ndarray], head: int, has_pre: bool, has_post: bool) -> Dict[str, float]:
    """By the table "Of heads" in docs/guide/heads.md."""
    lists: Dict[str, list] = {name: [] for name in ["context", "pre", "post", "induction", "previous", "entropy", "distance", "sink"]}
    lists.update({name: [] for name in ["duplicate", "own", "near", "evenness", "copying"]})
    signed, copies = stages["mixed_pattern"][head], stages["copies"][head]
    weights = np.abs(stages["mixed_pattern"][head])
    for i in range(1, len(ids)):
        row = weights[i, : i + 1]
        p = row / row.sum()
        distances = np.arange(i, -1, -1)
        lists["entropy"].append(-(p[p > 0] * np.log2(p[p > 0])).sum())
        lists["distance"].append((p * distances).sum())
        lists["previous"].append(p[i - 1])
        lists["sink"].append(p[0])
        lists["own"].append(p[i])
        lists["near"].append(p[max(1, i - 7) :].sum())
        lists["evenness"].append(lists["entropy"][-1] / np.log2(i + 1))
        lists["copying"].append((signed[i, 1:i] * copies[1:i]).sum() / row.sum())
        chance = p.copy()
        octaves = np.array([octave(distance) for distance in distances])
        for which in set(octaves):
            keys = (octaves == which) & (np.arange(i + 1) > 0)
            if keys.any():
                chance[keys] = p[keys].mean()
        successors = [j + 1 for j in range(i) if ids[j] == ids[i] and j + 1 < i]
        if successors:
            lists["induction"].append((p - chance)[successors].sum())
        duplicates = [j for j in range(1, i) if ids[j] == ids[i]]
        if duplicates:
            lists["duplicate"].append((p - chance)[duplicates].sum())
        following = ids[i + 1] if i + 1 < len(ids) else None
        content = [j for j in range(1, i - 7) if ids[j] == ids[i] or ids[j - 1] == ids[i] or ids[j] == following]
        if content:
            lists["context"].append((p - chance)[content].sum())
        if has_pre:
            before, after = (softmax(stages[name][head, i, : i + 1]) for name in ("scores", "convolved_scores"))
            lists["pre"].append(np.abs(before - after).sum() / 2)
        if has_post:
            lists["post"].append(np.abs(stages["pattern"][head, i] - stages["convolved_pattern"][head, i])[: i + 1].sum() / 2)
    return {name: float(np.mean(values)) if values else math.nan for name, values in lists.items()}


def head_kind(m: Dict[str, float]) -> str:
    """By the guide's table "Kinds of heads": the first rule that holds."""
    rules = [
        ("induction", m["induction"] >= 0.1),
        ("duplicate_token", m["duplicate"] >= 0.1),
        ("previous_token", m["previous"] >= 0.3),
        ("own_token", m["own"] >= 0.4),
        ("first_token", m["sink"] >= 0.4),
        ("copying", m["copying"] >= 0.3),
        ("local", m["near"] >= 0.6),
        ("diffuse", m["evenness"] >= 0.7),
    ]
    return next((name for name, holds in rules if holds), "mixed")


def test_heads(product, model, document):
    names = {
        "context": "context_score",
        "pre": "pre_conv_change",
        "post": "post_conv_change",
        "induction": "induction",
        "previous": "previous_token",
        "entropy": "entropy_bits",
        "distance": "mean_distance",
        "sink": "sink_share",
        "duplicate": "duplicate_token",
        "own": "own_token",
        "near": "near_share",
        "evenness": "evenness",
        "copying": "copying",
    }
    # A place among the tokens may be another one in fp32; that of one key is 2 / 60 of one weight.
    limits = {"distance": 1e-3, "copying": 5e-4}
    json_ = product("heads", TEXT)
    assert json_["ranked_by"] == "context_score" and len(json_["heads"]) == model.n_layers * model.n_heads
    order = [head["context_score"] for head in json_["heads"]]
    assert order == sorted(order, reverse=True)
    for head in json_["heads"]:
        parts = model.kernels_of(head["layer"])
        stages = document.layers[head["layer"]]
        has = ["pre_softmax_conv" in parts, "post_softmax_conv" in parts]
        expected = head_measures(document.ids, stages, head["head"], *has)
        for mine, theirs in names.items():
            value = math.nan if head[theirs] is None else head[theirs]
            close(f"heads: {theirs}", value, expected[mine], limits.get(mine, 5e-5))
        assert head["kind"] == head_kind(expected), head


def relevance(document: Document, method: str, heads: List[Tuple[int, int]], rows: range, direction: str = "attends") -> np.ndarray:
    """One weight per token: means, strongest weights or rollout of magnitudes, by "Relevance of tokens and lines"."""
    n = len(document.ids)
    maps = [document.layers[layer]["mixed_pattern"][head] for layer, head in heads]
    vectors = [m[list(rows)].mean(0) if direction == "attends" else m[:, list(rows)].mean(1) for m in maps]
    if method in ("head", "mean"):
        return np.mean(vectors, axis=0)
    if method == "max":
        stacked = np.array(vectors)
        return stacked[np.abs(stacked).argmax(0), np.arange(n)]
    flow = np.zeros((n, n))
    flow[np.arange(n), np.arange(n)] = 1
    for layer in sorted({layer for layer, _ in heads}):
        mass = sum(np.abs(document.layers[layer]["mixed_pattern"][head]) for of, head in heads if of == layer)
        mass = mass / mass.sum(-1, keepdims=True)
        flow = (mass / 2 + np.eye(n) / 2) @ flow
    return flow[list(rows)].mean(0) if direction == "attends" else flow[:, list(rows)].mean(1)


def by_line(document: Document, weights: np.ndarray, selection: Tuple[int, int]) -> Dict[int, Tuple[float, float]]:
    lines: Dict[int, list] = {}
    for token, weight in enumerate(weights):
        if document.line_of[token] >= 0 and not selection[0] <= token < selection[1]:
            lines.setdefault(document.line_of[token], []).append(abs(weight))
    return {line: (sum(values), sum(values) / len(values)) for line, values in lines.items()}


def spearman(a, b) -> Optional[float]:
    def ranks(values):
        values = np.asarray(values, dtype=float)
        return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])

    x, y = ranks(a), ranks(b)
    return float(np.corrcoef(x, y)[0, 1])


ALL = [(layer, head) for layer in range(3) for head in range(4)]


@pytest.mark.parametrize(
    "options, method, heads",
    [
        (["--method", "mean", "--heads", "all", "--occlude", "replace"], "mean", ALL),
        (["--method", "max", "--heads", "0.*, 2.3", "--occlude", "remove"], "max", [(0, h) for h in range(4)] + [(2, 3)]),
        (["--method", "rollout", "--heads", "0.*, 2.1"], "rollout", [(0, h) for h in range(4)] + [(2, 1)]),
    ],
)
def test_context(product, model, document, options, method, heads):
    first, end = offset_of(TEXT, "quartz", last=True), offset_of(TEXT, "7391.", last=True)
    json_ = product("context", TEXT, "--at", str(first), "--to", str(end), *options)
    selection = document.tokens_between(first, end)
    assert (json_["selection"]["first"], json_["selection"]["end"]) == selection
    rows = range(*selection)
    direction = json_["direction"]
    weights = relevance(document, method, heads, rows, direction)
    close(f"context {method}", json_["weights"], weights, 2e-5)
    assert json_["skipped_layers"] == ([1] if method == "rollout" else None)
    lines = by_line(document, weights, selection)
    for line in json_["lines"]:
        close("relevance of lines", [line["relevance"], line["relevance_mean"]], lines[line["line"] - 1], 1e-4)
    order = [(line["text"] == "", -line["relevance_mean"]) for line in json_["lines"]]
    assert order == sorted(order) and len(order) == len(lines) and order[-1][0]
    if json_["occlusion"] is None:
        return
    predicting = by_line(document, relevance(document, method, heads, range(rows.start - 1, rows.stop - 1)), selection)
    ids = document.ids[: selection[1]]
    blank = json.loads((product.model / "tokenizer.json").read_text())["model"]["vocab"]["Ġ"]
    occluded = [line for line in json_["lines"] if "divergence_bits" in line]
    assert len(occluded) > 8
    own = surprisal_bits(document.log_probabilities, document.ids)[rows.start : rows.stop].mean()
    close("surprisal of the selection", json_["occlusion"]["surprisal_bits"], own, 1e-4)
    for line in occluded:
        tokens = [i for i in range(selection[0]) if document.line_of[i] == line["line"] - 1]
        if json_["occlusion"]["mode"] == "replace":
            changed = [blank if i in tokens else token for i, token in enumerate(ids)]
        else:
            changed = [token for i, token in enumerate(ids) if i not in tokens]
        log_q, _ = model.run(changed)
        n = selection[1] - selection[0]
        change = surprisal_bits(log_q, changed)[-n:].mean() - own
        divergence = divergence_bits(document.log_probabilities[rows.start : rows.stop], log_q[-n:]).mean()
        close("occlusion: surprisal, bits", line["surprisal_bits"], change, 1e-4)
        close("occlusion: KL, bits", line["divergence_bits"], divergence, 1e-4)
        both = [line["predicting_relevance"], line["predicting_relevance_mean"]]
        close("relevance of predicting rows", both, predicting[line["line"] - 1], 1e-4)
    column = lambda name: [line[name] for line in occluded]  # noqa: E731
    correlations = json_["occlusion"]["rank_correlation"]
    effects = {
        "divergence": (column("divergence_bits"), ""),
        "surprisal": (column("surprisal_bits"), "predicting_"),
        "surprisal_size": (np.abs(column("surprisal_bits")), "predicting_"),
    }
    for name, (effect, rows_) in effects.items():
        expected = [spearman(column(f"{rows_}{of}"), effect) for of in ("relevance", "relevance_mean")]
        expected.append(spearman(column("line"), effect))
        got = [correlations[name][of] for of in ("relevance", "relevance_mean", "nearness")]
        close("rank correlations", got, expected, 1e-9)


def test_choose_heads(product, model, document, tmp_path):
    """QRHead: attention of the predicting rows on the gold passage, less that of "N/A" in place of the query's line."""
    lines = TEXT.split("\r\n")
    starts = [utf16("\r\n".join(lines[:i])) + (2 if i else 0) for i in range(len(lines))]
    passage, *_, asked = [i for i, line in enumerate(lines) if len(line) > 12]
    label = {
        "query": [starts[asked] + 4, starts[asked] + 9],
        "gold": [starts[passage], starts[passage] + utf16(lines[passage])],
    }
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps([label]))
    got = product("choose-heads", TEXT, "--labels", str(labels), "--count", "3")
    first, end = document.tokens_between(*label["query"])
    gold = slice(*document.tokens_between(*label["gold"]))
    without = TEXT[: len("\r\n".join(lines[:asked])) + 2] + "N/A"
    other = Document(model, product("analyze", without, "--layer", "0", "--head", "0"), without)
    nothing = [i for i, start in enumerate(other.starts) if start >= starts[asked]]
    expected = []
    for stages, stages_without in zip(document.layers, other.layers):
        weights = stages["mixed_pattern"][:, first - 1 : end - 1].mean(1)
        c = (weights[:, : len(other.ids)] - stages_without["mixed_pattern"][:, nothing].mean(1)[:, : weights.shape[1]])[:, gold]
        kept = c >= c.mean(1, keepdims=True) - 2 * c.std(1, ddof=1, keepdims=True)
        expected += list((c * kept).sum(1))
    close("retrieval scores", [head["score"] for head in got["scores"]], expected, 2e-6)
    order = np.argsort(-np.array(expected), kind="stable")[:3]
    assert [head["layer"] * model.n_heads + head["head"] for head in got["heads"]] == list(order)
    assert (got["examples"], got["source"]) == (1, "labels")


def search_ranges(document: Document, room: int, earlier: int):
    """(first token of the range, first and last token of its span), by "document search" in the guide."""
    n = len(document.ids) - 1
    line = document.line_of[1:]
    first, ranges = 0, []
    while first < n:
        start = max(0, first - earlier)
        end = min(n, start + room)
        if end < n:
            least = max(first + 1, end - (end - first) // 2)
            end = next((t for t in range(end, least - 1, -1) if line[t] != line[t - 1]), end)
        ranges.append((start, first, end))
        first = end
    return ranges


@pytest.mark.parametrize("question", [None, "the vault"])
def test_search(product, model, document, question):
    first, end = offset_of(TEXT, "quartz", last=True), offset_of(TEXT, "7391.", last=True)
    place = ["--question", question] if question else ["--at", str(first), "--to", str(end)]
    max_tokens = 96
    json_ = product("search", TEXT, *place, "--max-tokens", str(max_tokens), "--method", "mean", "--heads", "all")
    ids = document.ids[1:]
    starts, ends = document.starts[1:], document.ends[1:]
    line = document.line_of[1:]
    if question:
        asked = product("analyze", question, "--top", "1")
        probe = [token["id"] for token in asked["tokens"]][1:]
        lead, selected = 0, len(probe)
        copy = (10**9, 10**9)
    else:
        tokens = [t - 1 for t in document.tokens_between(first, end)]
        lead = min(tokens[0], max_tokens // 8, 48)
        selected = tokens[1] - tokens[0]
        probe = ids[tokens[0] - lead : tokens[1]]
        rest = tokens[1]
        while rest < len(ids) and line[rest] == line[tokens[1] - 1]:
            rest += 1
        copy = (starts[tokens[0] - lead], ends[rest - 1])
    assert 0 < selected <= max_tokens // 8
    is_copy = [start < copy[1] and stop > copy[0] for start, stop in zip(starts, ends)]
    begin = document.ids[:1]

    def selection_bits(before):
        all_ids = begin + list(before) + list(probe)
        return surprisal_bits(model.run(all_ids)[0], all_ids)[-selected:].mean()

    close("search: baseline, bits", json_["baseline_bits"], selection_bits([]), 1e-4)
    expected: Dict[Tuple[int, int], dict] = {}
    ranges = search_ranges(document, max_tokens - 1 - len(probe), max_tokens // 2)
    assert json_["windows"] == len(ranges) > 2
    for start, span, stop in ranges:
        all_ids = begin + ids[start:stop] + list(probe)
        log_probabilities, layers = model.run(all_ids)
        rows = list(range(len(all_ids) - selected, len(all_ids)))
        weights = np.mean([stages["mixed_pattern"][:, rows].mean(1) for stages in layers], axis=(0, 1))[1:]
        bits = surprisal_bits(log_probabilities, all_ids)[1:]
        before = [ids[t] for t in range(start, span) if not is_copy[t]]
        own = [ids[t] for t in range(span, stop) if not is_copy[t]]
        gain = selection_bits(before) - selection_bits(before + own) if own else math.nan
        for of in sorted(set(line[span:stop])):
            tokens = [t for t in range(span, stop) if line[t] == of]
            counted = [abs(weights[t - start]) for t in tokens if not is_copy[t]]
            expected[(of + 1, span)] = {
                "relevance": sum(counted),
                "relevance_mean": sum(counted) / max(1, len(counted)),
                "surprisal_bits": np.mean([bits[t - start] for t in tokens]),
                "gain_bits": gain if counted else math.nan,
                "gain_lines": [line[span] + 1, line[stop - 1] + 1],
            }
    got = sorted(json_["lines"], key=lambda entry: (entry["line"], entry["strongest_at"]))
    mine = [entry for _, entry in sorted(expected.items())]
    assert [entry["line"] for entry in got] == [of for of, _ in sorted(expected)]
    for name, limit in [("relevance", 2e-5), ("relevance_mean", 2e-5), ("surprisal_bits", 1e-4), ("gain_bits", 2e-4)]:
        numbers = lambda entries, name=name: [math.nan if entry[name] is None else entry[name] for entry in entries]  # noqa: E731
        close(f"search: {name}", numbers(got), numbers(mine), limit)
    assert [entry["gain_lines"] for entry in got] == [entry["gain_lines"] for entry in mine]
    if question:
        fact = TEXT[: TEXT.index(FACT)].count("\n") + 1
        gains = {tuple(entry["gain_lines"]): entry["gain_bits"] for entry in got}
        assert all(np.isfinite(gain) for gain in gains.values())
        assert any(first <= fact <= last for first, last in gains)


def test_ablate(product, model):
    json_ = product("ablate", SHORT, "--parts-only")
    analysis = product("analyze", SHORT, "--top", "1")
    ids = [token["id"] for token in analysis["tokens"]]
    log_p, _ = model.run(ids)
    base = surprisal_bits(log_p, ids)
    kls = [effect["mean_kl_bits"] for effect in json_["effects"]]
    assert kls == sorted(kls, reverse=True)
    assert len(kls) == sum(len(model.kernels_of(layer)) for layer in range(model.n_layers))
    for effect in json_["effects"]:
        parts = dict(model.kernels_of(effect["layer"]))
        identity = np.zeros_like(parts[effect["part"]])
        if effect["part"].endswith("conv"):
            identity[:, -1, identity.shape[-1] // 2] = 1
        else:
            identity = np.eye(len(identity))
        parts[effect["part"]] = identity
        log_q, _ = model.run(ids, {effect["layer"]: parts})
        close("ablate: KL, bits", effect["mean_kl_bits"], divergence_bits(log_p, log_q).mean(), 1e-4)
        change = np.nanmean(surprisal_bits(log_q, ids) - base)
        close("ablate: surprisal, bits", effect["mean_surprisal_change_bits"], change, 1e-4)


def test_eval(product, document):
    json_ = product("eval", TEXT)
    (file,) = json_["files"]
    bits = surprisal_bits(document.log_probabilities, document.ids)[1:]
    n_bytes = len(TEXT.encode("utf-8"))
    close("eval: bits per byte", file["bits_per_byte"], bits.sum() / n_bytes, 1e-5)
    close("eval: perplexity", file["perplexity"] / 2 ** bits.mean(), 1, 1e-5)
    hits = document.log_probabilities[:-1].argmax(-1) == np.array(document.ids[1:])
    close("eval: accuracy", file["top1_accuracy"], hits.mean(), 1e-9)


def check_names(model: Model, names: List[dict]) -> None:
    for entry in names:
        weights = model.kernels_of(entry["layer"])[entry["part"]][entry["head"]]
        name = kernel_name(weights) if entry["part"].endswith("conv") else mixing_name(weights, entry["head"])
        assert entry["name"] == name, entry
    assert len(names) == model.n_heads * sum(len(model.kernels_of(layer)) for layer in range(model.n_layers))


def check_cells(model: Model, document: Document, cells: List[dict]) -> None:
    assert len(cells) > 30
    for cell in cells:
        layer, stage, head, i, j = (cell[of] for of in ("layer", "stage", "head", "query", "key"))
        parts, stages = model.kernels_of(layer), document.layers[layer]
        side, source = ("pre", "scores") if stage.endswith("scores") else ("post", "pattern")
        convolved = stages[f"convolved_{source}"][:, i, j]
        kernels = parts.get(f"{side}_softmax_conv")
        own = stages[source][:, i, j] * (1 if kernels is None else kernels[:, -1, kernels.shape[-1] // 2])
        mixing = parts.get(f"{side}_softmax_head_mix") if stage.startswith("mixed") else None
        weights = np.eye(model.n_heads)[head] if mixing is None else mixing[head]
        subtotals = dict(cell["sources"])
        got = [subtotals.get(of, 0) for of in range(model.n_heads)]
        close("lens: parts by head", got, weights * convolved, 1e-4)
        close("lens: own pair", cell["own"], (weights * own).sum(), 1e-4)
        row = stages[stage][head, i, : i + 1]
        close("lens: sum of the parts", cell["total"], row[j], 1e-4)
        others = np.delete(row, j)
        assert (cell["other"] is None) == (len(others) == 0)
        if len(others) > 0:
            close("lens: largest other key", row[cell["other"]], others.max(), 1e-5)
            assert cell["isAbove"] == (others.max() > row[j]) or abs(others.max() - row[j]) < 1e-5


def test_lens_and_kernel_names(product, model, document):
    tiny = product.figures(TEXT, product.model)
    check_names(model, tiny["names"])
    check_cells(model, document, tiny["lens"])
    bundled = product.figures(SHORT, BUNDLED)
    check_names(Model(BUNDLED), bundled["names"])
    assert len({entry["name"] for entry in bundled["names"]}) >= 5


def test_worst_differences(capsys):
    with capsys.disabled():
        print("\nworst differences between the command line and an independent computation:")
        for name, difference in worst.items():
            print(f"  {name:32} {difference:.1e}")
