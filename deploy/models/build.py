#!/usr/bin/env python3
"""
Builds both bundles from nothing but the installed wheels and Debian's archive. Run through build.sh, which makes the
environment. usage: build.py [--cache FOLDER] [--only v1|v2]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from tokenizers import Tokenizer

from recipe import corpus as corpus_module
from recipe import debian_text, static_model
from recipe.bundle import Description, add_variant, write_manifest, write_tokenizer
from recipe.corpus import Corpus
from recipe.distil import DIMENSION, TEACHER_TOKENS, Lesson, Student, teach
from recipe.encoder import Encoder
from recipe.packed_graph import PackedGraphBuilder, check_packed
from recipe.transformer import TransformerBuilder
from recipe.weights import WHEEL, minilm_folder

HERE = Path(__file__).resolve().parent
DEFAULT_CACHE = HERE / ".build"

V1 = Description(
    id="v1",
    name="MiniLM-L6 static",
    description=(
        "A static embedding distilled from sentence-transformers/all-MiniLM-L6-v2: one int8 row a wordpiece, summed "
        "with inverse frequency weights. About a hundred times faster than v2, less precise, blind to the order of words."
    ),
    dimension=DIMENSION,
    max_tokens=512,
    source=f"distilled from sentence-transformers/all-MiniLM-L6-v2 (PyPI {WHEEL}) by deploy/models/build.py",
)
V2 = Description(
    id="v2",
    name="MiniLM-L6 w8",
    description=(
        "sentence-transformers/all-MiniLM-L6-v2 with int8 weights that are computed in float32; a text's vector does "
        "not depend on its batch. English."
    ),
    dimension=384,
    max_tokens=256,
    source=f"sentence-transformers/all-MiniLM-L6-v2 (PyPI {WHEEL}), converted by deploy/models/build.py",
)


def reference_model(cache: Path) -> Path:
    """MiniLM in float32: the teacher of v1 and what v2 is compared with."""
    path = cache / "minilm-fp32.onnx"
    if not path.exists():
        TransformerBuilder(minilm_folder(), int8=False).build(path)
    return path


def build_v2() -> None:
    """MiniLM with int8 storage, and its form for the CPU without padding."""
    folder = HERE / V2.id
    transformer = TransformerBuilder(minilm_folder(), int8=True)
    transformer.build(folder / "model.onnx")
    write_tokenizer(minilm_folder() / "tokenizer.json", folder / "tokenizer.json")
    write_manifest(folder, V2)
    packed = folder / "model.packed.onnx"
    PackedGraphBuilder(folder / "model.onnx", heads=transformer.heads).build(packed)
    check_packed(folder / "model.onnx", packed)
    add_variant(folder, "cpu", packed, "packed-ids-int32")


def corpus_and_lesson(cache: Path) -> tuple[Tokenizer, Corpus, Lesson]:
    """The training texts of v1 and what the teacher makes of them."""
    tokenizer_file = cache / "tokenizer.json"
    write_tokenizer(minilm_folder() / "tokenizer.json", tokenizer_file)
    debian = cache / "debian"
    debian.mkdir(parents=True, exist_ok=True)
    debian_text.fetch(debian)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    corpus = corpus_module.build(debian, tokenizer)
    teacher = Encoder(reference_model(cache), tokenizer_file, TEACHER_TOKENS, threads=os.cpu_count() or 1)
    return tokenizer, corpus, teach(teacher, corpus, cache)


def build_v1(cache: Path) -> None:
    """The static model."""
    folder = HERE / V1.id
    tokenizer, corpus, lesson = corpus_and_lesson(cache)
    print(f"{len(corpus.train)} texts learnt from, {len(corpus.held_out)} and {len(corpus.pairs)} pairs held out")
    student = Student(tokenizer, corpus, lesson)
    table = student.learn()
    print("teacher on held-out pairs", student.teacher_score())
    print("v1 on held-out texts and pairs", student.score(table))
    table = student.finish(table)
    static_model.build(table.rows, table.weights, folder / "model.onnx")
    write_tokenizer(minilm_folder() / "tokenizer.json", folder / "tokenizer.json")
    write_manifest(folder, V1)


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every script here has."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="where intermediate files are kept")
    return result


def parse_cache(description: str) -> Path:
    """For scripts with no other option."""
    return parser(description).parse_args().cache.resolve()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--only", choices=[V1.id, V2.id], help="build one bundle instead of both")
    arguments = options.parse_args()
    cache = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    reference_model(cache)
    for bundle in [arguments.only] if arguments.only else [V2.id, V1.id]:
        start = time.monotonic()
        if bundle == V2.id:
            build_v2()
        else:
            build_v1(cache)
        print(f"{bundle} built in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
