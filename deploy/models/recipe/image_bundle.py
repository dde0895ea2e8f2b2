"""Writes model.json of a bundle that reads images only."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import onnxruntime

from .bundle import sha256


def probe_image(side: int) -> np.ndarray:
    """Squares of colours, [side, side, 3] in uint8: of the size that no resizing changes, so that every decoder gives the same pixels."""
    squares = np.random.default_rng(7).integers(0, 256, (8, 8, 3), np.uint8)
    return squares.repeat(side // 8, 0).repeat(side // 8, 1)


def png(pixels: np.ndarray) -> bytes:
    """A PNG of [height, width, 3] uint8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)), chunk(b"IEND", b"")]
    )


def write_manifest(folder: Path, description: dict, preprocessing: dict, *, dimension: int) -> None:
    """Writes model.json with the hash of model.onnx and the vector that the probe image must give."""
    model = folder / "model.onnx"
    width, height, fraction = preprocessing["width"], preprocessing["height"], preprocessing["cropFraction"]
    outer = round(width / fraction)
    image = probe_image(outer)
    left, top = (outer - width) // 2, (outer - height) // 2
    pixels = image[top : top + height, left : left + width].astype(np.float32) / 255
    normalised = (pixels - np.float32(preprocessing["mean"])) / np.float32(preprocessing["std"])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (vector,) = session.run(None, {session.get_inputs()[0].name: normalised.transpose(2, 0, 1)[None].astype(np.float32)})[0]
    if vector.shape != (dimension,) or abs(float(np.linalg.norm(vector)) - 1) > 1e-4:
        raise ValueError(f"Expected a unit vector of {dimension} numbers, but got shape {vector.shape}.")
    manifest = {
        "kind": "image",
        **description,
        "dimension": dimension,
        "files": {model.name: {"sha256": sha256(model), "bytes": model.stat().st_size}},
        "similarity": "cosine",
        "image": {
            "model": model.name,
            "input": session.get_inputs()[0].name,
            "output": session.get_outputs()[0].name,
            **preprocessing,
            "normalize": True,
            "probe": {
                "image": base64.b64encode(png(image)).decode("ascii"),
                "vector": base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii"),
            },
        },
    }
    (folder / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf8")
