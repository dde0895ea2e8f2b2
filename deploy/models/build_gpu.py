#!/usr/bin/env python3
"""
Builds gpu/: the bundles of v1 and v2 as they are, v2 with a variant for CUDA. Run through `build.sh gpu`, which makes the environment.
usage: build_gpu.py [--cache FOLDER] [--form pack16|lean16]
"""

from __future__ import annotations

import json
import shutil
import time

from tokenizers import Tokenizer

from build import DEFAULT_CACHE, HERE, V1, V2, parser
from recipe.bundle import add_variant
from recipe.gpu_check import check
from recipe.gpu_graph import build
from recipe.weights import minilm_folder

PROVIDER = "cuda"
SAMPLE = HERE.parent / "sample" / "products.jsonl"
# A plan of cuDNN costs 76 ms a shape on an H100, so 25 of them make two seconds at start.
BUCKETS = {"lengths": [16, 32, 64, 128, 256], "texts": [1, 8, 32, 128, 512]}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--form", choices=["pack16", "lean16"], default="pack16", help="the graph that CUDA gets")
    arguments = options.parse_args()
    cache = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()

    folder = HERE / "gpu"
    for bundle in (V1, V2):
        shutil.copytree(HERE / bundle.id, folder / bundle.id, dirs_exist_ok=True)
    paths = {form: cache / f"minilm-{form}.onnx" for form in ("lean16", "pack16")}
    for form, path in paths.items():
        build(minilm_folder(), form, path)
    check(HERE / V2.id / "model.onnx", minilm_folder(), paths, batches(), cache)

    file = folder / V2.id / f"model.{PROVIDER}.onnx"
    shutil.copyfile(paths[arguments.form], file)
    buckets = {"buckets": BUCKETS} if arguments.form == "lean16" else {}
    add_variant(folder / V2.id, PROVIDER, file, "padded-ids-int32", **buckets)
    print(f"{folder / V2.id} built with {arguments.form} in {time.monotonic() - start:.0f} s")


def batches() -> list[list[list[int]]]:
    """Token ids of texts of mixed lengths, one to all that v2 reads, in batches of 1, 7 and 32."""
    tokenizer = Tokenizer.from_file(str(HERE / V2.id / "tokenizer.json"))
    tokenizer.enable_truncation(V2.max_tokens)
    products = [json.loads(line) for line in SAMPLE.read_text("utf8").splitlines()[:40]]
    texts = [text for each in products for text in (each["title"], each["description"])]
    texts = ["a", *texts, " ".join(texts)]
    encoded = [each.ids for each in tokenizer.encode_batch(texts)]
    return [encoded[:1], encoded[1:8], encoded[8:40], [encoded[-1], encoded[0]]]


if __name__ == "__main__":
    main()
