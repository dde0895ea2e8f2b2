"""
Checks the graphs for a GPU where there is none. The CPU provider has no float16 Attention and no PackedAttention, so an interpreter of the
dozen operators runs the files as written, each output rounded to its own type as on the device; sums inside an operator are float32, as
CUDA's kernels have them. The interpreter itself is checked against onnxruntime on the float32 form.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from .gpu_graph import OUTPUT, Form, GpuGraphBuilder

# The lowest cosine that vectors of one digest may have to one another.
SAME_VECTOR = 0.9999
Tensors = dict[str, np.ndarray]


def erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float32])(x)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, epsilon: float) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * weight + bias


def attend(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, heads: int) -> np.ndarray:
    """Attention of one text [tokens, hidden] to itself."""
    query, key, value = (
        part.reshape(len(x), heads, -1).transpose(1, 0, 2) for part in np.split(x @ weight + bias, 3, axis=-1)
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return (shares @ value).transpose(1, 0, 2).reshape(len(x), -1)


class Interpreter:
    """Runs a graph of `gpu_graph` operator by operator."""

    def __init__(self, path: Path) -> None:
        self.graph = onnx.load(path).graph
        self.constants = {each.name: numpy_helper.to_array(each) for each in self.graph.initializer}

    def run(self, ids: np.ndarray) -> np.ndarray:
        """int32 [batch, length] to float32 [batch, dimension]."""
        tensors: Tensors = {**self.constants, "input_ids": ids}
        for node in self.graph.node:
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            inputs = [tensors[name] if name else None for name in node.input]
            half = any(each is not None and each.dtype == np.float16 for each in inputs)
            wide = [each.astype(np.float32) if each is not None and each.dtype == np.float16 else each for each in inputs]
            outputs = getattr(self, node.op_type)(*wide, **attributes)
            for name, value in zip(node.output, outputs if isinstance(outputs, tuple) else (outputs,), strict=False):
                if value.dtype == np.float32 and half and node.op_type != "Cast":
                    value = value.astype(np.float16)
                elif value.dtype == np.float64:
                    raise ValueError(f"Expected {node.op_type} in float32, but got float64.")
                tensors[name] = value
        return tensors[OUTPUT]

    # What ONNX and onnxruntime's ContribOperators.md say of each operator.

    def Sign(self, x):
        return np.sign(x)

    def ReduceSum(self, x, axes, keepdims):
        return x.sum(tuple(axes), keepdims=bool(keepdims)).astype(x.dtype)

    def Cast(self, x, to):
        return x.astype(onnx.helper.tensor_dtype_to_np_dtype(to))

    def Unsqueeze(self, x, axes):
        return np.expand_dims(x, tuple(axes))

    def Squeeze(self, x, axes):
        return np.squeeze(x, tuple(axes))

    def MatMul(self, a, b):
        return a @ b

    def EmbedLayerNormalization(self, ids, _segments, words, positions, _types, weight, bias, epsilon):
        embedded = words[ids] + positions[: ids.shape[1]]
        return layer_norm(embedded, weight, bias, epsilon), np.zeros(len(ids), np.int32)

    def SkipLayerNormalization(self, x, skip, weight, beta, bias, epsilon):
        return layer_norm(x + skip + bias, weight, beta, epsilon)

    def BiasGelu(self, x, bias):
        total = x + bias
        return total * (1 + erf(total / np.float32(math.sqrt(2)))) / 2

    def SimplifiedLayerNormalization(self, x, scale, axis, epsilon):
        return x / np.sqrt((x**2).mean(axis, keepdims=True) + np.float32(epsilon)) * scale

    def Attention(self, x, weight, bias, lengths, num_heads):
        result = np.zeros_like(x)
        for text, length in enumerate(lengths):
            result[text, :length] = attend(x[text, :length], weight, bias, num_heads)
        return result

    def RemovePadding(self, x, lengths):
        real = np.arange(x.shape[1]) < lengths[:, None]
        # Places of the real tokens first, then of the padding.
        offset = np.concatenate([np.flatnonzero(real), np.flatnonzero(~real)]).astype(np.int32).reshape(real.shape)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return x[real], offset, starts, np.array([lengths.max()], np.int32)

    def PackedAttention(self, x, weight, bias, _offset, starts, num_heads):
        texts = [attend(x[a:b], weight, bias, num_heads) for a, b in zip(starts[:-1], starts[1:], strict=True)]
        return np.concatenate(texts)

    def RestorePadding(self, x, offset):
        result = np.zeros((offset.size, x.shape[-1]), np.float32)
        result[offset.ravel()[: len(x)]] = x
        return result.reshape(*offset.shape, -1)


def least_cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Between rows, which have norm 1."""
    return float((a * b).sum(-1).min())


def check(reference: Path, weights_folder: Path, forms: dict[Form, Path], batches: list[list[list[int]]], cache: Path) -> None:
    """Compares the forms with v2's own graph on batches of token ids. Raises ValueError when one differs."""
    plain = cache / "minilm-lean32.onnx"
    GpuGraphBuilder(weights_folder, packed=False, half=False).build(plain)
    padded = [pad(batch) for batch in batches]
    expected = [run_reference(session(reference), ids) for ids in padded]
    same = session(plain)
    native = [same.run([OUTPUT], {"input_ids": ids})[0] for ids in padded]
    report("float32 form, onnxruntime, to v2", native, expected)
    report("interpreter to onnxruntime, float32 form", [Interpreter(plain).run(ids) for ids in padded], native)
    for form, path in forms.items():
        refuse_invalid(path)
        report(f"{form}, interpreter, to v2", [Interpreter(path).run(ids) for ids in padded], expected)
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            cuda = session(path, "CUDAExecutionProvider")
            report(f"{form}, CUDA, to v2", [cuda.run([OUTPUT], {"input_ids": ids})[0] for ids in padded], expected)


def report(what: str, received: list[np.ndarray], expected: list[np.ndarray]) -> None:
    least = min(least_cosine(a, b) for a, b in zip(received, expected, strict=True))
    print(f"{what}: least cosine {least:.7f}", flush=True)
    if not least >= SAME_VECTOR:
        raise ValueError(f"Expected {what} to have a cosine of at least {SAME_VECTOR}, but got {least}.")


def refuse_invalid(path: Path) -> None:
    """The CPU provider must know the graph's operators and types, and lack nothing but their kernels."""
    try:
        session(path)
    except Exception as error:  # onnxruntime's own classes are not public
        if "NOT_IMPLEMENTED" not in str(error):
            raise


def session(path: Path, provider: str = "CPUExecutionProvider") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=[provider])


def run_reference(of: onnxruntime.InferenceSession, ids: np.ndarray) -> np.ndarray:
    feeds = {"input_ids": ids.astype(np.int64), "attention_mask": (ids > 0).astype(np.int64)}
    return of.run([OUTPUT], feeds)[0]


def pad(batch: list[list[int]]) -> np.ndarray:
    """int32 [batch, longest], padded with 0."""
    result = np.zeros((len(batch), max(map(len, batch))), np.int32)
    for row, ids in enumerate(batch):
        result[row, : len(ids)] = ids
    return result
