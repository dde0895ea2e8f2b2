"""Runs a bundle (or any model of the same shape) with onnxruntime on one thread."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Encoder:
    """Texts to vectors, float32 [texts, dimension]."""

    def __init__(self, model: Path, tokenizer: Path, max_tokens: int, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.enable_padding()

    @classmethod
    def from_bundle(cls, folder: Path, *, threads: int = 1) -> "Encoder":
        """Opens the bundle in a folder as its model.json says."""
        manifest = json.loads((folder / "model.json").read_text("utf8"))
        return cls(folder / manifest["model"], folder / manifest["tokenizer"], manifest["maxTokens"], threads=threads)

    def encode_batch(self, texts: list[str]) -> np.ndarray:
        """One run of the session."""
        encoded = self.tokenizer.encode_batch(texts)
        feeds = {
            "input_ids": np.array([e.ids for e in encoded], np.int64),
            "attention_mask": np.array([e.attention_mask for e in encoded], np.int64),
        }
        return self.session.run(["sentence_embedding"], feeds)[0]

    def encode(self, texts: list[str], batch_size: int = 32) -> np.ndarray:
        """All texts, in batches of similar length, because padding is what costs time."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        vectors: np.ndarray | None = None
        for batch in batches:
            result = self.encode_batch([texts[i] for i in batch])
            if vectors is None:
                vectors = np.zeros((len(texts), result.shape[1]), np.float32)
            vectors[batch] = result
        if vectors is None:
            raise ValueError("Expected at least one text to encode, but got none.")
        return vectors
