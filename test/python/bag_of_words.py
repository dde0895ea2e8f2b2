"""The model behind the Open Inference servers of the tests: the sum of a fixed pseudo-random vector a word."""

import hashlib

import numpy

DIMENSION = 16
MAX_WORDS = 32


def embed(texts: list[str]) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Vectors [texts, DIMENSION], words read [texts] and whether some were dropped [texts]. A text with `!refuse` raises."""
    if any("!refuse" in text for text in texts):
        raise ValueError("the model refuses the text")
    words = [text.lower().split() for text in texts]
    vectors = numpy.zeros((len(texts), DIMENSION), numpy.float32)
    for row, line in enumerate(words):
        for word in line[:MAX_WORDS]:
            digest = hashlib.sha256(word.encode()).digest()
            vectors[row] += numpy.frombuffer(digest, "<u2").astype(numpy.float32) / 2**15 - 1
    tokens = numpy.array([min(len(line), MAX_WORDS) for line in words], numpy.int64)
    truncated = numpy.array([len(line) > MAX_WORDS for line in words], numpy.bool_)
    return vectors, tokens, truncated
