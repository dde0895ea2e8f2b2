#!/usr/bin/env python3
"""
Measures the bundles as they are shipped, with onnxruntime on one thread.
usage: evaluate.py [--data FOLDER] [--reference FILE] [--only v1|v2]

Always: size, the probe vector, the same vector alone and in a batch, an empty text, speed. v2 is also compared with the
float32 graph if build.py left one (--reference). With the project's evaluation data (--data, or KINDRED_DATA, or
../shared/data beside the repository): nDCG@10 in the judged pool of chorus and hit@10 of abt-buy.
Exits with 1 if a bundle misses what it must reach; data that is absent is said and is not a miss.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from recipe.encoder import Encoder
from recipe.product_text import ProductText

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
DEFAULT_DATA = REPOSITORY.parent / "shared" / "data"

# What a bundle has to reach to be shipped: nDCG@10 of chorus with either gain, and hit@10 of abt-buy.
REQUIRED = {"v1": {"nDCG@10": 0.82, "hit@10": 0.96}, "v2": {"nDCG@10": 0.90, "hit@10": 0.96}}

SAME_VECTOR = 0.99999
SAME_MODEL_MEAN = 0.999


# --- texts ------------------------------------------------------------------------------------------------------------


def sentences(*parts: str | None) -> str:
    """Joins the parts that are not empty with ". ", as the gateway's text template does."""
    return ". ".join(part.strip() for part in parts if part and part.strip())


def chorus_text(product: dict) -> str:
    """The text of a chorus product."""
    return sentences(product.get("title"), product.get("brand"), product.get("description"))


def abt_buy_text(listing: dict) -> str:
    """The text of a listing of either shop: its name alone."""
    return listing["name"]


# --- measures ---------------------------------------------------------------------------------------------------------


def ndcg_at_10(ratings_in_rank_order: Iterable[int], gain: Callable[[int], float]) -> float:
    """Discounted gain of the first ten over that of the ideal order (Jarvelin and Kekalainen 2002)."""
    gains = [gain(rating) for rating in ratings_in_rank_order]
    discounts = 1 / np.log2(np.arange(2, 12))

    def discounted(values: list[float]) -> float:
        top = np.array(values[:10])
        return float((top * discounts[: len(top)]).sum())

    return discounted(gains) / discounted(sorted(gains, reverse=True))


def linear_gain(rating: int) -> float:
    """The rating itself."""
    return float(rating)


def exponential_gain(rating: int) -> float:
    """2^rating - 1, which makes the best rating count for much more."""
    return 2.0**rating - 1


def read_lines(path: Path) -> list[dict]:
    """A JSON Lines file, gzipped or not."""
    opened = gzip.open(path, "rt", encoding="utf8") if path.suffix == ".gz" else path.open(encoding="utf8")
    with opened as lines:
        return [json.loads(line) for line in lines]


def chorus(encoder: Encoder, folder: Path) -> dict[str, float]:
    """Mean nDCG@10 over the queries, each ranking only its own judged products. Queries with no gain have no nDCG."""
    ratings: dict[str, dict[str, int]] = defaultdict(dict)
    for line in read_lines(folder / "judgments.jsonl"):
        ratings[line["query"]][line["id"]] = line["rating"]
    products = {product["id"]: product for product in read_lines(folder / "products.jsonl.gz")}
    judged = sorted({key for pool in ratings.values() for key in pool if key in products})
    vectors = dict(zip(judged, encoder.encode([chorus_text(products[key]) for key in judged]), strict=True))
    results: dict[str, list[float]] = {"linear": [], "exponential": []}
    queries = sorted(ratings)
    for query, vector in zip(queries, encoder.encode(queries), strict=True):
        pool = [key for key in ratings[query] if key in vectors]
        if not any(ratings[query][key] for key in pool):
            continue
        pool.sort(key=lambda key: (-float(vectors[key] @ vector), key))
        ranked = [ratings[query][key] for key in pool]
        results["linear"].append(ndcg_at_10(ranked, linear_gain))
        results["exponential"].append(ndcg_at_10(ranked, exponential_gain))
    means = {name: float(np.mean(values)) for name, values in results.items()}
    return means | {"queries": len(results["linear"]), "products": len(judged)}


def abt_buy(encoder: Encoder, folder: Path) -> dict[str, float]:
    """Share of matched abt listings that find a buy listing of the same product at rank 1, and within rank 10."""
    matches: dict[int, set[int]] = defaultdict(set)
    for line in read_lines(folder / "matches.jsonl"):
        matches[line["abt"]].add(line["buy"])
    abt = [listing for listing in read_lines(folder / "abt.jsonl.gz") if listing["id"] in matches]
    buy = read_lines(folder / "buy.jsonl.gz")
    scores = encoder.encode([abt_buy_text(a) for a in abt]) @ encoder.encode([abt_buy_text(b) for b in buy]).T
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = np.array([[buy[j]["id"] in matches[a["id"]] for j in row] for a, row in zip(abt, ranked, strict=True)])
    return {"hit@1": float(hits[:, 0].mean()), "hit@10": float(hits.any(axis=1).mean()), "queries": len(abt)}


# --- checks that need no data -----------------------------------------------------------------------------------------


def sample_texts() -> list[str]:
    """300 short texts and 60 long ones of the product grammar, with a seed that training doesn't use."""
    texts = ProductText(seed=7_001).texts(300 + 60 * 12)
    return texts[:300] + [". ".join(texts[start : start + 12]) for start in range(300, len(texts), 12)]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of a with the same row of b."""
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def probe_cosine(encoder: Encoder, manifest: dict) -> float:
    """The vector of the probe text against the one that model.json promises."""
    expected = np.frombuffer(base64.b64decode(manifest["probe"]["vector"]), "<f4")
    return float(cosines(encoder.encode_batch([manifest["probe"]["text"]]), expected[None])[0])


def texts_per_second(encoder: Encoder, texts: list[str], batch_size: int, seconds: float = 2) -> float:
    """Tokenizing and running on one thread, in CPU time so that a busy machine counts less."""
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        batch = [texts[(done + i) % len(texts)] for i in range(batch_size)]
        encoder.encode_batch(batch)
        done += batch_size
    return done / (time.process_time() - start)


class Report:
    """Prints each figure and remembers whether one was missed."""

    def __init__(self) -> None:
        self.missed = False

    def figure(self, name: str, value: float, at_least: float | None = None) -> None:
        """One line; with a bound, also whether it holds."""
        bound = ""
        if at_least is not None:
            held = value >= at_least
            self.missed |= not held
            bound = f"  (required {at_least}: {'ok' if held else 'MISSED'})"
        print(f"  {name:<44} {value:.5f}{bound}", flush=True)

    def note(self, text: str) -> None:
        """A line with no figure."""
        print(f"  {text}", flush=True)


def check_bundle(report: Report, folder: Path, reference: Path) -> Encoder:
    """Everything that the bundle itself can show."""
    manifest = json.loads((folder / "model.json").read_text("utf8"))
    print(f"{manifest['id']}: {manifest['name']}, {manifest['files']['model.onnx']['bytes'] / 1e6:.1f} MB")
    started = time.perf_counter()
    encoder = Encoder.from_bundle(folder)
    report.note(f"loaded in {(time.perf_counter() - started) * 1000:.0f} ms")
    texts = sample_texts()
    batched = encoder.encode(texts)
    alone = np.concatenate([encoder.encode_batch([text]) for text in texts])
    report.figure("probe vector, cosine", probe_cosine(encoder, manifest), SAME_VECTOR)
    report.figure(f"alone and in a batch, least cosine of {len(texts)}", cosines(batched, alone).min(), SAME_VECTOR)
    empty = encoder.encode_batch(["", "\u200b", texts[0]])
    report.figure("empty text, length of its vector", float(np.linalg.norm(empty[:2], axis=1).min()), 0.999)
    if manifest["id"] == "v2":
        compare_with_reference(report, folder, reference, texts, batched)
    short = [text for text in texts if len(text.split()) <= 4]
    report.note(f"{texts_per_second(encoder, short, 1):.0f} short texts per CPU second at batch 1")
    report.note(f"{texts_per_second(encoder, sorted(texts[:300], key=len), 32):.0f} texts of mixed length per CPU second at batch 32")
    return encoder


def compare_with_reference(report: Report, folder: Path, reference: Path, texts: list[str], vectors: np.ndarray) -> None:
    """v2 against the same network in float32."""
    if not reference.exists():
        report.note(f"not compared with float32: {reference} is absent (build.py writes it)")
        return
    exact = Encoder(reference, folder / "tokenizer.json", 256).encode(texts)
    same = cosines(vectors, exact)
    report.figure(f"cosine to float32, mean of {len(texts)}", same.mean(), SAME_MODEL_MEAN)
    report.figure(f"cosine to float32, least of {len(texts)}", same.min())


def check_relevance(report: Report, encoder: Encoder, bundle: str, data: Path) -> None:
    """The two data sets, or a line for one that is absent."""
    required = REQUIRED[bundle]
    if (data / "chorus").is_dir():
        result = chorus(encoder, data / "chorus")
        report.note(f"chorus: {result['queries']} queries with a relevant product, {result['products']} judged products")
        for gain in ("linear", "exponential"):
            report.figure(f"chorus nDCG@10, judged pool, {gain} gain", result[gain], required["nDCG@10"])
    else:
        report.note(f"chorus SKIPPED: {data / 'chorus'} is absent")
    if (data / "abt-buy").is_dir():
        result = abt_buy(encoder, data / "abt-buy")
        report.figure(f"abt-buy hit@1, {result['queries']} queries", result["hit@1"])
        report.figure(f"abt-buy hit@10, {result['queries']} queries", result["hit@10"], required["hit@10"])
    else:
        report.note(f"abt-buy SKIPPED: {data / 'abt-buy'} is absent")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("KINDRED_DATA", DEFAULT_DATA)))
    parser.add_argument("--reference", type=Path, default=HERE / ".build" / "minilm-fp32.onnx")
    parser.add_argument("--only", choices=sorted(REQUIRED))
    arguments = parser.parse_args()
    report = Report()
    for bundle in [arguments.only] if arguments.only else sorted(REQUIRED):
        encoder = check_bundle(report, HERE / bundle, arguments.reference)
        check_relevance(report, encoder, bundle, arguments.data)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
