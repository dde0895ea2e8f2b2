"""bag_of_words as a model of MLServer (mlserver.readthedocs.io), which has the Open Inference Protocol in JSON."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bag_of_words import embed


class Bag(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        vectors, tokens, truncated = embed(StringCodec.decode_input(payload.inputs[0]))
        columns = {"embedding": vectors, "tokens": tokens, "truncated": truncated}
        outputs = [NumpyCodec.encode_output(name, column) for name, column in columns.items()]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
