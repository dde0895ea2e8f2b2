"""
v2: the BERT encoder of all-MiniLM-L6-v2 written as an ONNX graph straight from its safetensors, without torch.

Mean pooling and L2 normalisation are part of the graph, so the output is small and no caller can pool it wrongly.
Token type ids are always zero for single texts; their one embedding is added to the position table and the input is gone.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from .onnx_graph import Graph


class TransformerBuilder:
    """Writes one BERT encoder; `int8` chooses how matrices are stored, computing is float32 either way."""

    def __init__(self, weights_folder: Path, *, int8: bool) -> None:
        config = json.loads((weights_folder / "config.json").read_text("utf8"))
        self.weights = {name: w.astype(np.float32) for name, w in load_file(weights_folder / "model.safetensors").items()}
        self.hidden = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.layers = config["num_hidden_layers"]
        self.epsilon = config["layer_norm_eps"]
        self.int8 = int8
        self.graph = Graph("MiniLM-L6")

    def build(self, path: Path) -> None:
        """Writes the whole model to a file."""
        hidden = self._embeddings()
        mask = self._additive_mask()
        for layer in range(self.layers):
            hidden = self._layer(hidden, mask, layer)
        self._pool(hidden)
        self.graph.save(path, dimension=self.hidden)

    def _embeddings(self) -> str:
        g, w = self.graph, self.weights
        positions = w["embeddings.position_embeddings.weight"] + w["embeddings.token_type_embeddings.weight"][0]
        words = g.lookup(
            "word_embeddings", w["embeddings.word_embeddings.weight"], "input_ids", "words", int8=self.int8
        )
        length = g.node("Slice", [g.node("Shape", ["input_ids"], "shape"), g.integers(1), g.integers(2)], "length")
        table = g.matrix("positions", positions, int8=self.int8, axis=1)
        rows = g.node("Slice", [table, g.integers(0), length, g.integers(0)], "position_rows")
        return self._layer_norm(g.node("Add", [words, rows], "embedded"), "embeddings.LayerNorm")

    def _additive_mask(self) -> str:
        """0 for real tokens and a large negative number for padding, shape [batch, 1, 1, sequence]."""
        g = self.graph
        mask = g.to_float(g.node("Unsqueeze", ["attention_mask", g.integers(1, 2)], "mask_4d"), "mask_float")
        padding = g.node("Sub", [g.scalar("one", 1), mask], "padding")
        return g.node("Mul", [padding, g.scalar("masked_score", -10_000)], "additive_mask")

    def _layer(self, x: str, mask: str, index: int) -> str:
        g, p = self.graph, f"encoder.layer.{index}."
        attended = self._linear(self._attention(x, mask, p), p + "attention.output.dense")
        x = self._layer_norm(g.node("Add", [attended, x], p + "attention.residual"), p + "attention.output.LayerNorm")
        inner = self._gelu(self._linear(x, p + "intermediate.dense"), p + "intermediate")
        outer = self._linear(inner, p + "output.dense")
        return self._layer_norm(g.node("Add", [outer, x], p + "residual"), p + "output.LayerNorm")

    def _attention(self, x: str, mask: str, p: str) -> str:
        g, a = self.graph, p + "attention.self."
        query = self._split_heads(self._linear(x, a + "query"), [0, 2, 1, 3])
        key = self._split_heads(self._linear(x, a + "key"), [0, 2, 3, 1])
        value = self._split_heads(self._linear(x, a + "value"), [0, 2, 1, 3])
        scale = g.scalar("attention_scale", math.sqrt(self.hidden // self.heads))
        scores = g.node("Div", [g.node("MatMul", [query, key], a + "scores"), scale], a + "scaled")
        shares = g.node("Softmax", [g.node("Add", [scores, mask], a + "masked")], a + "shares", axis=-1)
        context = g.node("Transpose", [g.node("MatMul", [shares, value], a + "context")], a + "merged", perm=[0, 2, 1, 3])
        return g.node("Reshape", [context, g.integers(0, 0, self.hidden)], a + "output")

    def _split_heads(self, x: str, order: list[int]) -> str:
        g = self.graph
        split = g.node("Reshape", [x, g.integers(0, 0, self.heads, self.hidden // self.heads)], x + ".heads")
        return g.node("Transpose", [split], x + ".ordered", perm=order)

    def _linear(self, x: str, name: str) -> str:
        g = self.graph
        # [in, out] as MatMul wants it, one scale an output column.
        weight = g.matrix(name + ".weight", self.weights[name + ".weight"].T, int8=self.int8, axis=0)
        product = g.node("MatMul", [x, weight], name + ".product")
        return g.node("Add", [product, g.constant(name + ".bias", self.weights[name + ".bias"])], name)

    def _layer_norm(self, x: str, name: str) -> str:
        weight = self.graph.constant(name + ".weight", self.weights[name + ".weight"])
        bias = self.graph.constant(name + ".bias", self.weights[name + ".bias"])
        return self.graph.node("LayerNormalization", [x, weight, bias], name, axis=-1, epsilon=self.epsilon)

    def _gelu(self, x: str, p: str) -> str:
        """x * (1 + erf(x / sqrt 2)) / 2, the exact form that BERT was trained with; the runtime fuses it."""
        g = self.graph
        erf = g.node("Erf", [g.node("Div", [x, g.scalar("sqrt_2", math.sqrt(2))], p + ".gelu.scaled")], p + ".gelu.erf")
        doubled = g.node("Mul", [x, g.node("Add", [erf, g.scalar("one", 1)], p + ".gelu.sum")], p + ".gelu.doubled")
        return g.node("Mul", [doubled, g.scalar("half", 0.5)], p + ".gelu")

    def _pool(self, x: str) -> None:
        """
        Sum over real tokens, then L2. The mean's denominator would cancel in the norm, so it is left out: what comes
        out is exactly the normalised mean.
        """
        g = self.graph
        mask = g.to_float(g.node("Unsqueeze", ["attention_mask", g.integers(2)], "pool_mask"), "pool_mask_float")
        total = g.node("ReduceSum", [g.node("Mul", [x, mask], "pool_masked"), g.integers(1)], "pool_sum", keepdims=0)
        g.node("LpNormalization", [total], "sentence_embedding", axis=-1, p=2)
