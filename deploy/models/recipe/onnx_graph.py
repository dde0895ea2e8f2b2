"""A small helper to write an ONNX graph by hand, with int8 storage of matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Opset 17 is the first with LayerNormalization; nothing newer is needed, so older runtimes can load the file too.
OPSET = 17
IR_VERSION = 8


def quantise(matrix: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Symmetric int8, `matrix ~= values * scales`: values of the same shape, and one float32 scale for each line along
    the axis (axis 1: a scale a row, [n, 1]; axis 0: a scale a column, [1, n]).
    """
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / 127
    scales[scales == 0] = 1
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class Graph:
    """Collects nodes and initializers; every method returns the name of the tensor it made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        """Stores an array once under its name."""
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(np.array(value, order="C", copy=True), name)
        return name

    def integers(self, *values: int) -> str:
        """A one-dimensional int64 constant, as axes and shapes want it."""
        return self.constant("int_" + "_".join(str(v) for v in values), np.array(values, np.int64))

    def scalar(self, name: str, value: float) -> str:
        """A float32 scalar constant."""
        return self.constant(name, np.array(value, np.float32))

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Adds one operator of the default domain with one output."""
        self._nodes.append(helper.make_node(operator, inputs, [output], name=f"{output}/{operator}", **attributes))
        return output

    def to_float(self, tensor: str, output: str) -> str:
        """Casts to float32."""
        return self.node("Cast", [tensor], output, to=TensorProto.FLOAT)

    def matrix(self, name: str, value: np.ndarray, *, int8: bool, axis: int) -> str:
        """
        A float32 matrix, with int8 stored in a quarter of the size. The runtime folds the Cast and Mul into a float32
        constant while it loads, so computing stays in float32. `axis` is that of `quantise`.
        """
        if not int8:
            return self.constant(name, value)
        values, scales = quantise(value, axis)
        as_float = self.to_float(self.constant(f"{name}.int8", values), f"{name}.float")
        return self.node("Mul", [as_float, self.constant(f"{name}.scale", scales)], name)

    def lookup(self, name: str, table: np.ndarray, indices: str, output: str, *, int8: bool) -> str:
        """
        Rows of an embedding table. With int8 the rows are gathered first and scaled after, so that the table stays
        int8 in memory as well (the other order would be folded into a float32 table, four times the size, a session).
        """
        if not int8:
            return self.node("Gather", [self.constant(name, table), indices], output)
        values, scales = quantise(table, axis=1)
        rows = self.node("Gather", [self.constant(f"{name}.int8", values), indices], f"{output}.int8")
        row_scales = self.node("Gather", [self.constant(f"{name}.scale", scales), indices], f"{output}.scale")
        return self.node("Mul", [self.to_float(rows, f"{output}.float"), row_scales], output)

    def save(self, path: Path, *, dimension: int) -> None:
        """Writes the model: int64 `input_ids` and `attention_mask` [batch, sequence] to `sentence_embedding` [batch, dimension]."""
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", dimension])
        self.write(path, inputs, [output])

    def write(self, path: Path, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> None:
        """Writes the model with any inputs and outputs."""
        graph = helper.make_graph(self._nodes, self.name, inputs, outputs, list(self._initializers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="kindred", ir_version=IR_VERSION
        )
        onnx.checker.check_model(model, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
