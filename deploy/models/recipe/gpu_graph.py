"""
v2 for a GPU: the same encoder with the same weights as one hand-built float16 graph of contrib operators, which CUDA runs whole.

Its one int32 input `input_ids` [batch, length] is padded with 0, so no mask travels; pooling and L2 are inside, so hidden states never leave
the device. Weights are those of v2, read back from int8: its vectors may stand beside v2's own. Two forms:
- lean16 plans cuDNN anew for each (batch, length): give it buckets.
- pack16 drops padding first (RemovePadding, PackedAttention), which suits texts of mixed length, and any shape is as good.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from .onnx_graph import IR_VERSION, OPSET, quantise

Form = Literal["lean16", "pack16"]
CONTRIB = "com.microsoft"
OUTPUT = "sentence_embedding"


def through_int8(matrix: np.ndarray, axis: int) -> np.ndarray:
    """What v2 computes with: the matrix stored as int8 and read back, float32."""
    values, scales = quantise(matrix, axis)
    return values.astype(np.float32) * scales


class GpuGraphBuilder:
    """Writes one form; `half` False gives lean16's structure in float32, which the CPU provider runs as well, for checks."""

    def __init__(self, weights_folder: Path, *, packed: bool, half: bool = True) -> None:
        config = json.loads((weights_folder / "config.json").read_text("utf8"))
        self.weights = {name: w.astype(np.float32) for name, w in load_file(weights_folder / "model.safetensors").items()}
        self.hidden = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.layers = config["num_hidden_layers"]
        self.epsilon = float(config["layer_norm_eps"])
        self.packed = packed
        self.kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.type = np.float16 if half else np.float32
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def build(self, path: Path) -> None:
        """Writes the whole model to a file."""
        axis = self._constant("axis_1", np.array([1], np.int64))
        real = self._node("Sign", ["input_ids"], "real")
        lengths = self._node("ReduceSum", [real, axis], "lengths", keepdims=0)
        x = self._embeddings()
        offsets: list[str] = []
        if self.packed:
            self._node("RemovePadding", [x, lengths], ["packed", "token_offset", "starts", "longest"], CONTRIB)
            x, offsets = "packed", ["token_offset", "starts"]
        for layer in range(self.layers):
            x = self._layer(x, f"encoder.layer.{layer}.", offsets or [lengths])
        if self.packed:
            x = self._node("RestorePadding", [x, "token_offset"], "restored", CONTRIB)
        self._pool(x, real, axis)
        self._save(path)

    def _embeddings(self) -> str:
        w, e = self.weights, "embeddings."
        positions = w[e + "position_embeddings.weight"] + w[e + "token_type_embeddings.weight"][0]
        words = self._matrix("words", through_int8(w[e + "word_embeddings.weight"], axis=1))
        table = self._matrix("positions", through_int8(positions, axis=1))
        norm = [self._weight(e + "LayerNorm.weight"), self._weight(e + "LayerNorm.bias")]
        inputs = ["input_ids", "", words, table, "", *norm]
        return self._node(
            "EmbedLayerNormalization", inputs, ["embedded", "mask_index"], CONTRIB, epsilon=self.epsilon
        )

    def _layer(self, x: str, p: str, mask: list[str]) -> str:
        attention = p + "attention.self."
        parts = [attention + name for name in ("query", "key", "value")]
        weight = self._matrix(attention + "qkv", np.concatenate([self._linear(name) for name in parts], axis=1))
        bias = self._matrix(attention + "qkv.bias", np.concatenate([self.weights[name + ".bias"] for name in parts]))
        operator = "PackedAttention" if self.packed else "Attention"
        attended = self._node(
            operator, [x, weight, bias, *mask], attention + "output", CONTRIB, num_heads=self.heads
        )
        x = self._add_norm(self._product(attended, p + "attention.output.dense"), x, p + "attention.output")
        inner = self._product(x, p + "intermediate.dense")
        inner = self._node(
            "BiasGelu", [inner, self._weight(p + "intermediate.dense.bias")], p + "gelu", CONTRIB
        )
        return self._add_norm(self._product(inner, p + "output.dense"), x, p + "output")

    def _linear(self, name: str) -> np.ndarray:
        """[in, out], as v2 stores it: one scale an output column."""
        return through_int8(self.weights[name + ".weight"].T, axis=0)

    def _product(self, x: str, name: str) -> str:
        return self._node("MatMul", [x, self._matrix(name + ".weight", self._linear(name))], name + ".product")

    def _add_norm(self, x: str, residual: str, p: str) -> str:
        names = [p + ".LayerNorm.weight", p + ".LayerNorm.bias", p + ".dense.bias"]
        inputs = [x, residual, *(self._weight(name) for name in names)]
        return self._node("SkipLayerNormalization", inputs, p + ".normed", CONTRIB, epsilon=self.epsilon)

    def _pool(self, x: str, real: str, axis: str) -> None:
        """Sum over real tokens, then L2 in float32: the mean's denominator cancels in the norm."""
        row = self._node("Unsqueeze", [self._node("Cast", [real], "real_typed", to=self.kind), axis], "row")
        total = self._node("Squeeze", [self._node("MatMul", [row, x], "sum_3d"), axis], "sum")
        if self.kind != TensorProto.FLOAT:
            total = self._node("Cast", [total], "sum_float", to=TensorProto.FLOAT)
        # x / sqrt(mean(x^2)) / sqrt(hidden) is x / |x|, in one operator.
        scale = self._constant("unit", np.full(self.hidden, 1 / np.sqrt(self.hidden), np.float32))
        self._node("SimplifiedLayerNormalization", [total, scale], OUTPUT, axis=-1, epsilon=1e-12)

    def _weight(self, name: str) -> str:
        return self._matrix(name, self.weights[name])

    def _matrix(self, name: str, value: np.ndarray) -> str:
        return self._constant(name, value.astype(self.type))

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.array(value, order="C", copy=True), name))
        return name

    def _node(self, operator: str, inputs: list[str], outputs: str | list[str], domain: str = "", **attributes: object) -> str:
        names = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(
            helper.make_node(operator, inputs, names, name=f"{names[0]}/{operator}", domain=domain, **attributes)
        )
        return names[0]

    def _save(self, path: Path) -> None:
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT32, ["batch", "length"])
        vector = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", self.hidden])
        graph = helper.make_graph(self.nodes, "MiniLM-L6", [ids], [vector], self.initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, producer_name="kindred", ir_version=IR_VERSION), path)


def build(weights_folder: Path, form: Form, path: Path) -> None:
    """Writes one form for a GPU."""
    GpuGraphBuilder(weights_folder, packed=form == "pack16").build(path)
