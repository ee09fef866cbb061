"""Runs an exported model in MLServer: `implementation` of each `model-settings.json` that export-repository writes.

MLServer has no ONNX runtime of its own. Start it in the repository with this folder on PYTHONPATH.
"""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mlserver.utils import get_model_uri


class OnnxModel(MLModel):
    """One ONNX graph."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            await get_model_uri(self._settings), options, providers=onnxruntime.get_available_providers())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        names = [output.name for output in payload.outputs or []] or [output.name for output in self._session.get_outputs()]
        values = self._session.run(names, feeds)
        outputs = [encoded(name, value) for name, value in zip(names, values)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def encoded(name: str, value: np.ndarray) -> ResponseOutput:
    """An output with the shape that the graph gave it: MLServer's codec for texts adds an axis."""
    if value.dtype != np.dtype("O"):
        return NumpyCodec.encode_output(name, value)
    output = StringCodec.encode_output(name, value.ravel().tolist())
    output.shape = list(value.shape)
    return output
