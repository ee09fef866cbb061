"""A folder that `mta-inspect export-repository` wrote: which models it holds, and runs of them with ONNX Runtime."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
import onnxruntime

from mta.program import read_json

DATATYPES = {
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
    "INT32": np.dtype("<i4"),
    "INT8": np.dtype("i1"),
    "BOOL": np.dtype("?"),
    "BYTES": np.dtype("O"),
}


#: The JSON part of a request: reading it takes some twenty times its size.
MAX_JSON_BYTES = 16 * 1024 * 1024
#: A residual stream of 4096 tokens and 8192 numbers each has 128 MiB.
MAX_BODY_BYTES = 256 * 1024 * 1024


class BadRequest(ValueError):
    """A request that no replica can answer: an unknown model, a missing input, a wrong type or shape."""


@dataclass(frozen=True)
class Served:
    """One served model, as its `model-settings.json` describes it."""

    name: str
    path: Path
    inputs: Sequence[dict]
    outputs: Sequence[dict]

    def metadata(self) -> dict:
        """The answer to `GET /v2/models/NAME`."""
        return {"name": self.name, "versions": ["1"], "platform": "onnxruntime_onnx",
                "inputs": list(self.inputs), "outputs": list(self.outputs)}

    def max_input_bytes(self, max_tokens: int) -> int:
        """What all inputs of the longest window have."""
        return sum(
            math.prod(size for size in tensor["shape"] if size >= 0) * (max_tokens if -1 in tensor["shape"] else 1)
            * DATATYPES[tensor["datatype"]].itemsize for tensor in self.inputs)


@dataclass
class Repository:
    """All models of a folder."""

    folder: Path
    models: Dict[str, Served] = field(default_factory=dict)

    @staticmethod
    def open(folder: str) -> "Repository":
        """Raises `FileNotFoundError` when the folder holds no served model."""
        repository = Repository(Path(folder).resolve())
        for settings in sorted(repository.folder.glob("*/model-settings.json")):
            content = read_json(settings, "name", "inputs", "outputs")
            repository.models[content["name"]] = Served(
                content["name"], settings.parent / "1" / "model.onnx", content["inputs"], content["outputs"])
        if not repository.models:
            raise FileNotFoundError(
                f"{folder} holds no served model. Write one with: mta-inspect export-repository --out {folder}")
        return repository

    def inspectable(self) -> str:
        """The name of the model that the others are parts of."""
        names = [name for name in self.models if f"{name}-embed" in self.models]
        if len(names) != 1:
            raise ValueError(f"{self.folder} holds {len(names)} models to inspect; serve each from a folder of its own.")
        return names[0]

    def max_body_bytes(self, max_tokens: int) -> int:
        """The longest request that can be meant, over REST or gRPC."""
        inputs = max(served.max_input_bytes(max_tokens) for served in self.models.values())
        return min(MAX_BODY_BYTES, inputs + MAX_JSON_BYTES)

    def n_layers(self) -> int:
        """Layers of the inspectable model."""
        model, count = self.inspectable(), 0
        while f"{model}-layer-{count}" in self.models:
            count += 1
        return count


class Runner:
    """Sessions of some models of a repository, made on first use; a session may run in several threads at once."""

    def __init__(self, repository: Repository, max_tokens: int, n_threads: int = 0, provider: Optional[str] = None) -> None:
        self.repository = repository
        self.max_tokens = max_tokens
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = n_threads
        # The arena never gives memory back, and windows differ in length.
        self.options.enable_cpu_mem_arena = False
        available = onnxruntime.get_available_providers()
        self.providers = [provider] if provider else [
            name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
        self.sessions: Dict[str, onnxruntime.InferenceSession] = {}
        self.trained: Dict[str, Mapping[str, np.ndarray]] = {}

    def run(self, name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()) -> Dict[str, np.ndarray]:
        """Outputs by name; all of them when none is named. Kernels that are not given are the trained ones.

        Raises `BadRequest` for what cannot be run.
        """
        served = self.repository.models.get(name)
        if served is None:
            raise BadRequest(f'there is no model "{name[:80]}"')
        known = [output["name"] for output in served.outputs]
        unknown = [output for output in outputs if output not in known]
        if unknown:
            raise BadRequest(f'{name} has no output "{unknown[0][:80]}"; it has {", ".join(known)}')
        names = [tensor["name"] for tensor in served.inputs]
        strange = [name for name in inputs if name not in names]
        if strange:
            raise BadRequest(f'{name} has no input "{strange[0][:80]}"; it has {", ".join(names)}')
        feeds = {tensor["name"]: self._feed(served, tensor, inputs) for tensor in served.inputs}
        wanted = list(outputs) or known
        try:
            values = self._session(served).run(wanted, feeds)
        except Exception as error:  # ONNX Runtime's own classes tell no more than their message does
            raise BadRequest(f"{name} could not run: {str(error).splitlines()[0][:200]}") from None
        return dict(zip(wanted, values))

    def load(self, names: Sequence[str]) -> None:
        """Makes sessions ahead of the first request."""
        for name in names:
            self._session(self.repository.models[name])

    def _feed(self, served: Served, tensor: dict, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        name = tensor["name"]
        value = inputs.get(name)
        if value is None:
            trained = self._trained(served).get(name)
            if trained is None:
                raise BadRequest(f'input "{name}" of {served.name} is missing')
            return trained
        dtype, shape = DATATYPES[tensor["datatype"]], tensor["shape"]
        fits = value.dtype == dtype and value.ndim == len(shape) and all(
            size in (-1, found) for size, found in zip(shape, value.shape))
        if not fits:
            found = f"{value.dtype} {list(value.shape)}"
            raise BadRequest(f'input "{name}" of {served.name} is {found}, expected {tensor["datatype"]} {shape}')
        # Over all free axes: a batch of windows takes as much memory as one that is as long.
        free = [found for size, found in zip(shape, value.shape) if size == -1]
        if free and math.prod(free) > self.max_tokens:
            found = f"{math.prod(free)} tokens" + (f" ({' x '.join(map(str, free))})" if len(free) > 1 else "")
            raise BadRequest(f'input "{name}" has {found}, this server takes {self.max_tokens}')
        # ONNX counts negative indices from the end; here nothing is meant by them.
        if dtype.kind == "i" and value.size > 0 and value.min() < 0:
            raise BadRequest(f'input "{name}" of {served.name} holds {value.min()}, expected no negative number')
        if name == "head_indices" and len(np.unique(value)) < value.size:
            raise BadRequest(f'input "{name}" of {served.name} names a head twice')
        return value

    def _trained(self, served: Served) -> Mapping[str, np.ndarray]:
        """The layer's trained kernels by the name of their input."""
        if served.name not in self.trained:
            maps = self.repository.models.get(f"{served.name.removesuffix('-maps')}-maps")
            kernels: Dict[str, np.ndarray] = {}
            names = [output["name"] for output in maps.outputs if output["name"].startswith("trained.")] if maps else []
            if maps and names:
                sizes = {tensor["name"]: [max(1, size) for size in tensor["shape"]] for tensor in maps.inputs}
                feeds = {tensor["name"]: np.ones(sizes[tensor["name"]], DATATYPES[tensor["datatype"]]) for tensor in maps.inputs}
                feeds["head_indices"], feeds["query_start"] = np.zeros(1, "<i8"), np.zeros(1, "<i8")
                values = self._session(maps).run(names, feeds)
                kernels = {name.removeprefix("trained."): value for name, value in zip(names, values)}
            self.trained[served.name] = kernels
        return self.trained[served.name]

    def _session(self, served: Served) -> onnxruntime.InferenceSession:
        if served.name not in self.sessions:
            self.sessions[served.name] = onnxruntime.InferenceSession(
                str(served.path), self.options, providers=self.providers)
        return self.sessions[served.name]


def parts_of(repository: Repository, n_groups: int) -> List[List[str]]:
    """Which models each group of replicas holds: the first has the embedding and the texts, the last the head.

    Layers are dealt out in consecutive runs of equal length, as far as they divide.
    """
    model, n_layers = repository.inspectable(), repository.n_layers()
    n_groups = max(1, min(n_groups, n_layers))
    groups: List[List[str]] = []
    for group in range(n_groups):
        layers = range(group * n_layers // n_groups, (group + 1) * n_layers // n_groups)
        groups.append([name for layer in layers for name in (f"{model}-layer-{layer}", f"{model}-layer-{layer}-maps")])
    groups[0] = [model, f"{model}-embed", *groups[0]]
    groups[-1].append(f"{model}-head")
    return groups
