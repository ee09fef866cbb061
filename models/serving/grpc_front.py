"""The gRPC side of the Open Inference Protocol, with one answer per layer where a client asks for a whole run.

Ray Serve's own gRPC proxy listens on every address of its machine; this front listens where it is configured to.
"""

from __future__ import annotations

import traceback
from typing import AsyncIterator, Optional

import grpc
from ray.exceptions import RayError

from serving import open_inference_grpc_pb2 as pb
from serving import open_inference_grpc_pb2_grpc as pb_grpc
from serving import wire
from serving.config import ServingConfig
from serving.repository import BadRequest
from serving.rest import SERVER, is_authorized
from serving.router import Router


class Front(pb_grpc.GRPCInferenceServiceServicer):
    """Answers gRPC requests; holds no model."""

    def __init__(self, router: Router, token: Optional[str]) -> None:
        self.router = router
        self.token = token

    async def ServerLive(self, request, context) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request, context) -> pb.ServerReadyResponse:
        await self._authorize(context)
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, request, context) -> pb.ModelReadyResponse:
        await self._authorize(context)
        return pb.ModelReadyResponse(ready=request.name in self.router.names())

    async def ServerMetadata(self, request, context) -> pb.ServerMetadataResponse:
        await self._authorize(context)
        return pb.ServerMetadataResponse(**SERVER)

    async def ModelMetadata(self, request, context) -> pb.ModelMetadataResponse:
        await self._authorize(context)
        served = self.router.repository.models.get(request.name)
        if served is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f'there is no model "{request.name[:80]}"')
        return pb.ModelMetadataResponse(**served.metadata())

    async def ModelInfer(self, request: pb.ModelInferRequest, context) -> pb.ModelInferResponse:
        await self._authorize(context)
        try:
            inputs, outputs = wire.read_grpc_request(request)
            answer = await self.router.infer(request.model_name, inputs, outputs)
        except BadRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except RayError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, type(error).__name__)
        except Exception as error:  # gRPC would send the text of it as UNKNOWN
            traceback.print_exc()
            await context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)
        return wire.write_grpc_response(request.model_name, answer, request.id)

    async def ModelStreamInfer(self, requests, context) -> AsyncIterator[pb.ModelStreamInferResponse]:
        await self._authorize(context)
        async for request in requests:
            try:
                inputs, outputs = wire.read_grpc_request(request)
                if request.model_name == self.router.run_name:
                    async for name, answer in self.router.run_all(inputs):
                        yield stream_answer(name, answer, request.id)
                else:
                    answer = await self.router.infer(request.model_name, inputs, outputs)
                    yield stream_answer(request.model_name, answer, request.id)
            except BadRequest as error:
                yield pb.ModelStreamInferResponse(error_message=str(error))
            except RayError as error:
                yield pb.ModelStreamInferResponse(error_message=type(error).__name__)

    async def _authorize(self, context) -> None:
        header = dict(context.invocation_metadata()).get("authorization")
        if not is_authorized(header, self.token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed")


def stream_answer(name: str, answer, request_id: str) -> pb.ModelStreamInferResponse:
    """One answer of a stream."""
    return pb.ModelStreamInferResponse(infer_response=wire.write_grpc_response(name, answer, request_id))


async def start(router: Router, config: ServingConfig, token: Optional[str]) -> grpc.aio.Server:
    """Listens where `config` says."""
    max_bytes = router.repository.max_body_bytes(config.max_tokens)
    options = [("grpc.max_receive_message_length", max_bytes), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    pb_grpc.add_GRPCInferenceServiceServicer_to_server(Front(router, token), server)
    address = f"{config.host}:{config.grpc_port}"
    if server.add_insecure_port(address) == 0:
        raise OSError(f"cannot listen on {address}")
    await server.start()
    return server
