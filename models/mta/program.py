"""What the programs of this folder share: reading JSON, and one sentence in place of a traceback for input that cannot be used."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Callable, Optional, Union

KINDS = {dict: "a JSON object", list: "a JSON list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}
SHOW_STACK = "MTA_INSPECTOR_STACK"


class InputError(ValueError):
    """A file or option that cannot be used, with its name and the reason."""


def read_json(path: Union[str, Path], *keys: str, kind: type = dict) -> Any:
    """The content of a JSON file. Raises InputError when it is missing, is not JSON or not of `kind`, or lacks one of `keys`."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except ValueError as error:  # not UTF-8, or not JSON
        raise InputError(f"Cannot read {path}: it is not valid JSON ({error}).") from error
    if not isinstance(content, kind):
        raise InputError(f"Cannot use {path}: it holds {KINDS[type(content)]}; expected {KINDS[kind]}.")
    missing = [key for key in keys if key not in content]
    if missing:
        raise InputError(f"Cannot use {path}: it has no {', no '.join(missing)}.")
    return content


def usable_device(name: str) -> str:
    """The name of a device that PyTorch has here, for argparse's `type`. Raises ValueError otherwise."""
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(name) from error
    return name


def run_program(main: Callable[[], Optional[str]]) -> None:
    """Run `main` and end the process: with one sentence and code 1 for input that cannot be used.

    Errors of other kinds keep their traceback, and so do all where the variable MTA_INSPECTOR_STACK is 1.
    """
    try:
        problem = main()
    except (ValueError, OSError, KeyError, ImportError) as error:
        if os.environ.get(SHOW_STACK) == "1":
            raise
        problem = f"{sentence_of(error)} {SHOW_STACK}=1 shows where."
    sys.exit(problem and f"{Path(sys.argv[0]).stem}: {problem}")


def sentence_of(error: BaseException) -> str:
    """What an error says, on one line that ends in a period."""
    if isinstance(error, OSError) and error.strerror:
        text = f"Cannot use {error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, KeyError):
        text = f"An input lacks the key {error}"
    elif isinstance(error, ModuleNotFoundError) and error.name:
        text = f"The Python package {error.name} is missing: python3 -m pip install {error.name}"
    else:
        text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
