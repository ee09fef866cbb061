"""Tensors of the Open Inference Protocol on the wire, over REST (with the binary extension) and gRPC, as NumPy arrays."""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from serving import open_inference_grpc_pb2 as pb
from serving.repository import DATATYPES, MAX_JSON_BYTES, BadRequest

JSON_LENGTH = "inference-header-content-length"
Arrays = Dict[str, np.ndarray]
#: Axes of the models' tensors, and some more.
MAX_RANK = 8


def datatype_of(array: np.ndarray) -> str:
    """The protocol's name of an array's type."""
    if array.dtype.kind in "OUS":
        return "BYTES"
    return next(name for name, dtype in DATATYPES.items() if dtype == array.dtype)


def to_bytes(array: np.ndarray) -> bytes:
    """Row-major, little-endian; texts with their length before each."""
    if datatype_of(array) != "BYTES":
        return np.ascontiguousarray(array).tobytes()
    texts = [text.encode() if isinstance(text, str) else bytes(text) for text in array.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def from_bytes(data: bytes, datatype: str, shape: Sequence[int], name: str) -> np.ndarray:
    """Raises `BadRequest` when type, shape and length do not belong together."""
    dtype = DATATYPES.get(datatype)
    if dtype is None or datatype == "BYTES":
        raise BadRequest(f'input "{name[:80]}" is of type {datatype[:20]}, which no model takes')
    if len(shape) > MAX_RANK:
        raise BadRequest(f'input "{name[:80]}" has {len(shape)} axes, which no model takes')
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(data):
        raise BadRequest(f'input "{name[:80]}" has {len(data)} bytes, which is not {datatype} {list(shape)}')
    try:
        return np.frombuffer(data, dtype).reshape(shape)
    except ValueError:  # no bytes, and axes beyond what NumPy counts
        raise BadRequest(f'input "{name[:80]}" has the shape {list(shape)}, which no model takes') from None


def from_numbers(numbers: Any, datatype: str, name: str) -> np.ndarray:
    """Numbers as JSON or Protobuf has them; raises `BadRequest` for those that the type cannot hold."""
    dtype = DATATYPES.get(datatype)
    if dtype is None or datatype == "BYTES":
        raise BadRequest(f'input "{name[:80]}" is of type {datatype[:20]}, which no model takes')
    try:
        values = np.asarray(numbers)
        if values.size > 0 and values.dtype.kind not in {"f": "fiu", "i": "iu", "b": "b"}[dtype.kind]:
            raise ValueError
        # Compared as they were: a conversion cuts what does not fit.
        converted = values.astype(dtype)
        if dtype.kind == "i" and not np.array_equal(converted, values):
            raise ValueError
        return converted
    except (ValueError, TypeError, OverflowError):
        raise BadRequest(f'input "{name[:80]}" holds something else than {datatype}') from None


def read_json_request(body: bytes, json_length: Optional[str]) -> Tuple[Arrays, List[str], Dict[str, bool], Optional[str]]:
    """Inputs, names of outputs, which outputs go out as bytes, and the request's id."""
    try:
        length = len(body) if json_length is None else int(json_length)
        if not 0 <= length <= len(body):
            raise BadRequest(f"{JSON_LENGTH} is {length}, and the body has {len(body)} bytes")
        if length > MAX_JSON_BYTES:
            raise BadRequest(f"the JSON part has {length} bytes, at most are {MAX_JSON_BYTES}: send tensors as bytes")
        request = json.loads(body[:length])
        inputs, at = {}, length
        for tensor in request["inputs"]:
            name, datatype, shape = str(tensor["name"]), str(tensor["datatype"]), [int(size) for size in tensor["shape"]]
            size = (tensor.get("parameters") or {}).get("binary_data_size")
            if size is not None:
                if not 0 <= int(size) <= len(body) - at:
                    raise BadRequest(f'input "{name[:80]}" has {int(size)} bytes, and the body {len(body) - at} more')
                inputs[name] = from_bytes(body[at:at + int(size)], datatype, shape, name)
                at += int(size)
            else:
                values = from_numbers(tensor["data"], datatype, name)
                inputs[name] = from_bytes(values.tobytes(), datatype, shape, name)
        request_id = request.get("id")
        if request_id is not None and not isinstance(request_id, str):
            raise BadRequest("the request's id is not a text")
        wanted = request.get("outputs") or []
        names = [str(output["name"]) for output in wanted]
        whole = bool((request.get("parameters") or {}).get("binary_data_output"))
        binary = {str(output["name"]): bool((output.get("parameters") or {}).get("binary_data", whole)) for output in wanted}
        return inputs, names, binary if binary else ({"*": True} if whole else {}), request_id
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest(f"the request is not one of the Open Inference Protocol: {type(error).__name__}") from None


def write_json_response(
    model: str, outputs: Mapping[str, np.ndarray], binary: Mapping[str, bool], request_id: Optional[str]
) -> Tuple[bytes, Optional[int]]:
    """The body, and the length of its JSON part where bytes follow it."""
    tensors: List[Dict[str, Any]] = []
    parts: List[bytes] = []
    for name, array in outputs.items():
        tensor: Dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if binary.get(name, binary.get("*", False)):
            parts.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    answer = {"model_name": model, "model_version": "1", "outputs": tensors, **({"id": request_id} if request_id else {})}
    header = json.dumps(answer).encode()
    return b"".join([header, *parts]), len(header) if parts else None


def read_grpc_request(request: pb.ModelInferRequest) -> Tuple[Arrays, List[str]]:
    """Inputs and names of outputs."""
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise BadRequest(f"there are {len(request.inputs)} inputs and {len(raw)} contents")
    inputs = {}
    for i, tensor in enumerate(request.inputs):
        if raw:
            inputs[tensor.name] = from_bytes(raw[i], tensor.datatype, list(tensor.shape), tensor.name)
            continue
        fields = {"FP32": "fp32_contents", "INT64": "int64_contents", "INT32": "int_contents", "INT8": "int_contents",
                  "BOOL": "bool_contents"}
        if tensor.datatype not in fields:
            raise BadRequest(f'input "{tensor.name[:80]}" is of type {tensor.datatype[:20]}, which no model takes')
        values = from_numbers(list(getattr(tensor.contents, fields[tensor.datatype])), tensor.datatype, tensor.name)
        inputs[tensor.name] = from_bytes(values.tobytes(), tensor.datatype, list(tensor.shape), tensor.name)
    return inputs, [output.name for output in request.outputs]


def write_grpc_response(model: str, outputs: Mapping[str, np.ndarray], request_id: str = "") -> pb.ModelInferResponse:
    """Raw contents, in the order of the outputs."""
    response = pb.ModelInferResponse(model_name=model, model_version="1", id=request_id)
    for name, array in outputs.items():
        response.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        response.raw_output_contents.append(to_bytes(array))
    return response
