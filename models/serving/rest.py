"""The REST side of the Open Inference Protocol as a Ray Serve deployment."""

from __future__ import annotations

import hmac
import ipaddress
import json
import traceback
from typing import Optional, Sequence

from ray import serve
from ray.exceptions import RayError
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving import wire
from serving.config import ServingConfig
from serving.loopback import listen_on_loopback_only
from serving.private import read_token
from serving.repository import BadRequest, Repository
from serving.router import Router

SERVER = {"name": "mta-inspector-serving", "version": "1", "extensions": ["binary_tensor_data", "model_repository"]}


def is_authorized(header: Optional[str], token: Optional[str]) -> bool:
    """True when no token is asked for, or the header bears it."""
    return token is None or hmac.compare_digest((header or "").encode(), f"Bearer {token}".encode())


@serve.deployment
class Rest:
    """Answers REST requests; holds no model."""

    def __init__(self, folder: str, groups: Sequence[Sequence[str]], token_file: Optional[str], config: ServingConfig,
                 *handles: DeploymentHandle) -> None:
        listen_on_loopback_only()
        self.router = Router(Repository.open(folder), groups, handles)
        self.token = read_token(token_file)
        self.config = config
        self.max_body_bytes = self.router.repository.max_body_bytes(config.max_tokens)

    async def __call__(self, request: Request) -> Response:
        parts = [part for part in request.url.path.split("/") if part]
        if "origin" in request.headers or not is_known_host(request.headers.get("host", ""), self.config):
            return failure(403, "requests of web pages, and for hosts that the setting host_names does not name, are refused")
        if not is_authorized(request.headers.get("authorization"), self.token):
            return failure(401, "a token is needed")
        try:
            return await self.answer(request, parts)
        except BadRequest as error:
            return failure(400, str(error))
        except RayError as error:
            return failure(503, type(error).__name__)
        except Exception as error:
            traceback.print_exc()
            return failure(500, type(error).__name__)

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
        body = await self.body(request)
        if body is None:
            return failure(413, f"a request has at most {self.max_body_bytes} bytes")
        inputs, outputs, binary, request_id = wire.read_json_request(body, request.headers.get(wire.JSON_LENGTH))
        answer = await self.router.infer(name, inputs, outputs)
        content, json_length = wire.write_json_response(name, answer, binary, request_id)
        if json_length is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={wire.JSON_LENGTH: str(json_length)})

    async def body(self, request: Request) -> Optional[bytes]:
        """All of the body; None where it is too long, of which no more is read, whether or not its length was stated."""
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_body_bytes:
            return None
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.max_body_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks)


def is_known_host(header: str, config: ServingConfig) -> bool:
    """Whether a `Host` header names this server: by an address, as localhost, or as the settings say.

    A web page can make a name of its own lead to this machine (DNS rebinding), but not an address.
    """
    name = header.rsplit(":", 1)[0] if not header.endswith("]") else header
    name = name.strip("[]").lower()
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        return name in {"localhost", config.host, *config.host_names}


def failure(status: int, message: str) -> Response:
    """The protocol's error body."""
    return Response(json.dumps({"error": message}), status_code=status, media_type="application/json")
