"""The REST side of the Open Inference Protocol as a Ray Serve deployment."""

from __future__ import annotations

import hmac
import json
from typing import Optional, Sequence

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving import wire
from serving.repository import BadRequest, Repository
from serving.router import Router

SERVER = {"name": "mta-inspector-serving", "version": "1", "extensions": ["binary_tensor_data", "model_repository"]}
#: A residual stream of 4096 tokens and 8192 numbers each has 128 MiB.
MAX_BODY_BYTES = 256 * 1024 * 1024


def is_authorized(header: Optional[str], token: Optional[str]) -> bool:
    """True when no token is asked for, or the header bears it."""
    return token is None or hmac.compare_digest((header or "").encode(), f"Bearer {token}".encode())


@serve.deployment
class Rest:
    """Answers REST requests; holds no model."""

    def __init__(self, folder: str, groups: Sequence[Sequence[str]], token: Optional[str], *handles: DeploymentHandle) -> None:
        self.router = Router(Repository.open(folder), groups, handles)
        self.token = token

    async def __call__(self, request: Request) -> Response:
        parts = [part for part in request.url.path.split("/") if part]
        if not is_authorized(request.headers.get("authorization"), self.token):
            return failure(401, "a token is needed")
        try:
            return await self.answer(request, parts)
        except BadRequest as error:
            return failure(400, str(error))

    async def answer(self, request: Request, parts: Sequence[str]) -> Response:
        """Follows the paths of the protocol."""
        is_get = request.method == "GET"
        if is_get and list(parts) == ["v2"]:
            return JSONResponse(SERVER)
        if is_get and list(parts) in (["v2", "health", "live"], ["v2", "health", "ready"]):
            return JSONResponse({parts[-1]: True})
        if not is_get and list(parts) == ["v2", "repository", "index"]:
            return JSONResponse([{"name": name, "version": "1", "state": "READY"} for name in self.router.names()])
        if len(parts) < 3 or list(parts[:2]) != ["v2", "models"]:
            return failure(404, "there is no such path")
        name, rest = parts[2], list(parts[3:])
        if rest[:1] == ["versions"] and len(rest) > 1:
            rest = rest[2:]
        served = self.router.repository.models.get(name)
        if served is None:
            return failure(404, f'there is no model "{name[:80]}"')
        if is_get and rest == []:
            return JSONResponse(served.metadata())
        if is_get and rest == ["ready"]:
            return JSONResponse({"name": name, "ready": True})
        if not is_get and rest == ["infer"]:
            return await self.infer(request, name)
        return failure(404, "there is no such path")

    async def infer(self, request: Request, name: str) -> Response:
        """One inference request."""
        if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
            return failure(413, f"a request has at most {MAX_BODY_BYTES} bytes")
        body = await request.body()
        inputs, outputs, binary, request_id = wire.read_json_request(body, request.headers.get(wire.JSON_LENGTH))
        answer = await self.router.infer(name, inputs, outputs)
        content, json_length = wire.write_json_response(name, answer, binary, request_id)
        if json_length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={wire.JSON_LENGTH: str(json_length)})


def failure(status: int, message: str) -> Response:
    """The protocol's error body."""
    return Response(json.dumps({"error": message}), status_code=status, media_type="application/json")
