"""Writes a bundle: model.onnx is there already, tokenizer.json and model.json are added."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .encoder import Encoder

PROBE_TEXT = "a waterproof jacket for hiking"


@dataclass(frozen=True)
class Description:
    """What model.json says and the files can't."""

    id: str
    name: str
    description: str
    dimension: int
    max_tokens: int
    source: str


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tokenizer(source: Path, target: Path) -> None:
    """
    Copies tokenizer.json without its truncation and padding. The original pads every text to 128 tokens and cuts
    there; batches and limits are the gateway's to choose.
    """
    tokenizer = json.loads(source.read_text("utf8"))
    tokenizer["truncation"] = None
    tokenizer["padding"] = None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n", "utf8")


def write_manifest(folder: Path, description: Description) -> None:
    """Writes model.json with the hashes of the files and the vector that the probe text must give."""
    model, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
    probe = Encoder(model, tokenizer, description.max_tokens).encode_batch([PROBE_TEXT])[0]
    if probe.shape != (description.dimension,) or not np.isfinite(probe).all():
        raise ValueError(f"Expected a finite probe vector of {description.dimension} numbers, but got shape {probe.shape}.")
    manifest = {
        "id": description.id,
        "name": description.name,
        "description": description.description,
        "dimension": description.dimension,
        "maxTokens": description.max_tokens,
        "pooling": "mean",
        "normalize": True,
        "poolingInGraph": True,
        "prompts": {"query": "", "document": ""},
        "inputs": ["input_ids", "attention_mask"],
        "output": "sentence_embedding",
        "tokenizer": tokenizer.name,
        "model": model.name,
        "files": {file.name: {"sha256": sha256(file), "bytes": file.stat().st_size} for file in (model, tokenizer)},
        "similarity": "cosine",
        "licence": "Apache-2.0",
        "source": description.source,
        "probe": {
            "text": PROBE_TEXT,
            "purpose": "query",
            "vector": base64.b64encode(probe.astype("<f4").tobytes()).decode("ascii"),
        },
    }
    (folder / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf8")


def add_variant(folder: Path, provider: str, file: Path, inputs: str, **facts: object) -> None:
    """Names a file in the bundle's model.json that one execution provider runs in place of model.onnx."""
    manifest = json.loads((folder / "model.json").read_text("utf8"))
    variant = {"model": file.name, "inputs": inputs, "sha256": sha256(file), "bytes": file.stat().st_size, **facts}
    manifest["variants"] = {**manifest.get("variants", {}), provider: variant}
    (folder / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf8")
