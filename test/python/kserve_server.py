"""bag_of_words behind KServe's Python server, which has the Open Inference Protocol in JSON and with binary tensors. Takes a port."""

import sys

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

from bag_of_words import embed


class Bag(Model):
    def load(self) -> bool:
        self.ready = True
        return True

    def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        texts = [each.decode() if isinstance(each, bytes) else each for each in payload.inputs[0].as_numpy().flatten()]
        vectors, tokens, truncated = embed(texts)
        outputs = []
        for name, datatype, column in (
            ("embedding", "FP32", vectors),
            ("tokens", "INT64", tokens),
            ("truncated", "BOOL", truncated),
        ):
            output = InferOutput(name, list(column.shape), datatype)
            output.set_data_from_numpy(column, binary_data=False)
            outputs.append(output)
        return InferResponse(
            response_id="1",
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    model = Bag("bag")
    model.load()
    ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([model])
