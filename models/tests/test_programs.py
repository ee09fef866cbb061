"""Programs of `python3 -m …` answer missing, unreadable and wrong input with one sentence, never with a traceback."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch
from conftest import MODELS_DIR

from mta.program import InputError, read_json, sentence_of

TINY = MODELS_DIR.parent / "test" / "fixtures" / "tiny-model"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a wrong input of each kind."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "empty").mkdir()
    (folder / "text.json").write_text("{")
    (folder / "list.json").write_text("[1]")
    (folder / "object.json").write_text("{}")
    (folder / "bytes.bin").write_bytes(b"\xff\xfe\x00 not a model")
    (folder / "wrong.yaml").write_text("model: [\n")
    (folder / "list.yaml").write_text("- 1\n")
    for name, config in (("bad-config", "{"), ("list-config", "[]"), ("no-weights", (TINY / "config.json").read_text())):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
    (folder / "bad-weights").mkdir()
    (folder / "bad-weights" / "config.json").write_text((TINY / "config.json").read_text())
    (folder / "bad-weights" / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0[1, 2, 3]       ")
    (folder / "lingua").mkdir()
    (folder / "lingua" / "params.json").write_text('{"model": {"n_layers": 1}}')
    (folder / "lingua" / "consolidated.pth").write_bytes(b"not a checkpoint")
    torch.save([1, 2], folder / "list.pt")
    return folder


# What follows `python3 -m`; NAME stands for the folder of inputs. What the sentence must hold.
WRONG = [
    ("export.from_lingua NAME/missing --tokenizer t.json --out NAME/out", r"no NAME/missing/params\.json; name the folder"),
    ("export.from_lingua NAME/lingua --tokenizer t.json --out NAME/out", r"Cannot read NAME/lingua/consolidated\.pth"),
    ("export.from_huggingface NAME/missing --out NAME/out", r"Cannot read NAME/missing/config\.json: No such file"),
    ("export.from_huggingface NAME/bad-config --out NAME/out", r"config\.json: it is not valid JSON"),
    ("export.from_huggingface NAME/list-config --out NAME/out", r"config\.json: it holds a JSON list; expected a JSON object"),
    ("export.add_kernels NAME/missing --out NAME/out", r"Cannot read NAME/missing/config\.json: No such file"),
    ("export.add_kernels NAME/no-weights --out NAME/out", r"Cannot use NAME/no-weights/model\.safetensors: No such file"),
    ("export.add_kernels NAME/bad-weights --out NAME/out", r"Cannot read NAME/bad-weights/model\.safetensors: its header is not an object"),
    ("export.to_safetensors NAME/missing --tokenizer t.json --name n --out NAME/out", r"There is no checkpoint NAME/missing"),
    ("export.to_safetensors NAME/bytes.bin --tokenizer t.json --name n --out NAME/out", r"Cannot read checkpoint NAME/bytes\.bin"),
    ("export.to_safetensors NAME/list.pt --tokenizer t.json --name n --out NAME/out", r"not a checkpoint of training\.train"),
    ("export.kernel_history NAME/missing --out NAME/out", r"no step-\*\.safetensors in NAME/missing"),
    ("export.toy_bundle NAME/missing run --out NAME/out", r"Cannot read NAME/missing/results\.json"),
    ("export.model_card NAME/missing", r"Cannot read NAME/missing/config\.json|no card written"),
    ("export.verify tiny-model NAME/list.json/sub", r"Cannot use NAME/list\.json/sub"),
    ("training.compare NAME/missing.json", r"Cannot read NAME/missing\.json: No such file"),
    ("training.compare NAME/object.json", r"it holds a JSON object; expected a JSON list"),
    ("training.compare_context NAME/text.json", r"not valid JSON"),
    ("training.compare_context NAME/object.json", r"it has no settings, no models"),
    ("training.toy_report NAME/object.json", r"expected a JSON list"),
    ("training.findings --experiment NAME/missing", r"Cannot use NAME/missing/kernels\.safetensors: No such file"),
    ("training.evaluate NAME/missing NAME/empty", r"Cannot read NAME/missing/config\.json"),
    ("training.evaluate TINY NAME/empty", r"Cannot read NAME/empty/bytes\.json"),
    ("training.ablation NAME/bad-config NAME/empty --out NAME/out", r"config\.json: it is not valid JSON"),
    ("training.deltas pack TINY NAME/missing.pt --out NAME/out", r"There is no checkpoint NAME/missing\.pt"),
    ("training.deltas unpack TINY NAME/missing --out NAME/out", r"Cannot read NAME/missing/delta\.json"),
    ("training.train NAME/missing.yaml --out NAME/out", r"Cannot use NAME/missing\.yaml: No such file"),
    ("training.train NAME/wrong.yaml --out NAME/out", r"Cannot read NAME/wrong\.yaml: it is not valid YAML"),
    ("training.train NAME/list.yaml --out NAME/out", r"NAME/list\.yaml holds list; expected settings by name"),
    ("training.throughput NAME/bytes.bin", r"Cannot read NAME/bytes\.bin: it is not valid YAML"),
    ("training.prepare --corpus NAME/missing --code NAME/missing --out NAME/out", r"Cannot prepare: NAME/missing/validation/books"),
    ("training.collect_code --repository NAME/missing --out NAME/out", r"There is no folder NAME/missing"),
]  # fmt: skip
# Refused by argparse, with the usage before it.
WRONG_USE = [
    ("export.from_lingua", r"the following arguments are required"),
    ("export.tokenizer_characters", r"the following arguments are required: out"),
    ("export.add_kernels TINY --out NAME/out --kernel 6", r"--kernel: invalid kernel_size value: '6'"),
    ("export.add_kernels TINY --out NAME/out --layers a", r"--layers: invalid layer_list value: 'a'"),
    ("training.evaluate TINY NAME/empty --device nonsense", r"--device: invalid usable_device value: 'nonsense'"),
]  # fmt: skip

# One process runs all of them: each start of PyTorch takes seconds.
RUNNER = """
import io, json, runpy, sys, contextlib
sys.dont_write_bytecode = True
for words in json.load(sys.stdin):
    sys.argv = words
    err, code = io.StringIO(), 0
    for name in [name for name in sys.modules if name == words[0]]:
        del sys.modules[name]
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        try:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            code = f"Traceback: {error!r}"
    print(json.dumps([code, err.getvalue()]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(inputs):
    """Exit code or message, and standard error, of every command line."""
    lines = [line for line, _ in WRONG + WRONG_USE]
    words = [line.replace("NAME", str(inputs)).replace("TINY", str(TINY)).split() for line in lines]
    ran = subprocess.run([sys.executable, "-c", RUNNER], input=json.dumps(words), capture_output=True, text=True, cwd=MODELS_DIR, check=True)
    return dict(zip(lines, map(json.loads, ran.stdout.splitlines())))


@pytest.mark.parametrize("line, expected", WRONG)
def test_wrong_input_is_answered_with_one_sentence(line, expected, answers, inputs):
    code, errors = answers[line]
    message = code if isinstance(code, str) else errors.splitlines()[-1]
    assert code not in (0, None) and "Traceback" not in str(code) + errors
    assert re.search(expected.replace("NAME", re.escape(str(inputs))), message), message
    assert "\n" not in message


@pytest.mark.parametrize("line, expected", WRONG_USE)
def test_wrong_use_is_answered_by_the_usage(line, expected, answers):
    code, errors = answers[line]
    assert code == 2 and re.search(expected, errors), errors


def test_a_program_ends_with_code_1_and_its_name(tmp_path):
    words = [sys.executable, "-m", "training.compare", str(tmp_path / "missing.json")]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=MODELS_DIR)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr == f"compare: Cannot read {tmp_path / 'missing.json'}: No such file or directory. MTA_INSPECTOR_STACK=1 shows where.\n"
    traced = subprocess.run(words, capture_output=True, text=True, cwd=MODELS_DIR, env={**os.environ, "MTA_INSPECTOR_STACK": "1"})
    assert traced.returncode == 1 and "Traceback" in traced.stderr


def test_every_program_ends_its_errors_with_a_sentence():
    programs = [path for folder in ("export", "training", "serving") for path in sorted((MODELS_DIR / folder).glob("*.py"))
                if "__main__" in path.read_text(encoding="utf-8")]  # fmt: skip
    assert len(programs) > 30
    without = [path.name for path in programs if "run_program(main)" not in path.read_text(encoding="utf-8") and path.name != "serve.py"]
    assert without == []


def test_sentences(tmp_path):
    (tmp_path / "number.json").write_text("3")
    with pytest.raises(InputError, match=r"number\.json: it holds a number; expected a JSON object\."):
        read_json(tmp_path / "number.json")
    assert sentence_of(KeyError("step")) == "An input lacks the key 'step'."
    assert sentence_of(ModuleNotFoundError("No module named 'gguf'", name="gguf")) == "The Python package gguf is missing: python3 -m pip install gguf."
    assert sentence_of(ValueError("two\n  lines")) == "two lines."
