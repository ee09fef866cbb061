"""Where the golden vectors lie, and one reader for them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

MODELS_DIR = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(MODELS_DIR))


def golden_dir() -> Path:
    """The folder named by MTA_GOLDEN_DIR, else the repository's own copy."""
    return Path(os.environ.get("MTA_GOLDEN_DIR") or MODELS_DIR.parent / "test" / "fixtures" / "golden")


def golden_names(kind: str) -> list:
    """Names of all cases of one kind; empty when there are no goldens, so that collection does not fail."""
    index = golden_dir() / "index.json"
    if not index.exists():
        return []
    return [case["name"] for case in json.loads(index.read_text())["cases"] if case["kind"] == kind]


class GoldenCase:
    """One case: its JSON in `content`, tensors by name on request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.content = json.loads((golden_dir() / f"{name}.json").read_text())
        self.config = self.content.get("config")
        if "bin" in self.content:
            self._bytes = (golden_dir() / self.content["bin"]).read_bytes()

    def tensor(self, name: str) -> torch.Tensor:
        entry = self.content["tensors"][name]
        values = np.frombuffer(self._bytes, dtype="<" + {"float32": "f4", "int32": "i4"}[entry["dtype"]],
                               count=entry["count"], offset=entry["offset"])
        return torch.from_numpy(values.copy()).reshape(entry["shape"])

    def with_role(self, role: str) -> dict:
        return {n: self.tensor(n) for n, e in self.content["tensors"].items() if e["role"] == role}


@pytest.fixture(scope="session")
def command_line() -> list:
    """How to start the command line, built from the sources as they are now."""
    root = MODELS_DIR.parent
    if shutil.which("node") is None or not (root / "node_modules" / "esbuild").exists():
        pytest.skip("needs Node and the npm dependencies")
    build = "import('./scripts/setup.mjs').then(setup => setup.ensurePrograms())"
    subprocess.run(["node", "-e", build], cwd=root, check=True)
    return ["node", str(root / "test-results" / "programs" / "cli.cjs")]


@pytest.fixture
def golden():
    """Loads a case by its name."""
    return GoldenCase


def worst_difference(got: torch.Tensor, expected: torch.Tensor, allowed: torch.Tensor = None) -> float:
    """Largest |got − expected| relative to max(1, largest |expected|), over allowed cells only when given."""
    if allowed is not None:
        allowed = allowed.expand(expected.shape)
        got, expected = got[allowed], expected[allowed]
    assert torch.isfinite(got).all()
    scale = max(1.0, float(expected.abs().max()))
    return float((got.double() - expected.double()).abs().max()) / scale
