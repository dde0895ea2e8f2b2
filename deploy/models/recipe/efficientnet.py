"""
EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; the Lite variants have no squeeze-and-excitation and ReLU6 in the place of swish) as
an ONNX feature extractor, written straight from its state dict. Batch normalisation is folded into the convolutions; the classifier is
left out, so that what comes out is the L2-normalised average of the last 1,280 channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from .onnx_graph import Graph
from .torch_file import load_state_dict

SIDE = 224
DIMENSION = 1_280
CLASSES = 1_000
# That of the TensorFlow weights that these were converted from.
EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Repeated blocks; the stride belongs to the first."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class EfficientNetBuilder:
    """Writes the graph; `classify` keeps the classifier, to check that the weights still know what they see."""

    def __init__(self, weights: Path, *, classify: bool = False) -> None:
        self.weights = load_state_dict(weights)
        self.classify = classify
        self.graph = Graph("EfficientNet-Lite0")

    def build(self, path: Path) -> None:
        """Writes float32 `pixels` [batch, 3, 224, 224] to `image_embedding` [batch, 1280], or to `logits` [batch, 1000]."""
        g = self.graph
        x = self._convolution("pixels", "_conv_stem", "_bn0", stride=2, relu=True)
        block, channels = 0, 32
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                x = self._block(x, f"_blocks.{block}", stage, stride, skip=stride == 1 and channels == stage.channels)
                block, channels = block + 1, stage.channels
        x = self._convolution(x, "_conv_head", "_bn1", stride=1, relu=True)
        features = g.node("ReduceMean", [x], "features", axes=[2, 3], keepdims=0)
        name, width = ("logits", CLASSES) if self.classify else ("image_embedding", DIMENSION)
        if self.classify:
            fc = [g.constant(f"_fc.{part}", self.weights[f"_fc.{part}"]) for part in ("weight", "bias")]
            g.node("Gemm", [features, *fc], name, transB=1)
        else:
            g.node("LpNormalization", [features], name, axis=-1, p=2)
        g.write(
            path,
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])],
        )

    def _block(self, x: str, name: str, stage: Stage, stride: int, *, skip: bool) -> str:
        """An inverted residual: expand, filter each channel, project."""
        wide = x if stage.expand == 1 else self._convolution(x, f"{name}._expand_conv", f"{name}._bn0", stride=1, relu=True)
        filtered = self._convolution(wide, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, relu=True)
        narrow = self._convolution(filtered, f"{name}._project_conv", f"{name}._bn2", stride=1, relu=False)
        return self.graph.node("Add", [narrow, x], f"{name}.residual") if skip else narrow

    def _convolution(self, x: str, name: str, norm: str, *, stride: int, relu: bool) -> str:
        """A convolution with the batch normalisation after it folded in: w * s and b - m * s, with s = g / sqrt(v + e)."""
        g, w = self.graph, self.weights
        weight = w[f"{name}.weight"].astype(np.float64)
        scale = w[f"{norm}.weight"] / np.sqrt(w[f"{norm}.running_var"].astype(np.float64) + EPSILON)
        bias = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale
        folded = (weight * scale[:, None, None, None]).astype(np.float32)
        out = g.node(
            "Conv",
            [x, g.constant(f"{name}.weight", folded), g.constant(f"{name}.bias", bias.astype(np.float32))],
            f"{name}.output",
            # As TensorFlow pads: what is odd goes to the right and the bottom.
            auto_pad="SAME_UPPER",
            kernel_shape=list(weight.shape[2:]),
            strides=[stride, stride],
            group=weight.shape[0] if weight.shape[1] == 1 else 1,
        )
        if not relu:
            return out
        return g.node("Clip", [out, g.scalar("zero", 0), g.scalar("six", 6)], f"{name}.relu6")
