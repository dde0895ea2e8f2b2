"""Embeds the texts of a JSON list on standard input with the bundle in argv[1]; prints the CPU seconds of tokenizing and running."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

folder = Path(sys.argv[1])
manifest = json.loads((folder / "model.json").read_text())
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.enable_truncation(manifest["maxTokens"])
tokenizer.no_padding()
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
texts = json.load(sys.stdin)

started = time.process_time()
encoded = sorted((encoding.ids for encoding in tokenizer.encode_batch(texts)), key=len)
for start in range(0, len(encoded), 32):
    batch = encoded[start : start + 32]
    ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(batch):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    session.run([manifest["output"]], {name: feeds[name] for name in manifest["inputs"]})
print(json.dumps({"cpu": time.process_time() - started, "version": ort.__version__}))
