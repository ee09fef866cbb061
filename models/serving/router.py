"""Which replicas answer a request: those that hold the model's part. A replica that dies costs a repetition."""

from __future__ import annotations

import asyncio
from typing import AsyncIterator, Dict, List, Mapping, Sequence, Tuple

import numpy as np
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.handle import DeploymentHandle

from serving.loopback import listen_on_loopback_only
from serving.repository import BadRequest, Repository, Runner

#: Inference changes nothing, so what was lost with a replica is asked of another one.
MAX_ATTEMPTS = 5
PAUSE_S = 0.1


@serve.deployment
class Part:
    """One replica of a group of layers (or of the embedding, or the head)."""

    def __init__(self, folder: str, names: Sequence[str], max_tokens: int, n_threads: int) -> None:
        listen_on_loopback_only()
        self.runner = Runner(Repository.open(folder), max_tokens, n_threads)
        self.runner.load(names)

    async def run(self, name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> object:
        """The outputs, or the message of a `BadRequest`: exceptions of ours need not be known where they arrive."""
        try:
            return await asyncio.to_thread(self.runner.run, name, inputs, outputs)
        except BadRequest as error:
            return str(error)

    def process_id(self) -> int:
        """For tests that kill a replica."""
        import os

        return os.getpid()


class Router:
    """Finds the group of a model's part and asks it."""

    def __init__(self, repository: Repository, groups: Sequence[Sequence[str]], handles: Sequence[DeploymentHandle]) -> None:
        self.repository = repository
        self.model = repository.inspectable()
        self.run_name = f"{self.model}-run"
        self.handle_of: Dict[str, DeploymentHandle] = {
            name: handle for names, handle in zip(groups, handles) for name in names}

    def names(self) -> List[str]:
        """Every model a client may ask for."""
        return [*self.repository.models, self.run_name]

    async def infer(self, name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Raises `BadRequest`, or the last replica's `RayActorError` when one after the other died."""
        handle = self.handle_of.get(name)
        if handle is None:
            raise BadRequest(f'there is no model "{name[:80]}"')
        for attempt in range(MAX_ATTEMPTS):
            try:
                answer = await handle.run.remote(name, inputs, outputs)
                break
            except (RayActorError, RayTaskError) as error:
                lost = isinstance(error, RayActorError) or isinstance(error.cause, RayActorError)
                if not lost or attempt == MAX_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PAUSE_S * 2**attempt)
        if isinstance(answer, str):
            raise BadRequest(answer)
        return answer

    async def run_all(self, inputs: Mapping[str, np.ndarray]) -> AsyncIterator[Tuple[str, Mapping[str, np.ndarray]]]:
        """Embedding and all layers: each layer's answer as it comes, under the layer's name."""
        wanted = {name: inputs[name] for name in ("top_k", "block_size") if name in inputs}
        if "ids" not in inputs:
            raise BadRequest(f'input "ids" of {self.run_name} is missing')
        hidden = (await self.infer(f"{self.model}-embed", {"ids": inputs["ids"]}, ["hidden"]))["hidden"]
        for layer in range(self.repository.n_layers()):
            name = f"{self.model}-layer-{layer}"
            answer = await self.infer(name, {"hidden": hidden, **wanted}, [])
            yield name, answer
            hidden = answer["hidden_out"]
