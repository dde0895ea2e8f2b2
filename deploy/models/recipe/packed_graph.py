"""
v2 for the CPU without padding: the same encoder over the tokens of all texts in one row, so that a batch of mixed lengths costs what its
tokens cost. Only attention, a small part of the work, sees texts side by side, padded to the longest.

Inputs are int32 `input_ids` [tokens], text after text, and `lengths` [texts], none of them 0. All the rest follows from the lengths, inside.
Its matrices are the bytes of v2's own model.onnx (external data by offset), so the file is small and both forms have the same weights.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .onnx_graph import IR_VERSION, OPSET

INPUTS = ("input_ids", "lengths")
OUTPUT = "sentence_embedding"
# Smaller constants are written into the file itself.
EXTERNAL_BYTES = 4_096
EPSILON = 1e-12
# What padding's scores have less than others: e^-40 of a share is nothing in float32. Far less would make e^x denormal, which takes the CPU some 100 times as
# long: padding's keys are a real token's, whose scores were from 41 below the highest to 0.4 above it on 6,000 product titles.
MASKED = -40
# The lowest cosine that vectors of one digest may have to one another.
SAME_VECTOR = 0.9999


class PackedGraphBuilder:
    """Writes the packed form of a graph that `TransformerBuilder` wrote with int8 storage."""

    def __init__(self, reference: Path, *, heads: int) -> None:
        self.reference = reference
        self.file = reference.read_bytes()
        self.source = {each.name: each for each in onnx.load_from_string(self.file).graph.initializer}
        self.hidden = self.source["embeddings.LayerNorm.weight"].dims[0]
        self.heads = heads
        self.layers = sum(name.endswith("intermediate.dense.bias") for name in self.source)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def build(self, path: Path) -> None:
        """Writes the whole model to a file beside the reference."""
        self._places()
        x = self._embeddings()
        for layer in range(self.layers):
            x = self._layer(x, f"encoder.layer.{layer}.")
        self._pool(x)
        self._save(path)

    def _places(self) -> None:
        """Where each token of the row stands in [texts, longest], and the other way round; padding is looked up at token 0 and masked."""
        column = self._node("Unsqueeze", ["lengths", self._integers(1)], "column")
        longest = self._node("ReduceMax", ["lengths"], "longest", keepdims=0)
        zero, one = (self._constant(f"{name}_int32", np.array(value, np.int32)) for name, value in (("zero", 0), ("one", 1)))
        steps = self._node("Range", [zero, longest, one], "steps")
        real = self._node("Less", [steps, column], "real")
        ends = self._node("CumSum", ["lengths", zero], "ends", exclusive=1)
        starts = self._node("Unsqueeze", [ends, self._integers(1)], "starts")
        self._node("Where", [real, self._node("Add", [starts, steps], "from_start"), zero], "padded_places")
        # The mask, [1, texts, 1, longest].
        masked, open_ = self._scalar("masked_score", MASKED), self._scalar("open_score", 0)
        flat_mask = self._node("Where", [real, open_, masked], "flat_mask")
        self._node("Unsqueeze", [flat_mask, self._integers(0, 2)], "additive_mask")
        found = self._node("NonZero", [real], "found")
        text, step = self._node("Split", [found], ["text_row", "step_row"], axis=0)
        self._node("Squeeze", [step, self._integers(0)], "positions_of_tokens")
        wide = self._node("Cast", [longest], "longest_int64", to=TensorProto.INT64)
        places = self._node("Add", [self._node("Mul", [text, wide], "text_starts"), step], "places_2d")
        self._node("Squeeze", [places, self._integers(0)], "places")
        weights = self._node("Cast", [real], "real_float", to=TensorProto.FLOAT)
        self._node("Unsqueeze", [weights, self._integers(1)], "pool_weights")

    def _embeddings(self) -> str:
        words = self._lookup("word_embeddings", "input_ids", "words")
        positions = self._lookup("positions", "positions_of_tokens", "position_rows")
        return self._layer_norm(self._node("Add", [words, positions], "embedded"), "embeddings.LayerNorm")

    def _layer(self, x: str, p: str) -> str:
        attended = self._linear(self._attention(x, p), p + "attention.output.dense")
        x = self._layer_norm(self._node("Add", [attended, x], p + "attention.residual"), p + "attention.output.LayerNorm")
        outer = self._linear(self._gelu(self._linear(x, p + "intermediate.dense"), p), p + "output.dense")
        return self._layer_norm(self._node("Add", [outer, x], p + "residual"), p + "output.LayerNorm")

    def _attention(self, x: str, p: str) -> str:
        """Heads come first, so that tokens are turned round before they are padded and after the padding is gone, which is less to move."""
        a = p + "attention.self."
        size = self.hidden // self.heads
        query, key, value = (self._heads(x, a + name, size) for name in ("query", "key", "value"))
        # By its own Transpose, which the runtime fuses into the product.
        turned = self._node("Transpose", [key], a + "turned", perm=[0, 1, 3, 2])
        scores = self._node("MatMul", [query, turned], a + "scores")
        scaled = self._node("Div", [scores, self._scalar("attention_scale", math.sqrt(size))], a + "scaled")
        shares = self._node("Softmax", [self._node("Add", [scaled, "additive_mask"], a + "masked")], a + "shares", axis=-1)
        context = self._node("MatMul", [shares, value], a + "context")
        flat = self._node("Reshape", [context, self._integers(self.heads, -1, size)], a + "flat")
        kept = self._node("Gather", [flat, "places"], a + "kept", axis=1)
        merged = self._node("Transpose", [kept], a + "merged", perm=[1, 0, 2])
        return self._node("Reshape", [merged, self._integers(-1, self.hidden)], a + "output")

    def _heads(self, x: str, name: str, size: int) -> str:
        """A projection as [heads, texts, longest, size]."""
        split = self._node("Reshape", [self._linear(x, name), self._integers(-1, self.heads, size)], name + ".split")
        turned = self._node("Transpose", [split], name + ".turned", perm=[1, 0, 2])
        return self._node("Gather", [turned, "padded_places"], name + ".heads", axis=1)

    def _linear(self, x: str, name: str) -> str:
        product = self._node("MatMul", [x, self._matrix(name + ".weight")], name + ".product")
        return self._node("Add", [product, self._own(name + ".bias")], name)

    def _layer_norm(self, x: str, name: str) -> str:
        inputs = [x, self._own(name + ".weight"), self._own(name + ".bias")]
        return self._node("LayerNormalization", inputs, name, axis=-1, epsilon=EPSILON)

    def _gelu(self, x: str, p: str) -> str:
        """As in the reference: the runtime fuses it."""
        scaled = self._node("Div", [x, self._scalar("sqrt_2", math.sqrt(2))], p + "gelu.scaled")
        total = self._node("Add", [self._node("Erf", [scaled], p + "gelu.erf"), self._scalar("one", 1)], p + "gelu.sum")
        doubled = self._node("Mul", [x, total], p + "gelu.doubled")
        return self._node("Mul", [doubled, self._scalar("half", 0.5)], p + "gelu")

    def _pool(self, x: str) -> None:
        """Sum over each text's tokens, then L2: the mean's denominator cancels in the norm."""
        padded = self._node("Gather", [x, "padded_places"], "pool_padded", axis=0)
        total = self._node("Squeeze", [self._node("MatMul", ["pool_weights", padded], "pool_3d"), self._integers(1)], "pool_sum")
        self._node("LpNormalization", [total], OUTPUT, axis=-1, p=2)

    def _matrix(self, name: str) -> str:
        as_float = self._node("Cast", [self._own(name + ".int8")], name + ".float", to=TensorProto.FLOAT)
        return self._node("Mul", [as_float, self._own(name + ".scale")], name)

    def _lookup(self, name: str, indices: str, output: str) -> str:
        rows = self._node("Gather", [self._own(name + ".int8"), indices], output + ".int8")
        scales = self._node("Gather", [self._own(name + ".scale"), indices], output + ".scale")
        return self._node("Mul", [self._node("Cast", [rows], output + ".float", to=TensorProto.FLOAT), scales], output)

    def _own(self, name: str) -> str:
        """A constant of the reference: small ones copied, large ones as a place in its file."""
        if name in self.initializers:
            return name
        source = self.source[name]
        if len(source.raw_data) < EXTERNAL_BYTES:
            self.initializers[name] = source
            return name
        offset = self.file.find(source.raw_data)
        if offset < 0 or self.file.find(source.raw_data, offset + 1) >= 0:
            raise ValueError(f"Expected the bytes of {name} once in {self.reference}.")
        tensor = TensorProto(name=name, data_type=source.data_type, dims=source.dims, data_location=TensorProto.EXTERNAL)
        places = {"location": self.reference.name, "offset": offset, "length": len(source.raw_data)}
        tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in places.items())
        self.initializers[name] = tensor
        return name

    def _constant(self, name: str, value: np.ndarray) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(value, name)
        return name

    def _integers(self, *values: int) -> str:
        return self._constant("int_" + "_".join(map(str, values)), np.array(values, np.int64))

    def _scalar(self, name: str, value: float) -> str:
        return self._constant(name, np.array(value, np.float32))

    def _node(self, operator: str, inputs: list[str], outputs: str | list[str], **attributes: object) -> str | list[str]:
        names = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"{names[0]}/{operator}", **attributes))
        return outputs

    def _save(self, path: Path) -> None:
        ids, lengths = (
            helper.make_tensor_value_info(name, TensorProto.INT32, [size])
            for name, size in zip(INPUTS, ("tokens", "texts"), strict=True)
        )
        vector = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["texts", self.hidden])
        graph = helper.make_graph(self.nodes, "MiniLM-L6 packed", [ids, lengths], [vector], list(self.initializers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="kindred", ir_version=IR_VERSION
        )
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(path), full_check=True)


def check_packed(reference: Path, packed: Path) -> None:
    """Compares the forms on texts of all lengths, alone and together. Raises ValueError when one differs."""
    plain, other = (onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (reference, packed))
    random = np.random.default_rng(0)
    least = 1.0
    for lengths in ([1], [2, 256], [3] * 9, [12] * 32, list(range(3, 60)), [256, 5, 17, 128, 1, 64]):
        texts = [random.integers(1, 30_000, length) for length in lengths]
        ids, mask = np.zeros((len(texts), max(lengths)), np.int64), np.zeros((len(texts), max(lengths)), np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)], mask[row, : len(text)] = text, 1
        expected = plain.run([OUTPUT], {"input_ids": ids, "attention_mask": mask})[0]
        together = {"input_ids": np.concatenate(texts).astype(np.int32), "lengths": np.array(lengths, np.int32)}
        received = other.run([OUTPUT], together)[0]
        least = min(least, float((expected * received).sum(-1).min()))
    print(f"packed to padded: least cosine {least:.7f}", flush=True)
    if not least >= SAME_VECTOR:
        raise ValueError(f"Expected a cosine of at least {SAME_VECTOR}, but got {least}.")
