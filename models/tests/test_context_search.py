"""Context search: samples are what they claim, scores mean what they say. Bytes serve as tokens; the model is random."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from export.to_safetensors import export_bundle
from mta.config import ModelConfig, MTAConfig
from mta.transformer import Transformer
from training import compare_context
from training.context_report import _number, _signed, markdown_report, nats, shares
from training.context_search import main, make_haystacks, make_samples, score_cells, summarize, summarize_all, usable_lengths
from training.data import write_shard
from training.induction import induction_scores, on_induction_diagonal, repeated_tokens
from training.intervals import mean_interval, paired_difference, wilson_interval
from training.needle_scores import Outcome, model_scorer, score_samples
from training.needles import DEPTHS, NEEDLES, REACH, TASKS, SearchError, build_cell, choose_streams

BEGIN, VOCAB = 256, 257


def encode(text):
    return list(text.encode("utf-8"))


def text_stream(seed, n_documents=6, n_tokens=900):
    """Documents of lower-case letters, spaces and line ends."""
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"abcdefghij      \n", dtype=np.uint8)
    return np.concatenate([np.r_[BEGIN, rng.choice(letters, n_tokens)] for _ in range(n_documents)]).astype(np.uint16)


@pytest.fixture(scope="module")
def haystacks():
    ends_line = np.arange(VOCAB) == ord("\n")
    return make_haystacks({"docs": text_stream(1), "code": text_stream(2)}, ends_line, BEGIN)


@pytest.fixture(scope="module")
def model():
    mta = MTAConfig(use_mta=True, query_kernel_size=2, key_kernel_size=3, mta_layers=(1,), head_kernel_size=2, group_norm=True,
                    pre_sm_linear_head=True)  # fmt: skip
    model = Transformer(ModelConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=VOCAB, max_seqlen=512, mta=mta))
    model.init_weights(5)
    return model.eval()


def cell(haystacks, task, n_needles, count=10, length=480, seed=3):
    return list(build_cell(task, n_needles, length, count, haystacks[task.is_code], encode, BEGIN, seed))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("n_needles", NEEDLES)
def test_samples_hold_each_needle_once_at_its_depth(haystacks, task, n_needles):
    samples = cell(haystacks, task, n_needles)
    assert [sample.depth for sample in samples] == list(DEPTHS) * 2
    for sample in samples:
        values = [bytes(value).decode() for value in sample.values]
        prompt = sample.prompt.tolist()
        assert len(prompt) + len(values[0]) == 480 and prompt[0] == BEGIN and BEGIN not in prompt[1:]
        assert len(set(values)) == n_needles and len({len(value) for value in values}) == 1
        text = bytes(prompt[1:]).decode()
        lines, question = text.split("\n")[:-1], text.split("\n")[-1]
        for value, start in zip(values, sample.starts):
            line = text[start - 1 :].split("\n")[0]
            assert text[start - 2] == "\n" and line.rstrip(";.").endswith(value) and lines.count(line) == 1
        asked_line = text[sample.starts[sample.asked] - 1 :].split("\n")[0]
        if task.name == "uses":
            assert asked_line.split("=")[0].removeprefix("const ").strip() in question
        else:
            assert asked_line.startswith(question + values[sample.asked])
        assert abs(sample.offsets[sample.asked] - sample.depth * sample.n_text) <= REACH + 0.5
        if sample.depth in (0.0, 1.0):
            assert sample.offsets[sample.asked] == sample.depth * sample.n_text


def test_distractors_share_a_word_with_the_key(haystacks):
    task = next(task for task in TASKS if task.name == "pairs")
    for sample in cell(haystacks, task, 6):
        text = bytes(sample.prompt[1:].tolist()).decode()
        keys = [tuple(text[s - 1 :].split("number of the ")[1].split(" is ")[0].split()) for s in sample.starts]
        asked = keys[sample.asked]
        assert len(set(keys)) == 6 and all((key[0] == asked[0]) != (key[1] == asked[1]) for key in keys if key != asked)


def test_samples_depend_on_the_seed_only(haystacks):
    few, many = cell(haystacks, TASKS[0], 4, count=3), cell(haystacks, TASKS[0], 4, count=8)
    assert all(np.array_equal(a.prompt, b.prompt) and a.values == b.values for a, b in zip(few, many))
    assert not np.array_equal(few[0].prompt, cell(haystacks, TASKS[0], 4, count=1, seed=4)[0].prompt)


def copier(rows, n_last):
    """Predicts what followed the longest earlier copy of the text before each position: perfect recall, no language."""
    out = torch.full((len(rows), n_last, VOCAB), -20.0)
    for r, row in enumerate(rows.tolist()):
        for j in range(n_last):
            before = row[: len(row) - n_last + j]
            length = 1
            follower = None
            while length < len(before):
                suffix = before[-length:]
                found = next((i for i in range(len(before) - length - 1, -1, -1) if before[i : i + length] == suffix), None)
                if found is None:
                    break
                follower, length = before[found + length], length + 1
            if follower is not None:
                out[r, j, follower] = 0.0
    return out


@pytest.mark.parametrize("task", [task for task in TASKS if task.name != "uses"], ids=lambda task: task.name)
def test_a_perfect_copier_finds_everything(haystacks, task):
    outcomes = score_samples(cell(haystacks, task, 4, count=5), copier, 4096)
    assert all(outcome.exact and outcome.found and outcome.nats == 0.0 for outcome in outcomes)


def test_a_scorer_that_knows_nothing_finds_nothing(haystacks):
    outcomes = score_samples(cell(haystacks, TASKS[0], 2), lambda rows, n: torch.zeros(len(rows), n, VOCAB), 4096)
    assert not any(outcome.found or outcome.exact for outcome in outcomes), "a tie is not a find"


def test_scores_do_not_depend_on_the_batch(haystacks, model):
    samples = cell(haystacks, TASKS[2], 4, count=5)
    scorer = model_scorer(model, autocast=False)
    alone, together = (score_samples(samples, scorer, batch_tokens) for batch_tokens in (1, 100_000))
    for a, b in zip(alone, together):
        assert (a.exact, a.rank) == (b.exact, b.rank) and a.nats == pytest.approx(b.nats, abs=1e-4)


def test_likelihoods_are_those_of_the_plain_model(haystacks, model):
    samples = cell(haystacks, TASKS[0], 2, count=4)
    for sample, outcome in zip(samples, score_samples(samples, model_scorer(model, autocast=False), 4096)):
        nats = []
        for value in sample.values:
            row = torch.tensor([[*sample.prompt.tolist(), *value]])
            with torch.no_grad():
                log_probs = torch.log_softmax(model(row), -1)[0, len(sample.prompt) - 1 : -1]
            nats.append(-float(log_probs[torch.arange(len(value)), torch.tensor(value)].sum()))
        assert outcome.nats == pytest.approx(nats[sample.asked], abs=1e-4)
        assert outcome.rank == 1 + sum(other <= nats[sample.asked] for j, other in enumerate(nats) if j != sample.asked)


def test_a_random_model_is_at_chance(haystacks, model):
    for n_needles in (2, 4):
        samples = cell(haystacks, TASKS[0], n_needles, count=40, length=200)
        found = sum(outcome.found for outcome in score_samples(samples, model_scorer(model, autocast=False), 4096))
        low, high = wilson_interval(found, 40)
        assert low <= 1 / n_needles <= high, found


def test_whole_evaluation_and_its_tables(haystacks, model):
    samples = make_samples(haystacks, encode, BEGIN, [340, 380], 1, seed=1)
    outcomes = [score_cells(samples, model_scorer(model, autocast=False), 4096)] * 2
    summary = summarize_all(samples, outcomes)
    assert len(summary["cells"]) == len(TASKS) * len(NEEDLES) * 2 and len(summary["tasks"]) == len(TASKS)
    assert sum(row["samples"] for row in summary["depths"]) == sum(row["samples"] for row in summary["cells"])
    for row in summary["cells"]:
        assert row["differences"][0]["found"]["value"] == 0.0, "a model does not differ from itself"
        assert row["differences"][0]["found"]["low"] <= 0.0 <= row["differences"][0]["found"]["high"]
    tokens = repeated_tokens(2, 12, VOCAB, BEGIN, 1)
    induction = induction_scores(model, tokens, 1)
    result = {
        "settings": {"samples_per_cell": 1, "seed": 1, "precision": "fp32", "lengths": [340, 380], "needles": list(NEEDLES),
                     "induction_length": 12, "tasks": {task.name: task.about for task in TASKS}},
        "models": [{"name": name, "induction": vars(induction)} for name in ("one", "two")], **summary,
    }  # fmt: skip
    report = markdown_report(json.loads(json.dumps(result)))
    assert report.count("| definitions |") == 1 + 2 * len(NEEDLES) + 1 and "| head 0 | head 1 |" in report
    single = {**result, "models": result["models"][:1], **summarize_all(samples, outcomes[:1])}
    assert "(" in markdown_report(single) and "minus" not in markdown_report(single)


def test_summary_counts():
    good, bad = Outcome(True, 1, 0.5), Outcome(False, 2, 1.5)
    summary = summarize([[good] * 9 + [bad], [good] * 5 + [bad] * 5])
    assert summary["models"][0]["found"]["value"] == 0.9 and summary["models"][1]["mean_rank"] == 1.5
    assert summary["differences"][0]["exact"]["value"] == pytest.approx(0.4)
    assert summary["differences"][0]["nats"]["value"] == pytest.approx(-0.4)


def test_intervals():
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0.0 and wilson_interval(10, 10)[1] == 1.0
    # Newcombe's formula worked by hand for 36, 12, 2 and 0 pairs: phi is -0.1147.
    first = [True] * 48 + [False] * 2
    second = [True] * 36 + [False] * 12 + [True] * 2
    assert paired_difference(first, second) == pytest.approx((0.2, 0.0569, 0.3404), abs=1e-4)
    assert paired_difference([True] * 50, [True] * 50)[1] < -0.05, "no disagreement is no certainty"
    assert mean_interval([1.0, 3.0]) == pytest.approx((2.0, 2.0 - 1.96, 2.0 + 1.96), abs=1e-3)
    with pytest.raises(ValueError, match="are 2 and 1"):
        paired_difference([True, True], [True])


def test_induction_diagonal():
    tokens = repeated_tokens(3, 5, VOCAB, BEGIN, 1)
    assert tokens.shape == (3, 11) and torch.equal(tokens[:, 1:6], tokens[:, 6:]) and not (tokens[:, 1:] == BEGIN).any()
    maps = torch.zeros(1, 2, 11, 11)
    for query in range(6, 10):
        key = next(k for k in range(1, 6) if tokens[0, k - 1] == tokens[0, query] and k > 1)
        maps[0, 0, query, key] = 0.5
        assert tokens[0, key] == tokens[0, query + 1], "the key is what comes next"
    assert on_induction_diagonal(maps, 5).tolist() == [[0.5, 0.0]]


def test_induction_of_a_random_model(model):
    scores = induction_scores(model, repeated_tokens(4, 30, VOCAB, BEGIN, 1), 3)
    assert np.shape(scores.pattern) == np.shape(scores.mixed_pattern) == (2, 2)
    assert all(0.0 < value < 0.1 for row in scores.pattern for value in row)
    assert abs(scores.first_copy_nats - scores.second_copy_nats) < 0.5


def test_what_cannot_be_tested_is_refused(haystacks):
    assert usable_lengths(None, [1024, 2048]) == [512, 1024]
    with pytest.raises(SearchError, match="2048 tokens do not fit a context of 1024"):
        usable_lengths([512, 2048], [1024])
    with pytest.raises(SearchError, match="context of the models is 100"):
        usable_lengths(None, [100])
    with pytest.raises(SearchError, match='no stream "code", only books, docs'):
        choose_streams({"docs": [], "books": []}, True)
    with pytest.raises(SearchError, match="6 needles leave no room"):
        cell(haystacks, TASKS[0], 6, length=100)
    with pytest.raises(SearchError, match="the documents have 5400"):
        cell(haystacks, TASKS[0], 2, length=6000)
    with pytest.raises(SearchError, match="joins"):
        words = lambda text: [hash(text[i : i + 2]) for i in range(0, len(text), 2)]  # noqa: E731
        list(build_cell(TASKS[2], 2, 400, 5, haystacks[True], words, BEGIN, 1))


def test_numbers_in_tables():
    assert [_signed(value, 2) for value in (0.126, -0.126, -0.001, 0.001)] == ["+0.13", "−0.13", "0.00", "0.00"]
    assert _number(-0.004) == "0.00" and _number(-1.5) == "−1.50"


class ByteTokenizer:
    """Stands for the `tokenizers` package's, which need not be here."""

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        return SimpleNamespace(ids=encode(text))

    def decode(self, ids):
        return bytes(i for i in ids if i < BEGIN).decode("utf-8", "replace")


def bundle(folder, name, model, tokenizer_model="bytes"):
    tokenizer = folder / f"{name}.json"
    tokenizer.write_text(json.dumps({"model": tokenizer_model}))
    export_bundle(model, folder / name, name, tokenizer, BEGIN)
    return folder / name


def _changed(path, change):
    content = json.loads(path.read_text())
    change(content)
    other = path.with_suffix(".changed.json")
    other.write_text(json.dumps(content))
    return other


def test_the_command_compares_model_folders(tmp_path, model, monkeypatch, capsys):
    plain = Transformer(ModelConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=32, vocab_size=VOCAB, max_seqlen=400))
    plain.init_weights(2)
    folders = [bundle(tmp_path, "mta", model), bundle(tmp_path, "plain", plain)]
    (tmp_path / "eval").mkdir()
    write_shard(tmp_path / "eval" / "docs-000.tokens.xz", text_stream(1))
    write_shard(tmp_path / "eval" / "code-000.tokens.xz", text_stream(2))
    monkeypatch.setattr("training.context_search.load_tokenizer", lambda folder: ByteTokenizer())

    def command(*extra, models=folders):
        arguments = ["--models", *map(str, models), "--data", str(tmp_path / "eval"), "--samples", "1", "--device", "cpu",
                     "--induction-length", "8", "--induction-sequences", "2", "--out", str(tmp_path / "out" / "search.json")]  # fmt: skip
        monkeypatch.setattr("sys.argv", ["context_search", *arguments, *extra])
        main()

    command("--lengths", "380")
    result = json.loads((tmp_path / "out" / "search.json").read_text())
    assert [m["name"] for m in result["models"]] == ["mta", "plain"] and result["settings"]["lengths"] == [380]
    assert [m["uses_mta"] for m in result["models"]] == [True, False]
    assert capsys.readouterr().out.strip() == markdown_report(result).strip()
    first = json.dumps([result["cells"], result["depths"], result["tasks"]])
    command("--lengths", "380", "--batch-tokens", "380")
    again = json.loads((tmp_path / "out" / "search.json").read_text())
    assert [c["models"][0]["found"] for c in again["cells"]] == [c["models"][0]["found"] for c in json.loads(first)[0]]

    apart = {}
    for folder in folders:  # one after the other, as on machines that hold one model at a time
        command("--lengths", "380", "--outcomes", models=[folder])
        apart[folder.name] = tmp_path / f"{folder.name}-outcomes.json"
        (tmp_path / "out" / "search.json").rename(apart[folder.name])
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["compare_context", *map(str, apart.values()), "--max-length", "380"])
    compare_context.main()
    together, table = json.loads(first)[2], capsys.readouterr().out
    assert "Each cell: mta, plain; then" in table and "up to 380 tokens" in table
    for row in together:
        assert f"| {row['task']} | {row['samples']} | {shares(row, 'found')} | {shares(row, 'exact')} | {nats(row)} |" in table
    with pytest.raises(ValueError, match='no outcomes of "mta"'):
        compare_context.read_outcomes([_changed(apart["mta"], lambda content: content["models"][0].pop("outcomes"))])
    with pytest.raises(ValueError, match="samples must be the same"):
        compare_context.read_outcomes([apart["mta"], _changed(apart["plain"], lambda content: content["settings"].update(seed=2))])

    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": "another"}))
    for arguments, models, message in (
        (["--lengths", "512"], folders, "512 tokens do not fit a context of 400"),
        (["--lengths", "380"], [folders[0], bundle(tmp_path, "odd", plain, "words")], "have different tokenizers"),
        (["--lengths", "380"], folders, "is not the tokenizer of"),
        (["--samples", "0"], folders, "must be at least 1"),
    ):
        with pytest.raises(SystemExit, match="2"):
            command(*arguments, models=models)
        assert message in capsys.readouterr().err
