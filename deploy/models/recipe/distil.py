"""
Learns the token table of v1 from MiniLM.

1. Every wordpiece is embedded alone by the teacher: a first guess of its row, and what a rare token falls back to.
2. Every training text is embedded by the teacher, centred and reduced by PCA: the targets.
3. Tokens get smooth inverse frequency weights a / (a + p), Arora et al. 2017, "A simple but tough-to-beat baseline".
4. Ridge regression moves the rows so that weighted means of rows give the targets. The penalty is on the distance from
   the first guess, so rows that few texts mention stay where they were.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from tokenizers import Tokenizer

from .corpus import Corpus
from .encoder import Encoder

DIMENSION = 256
TEACHER_TOKENS = 160
CLS, SEP, PAD, MASK = "[CLS]", "[SEP]", "[PAD]", "[MASK]"

# Chosen with `tune.py` on texts and pairs held out from the training corpus, never on the evaluation data.
SIF_A = 3e-4
RIDGE = 0.3

# An empty text has no token but [CLS] and [SEP]. This weight is too small to move any other text, and makes the
# empty one a unit vector instead of 0 / 0.
EMPTY_TEXT_WEIGHT = 1e-6


@dataclass(frozen=True)
class Lesson:
    """What the teacher said: vectors of all single tokens, of the texts, and of the empty text."""

    tokens: np.ndarray
    train: np.ndarray
    held_out: np.ndarray
    pair_short: np.ndarray
    pair_long: np.ndarray
    empty: np.ndarray


@dataclass(frozen=True)
class Table:
    """A static model: rows [vocabulary, dimension] and weights [vocabulary]."""

    rows: np.ndarray
    weights: np.ndarray


def teach(teacher: Encoder, corpus: Corpus, cache: Path) -> Lesson:
    """Embeds the corpus with the teacher, the slow step; the result is kept until a text changes."""
    texts = [*corpus.train, *corpus.held_out, *(text for pair in corpus.pairs for text in pair)]
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    file = cache / f"lesson-{key}.npz"
    if not file.exists():
        np.savez(
            file,
            tokens=_embed_tokens(teacher),
            train=teacher.encode(corpus.train),
            held_out=teacher.encode(corpus.held_out),
            pair_short=teacher.encode([short for short, _ in corpus.pairs]),
            pair_long=teacher.encode([long for _, long in corpus.pairs]),
            empty=teacher.encode([""])[0],
        )
    return Lesson(**np.load(file))


def _embed_tokens(teacher: Encoder, batch: int = 512) -> np.ndarray:
    """The teacher's vector of [CLS] token [SEP] for every token of the vocabulary."""
    tokenizer = teacher.tokenizer
    size = tokenizer.get_vocab_size()
    parts = []
    for start in range(0, size, batch):
        tokens = np.arange(start, min(size, start + batch))
        first, last = np.full_like(tokens, tokenizer.token_to_id(CLS)), np.full_like(tokens, tokenizer.token_to_id(SEP))
        ids = np.stack([first, tokens, last], axis=1).astype(np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        parts.append(teacher.session.run(["sentence_embedding"], feeds)[0])
    return np.concatenate(parts)


class Student:
    """Everything that doesn't depend on the two settings, so that tuning can reuse it."""

    def __init__(self, tokenizer: Tokenizer, corpus: Corpus, lesson: Lesson) -> None:
        self.tokenizer, self.corpus, self.lesson = tokenizer, corpus, lesson
        self.vocabulary = tokenizer.get_vocab_size()
        self.train_ids = self.token_ids(corpus.train)
        counts = np.bincount(np.concatenate(self.train_ids), minlength=self.vocabulary)
        self.frequency = counts / counts.sum()
        self.mean = lesson.train.mean(axis=0)
        centred = lesson.train - self.mean
        _, vectors = np.linalg.eigh(centred.T @ centred)
        self.projection = vectors[:, ::-1][:, :DIMENSION].astype(np.float32)
        self.targets = self.project(lesson.train)
        self.guess = self.project(lesson.tokens)

    def token_ids(self, texts: list[str]) -> list[np.ndarray]:
        """Ids without [CLS] and [SEP]."""
        return [np.array(e.ids, np.int64) for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """The teacher's vectors in the student's space, [n, 256]; not normalised."""
        return ((vectors - self.mean) @ self.projection).astype(np.float32)

    def weights(self, a: float) -> np.ndarray:
        """Smooth inverse frequency; special tokens weigh nothing."""
        weights = (a / (a + self.frequency)).astype(np.float32)
        weights[[self.tokenizer.token_to_id(token) for token in (CLS, SEP, PAD, MASK)]] = 0
        return weights

    def means(self, texts: list[np.ndarray], weights: np.ndarray) -> sparse.csr_matrix:
        """A matrix [texts, vocabulary] whose product with the rows gives weighted means."""
        lengths = [len(ids) for ids in texts]
        columns = np.concatenate(texts)
        lines = np.repeat(np.arange(len(texts)), lengths)
        values = weights[columns]
        totals = np.maximum(np.bincount(lines, values, minlength=len(texts)), 1e-9)
        shape = (len(texts), self.vocabulary)
        return sparse.csr_matrix(((values / totals[lines]).astype(np.float32), (lines, columns)), shape=shape)

    def learn(self, a: float = SIF_A, ridge: float = RIDGE) -> Table:
        """The whole regression for one choice of settings."""
        weights = self.weights(a)
        means = self.means(self.train_ids, weights)
        correction = solve_ridge(means, self.targets - means @ self.guess, ridge)
        return Table(self.guess + correction, weights)

    def finish(self, table: Table) -> Table:
        """Adds the row of the empty text."""
        rows, weights = table.rows.copy(), table.weights.copy()
        cls = self.tokenizer.token_to_id(CLS)
        rows[cls] = normalise(self.project(self.lesson.empty[None]))[0]
        weights[cls] = EMPTY_TEXT_WEIGHT
        return Table(rows.astype(np.float32), weights)

    def encode(self, texts: list[str], table: Table) -> np.ndarray:
        """What the finished model will give, in numpy."""
        return normalise(self.means(self.token_ids(texts), table.weights) @ table.rows)

    def score(self, table: Table) -> dict[str, float]:
        """On texts and pairs that were not learnt from: cosine to the teacher, and how often a pair finds itself."""
        held_out = self.encode(self.corpus.held_out, table)
        short = self.encode([short for short, _ in self.corpus.pairs], table)
        long = self.encode([long for _, long in self.corpus.pairs], table)
        cosine = (held_out * normalise(self.project(self.lesson.held_out))).sum(axis=1).mean()
        return {"cosine to teacher": float(cosine)} | retrieval(short, long)

    def teacher_score(self) -> dict[str, float]:
        """The teacher's own result on the pairs."""
        return retrieval(self.lesson.pair_short, self.lesson.pair_long)


def retrieval(short: np.ndarray, long: np.ndarray) -> dict[str, float]:
    """recall@1 and recall@10 of finding each long text by its short one."""
    scores = short @ long.T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    return {"recall@1": float((rank < 1).mean()), "recall@10": float((rank < 10).mean())}


def normalise(vectors: np.ndarray) -> np.ndarray:
    """L2-normalised rows."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def solve_ridge(x: sparse.csr_matrix, y: np.ndarray, ridge: float, iterations: int = 60) -> np.ndarray:
    """
    Minimises |x b - y|^2 + ridge |b|^2 by conjugate gradients on the normal equations, all columns of y at once.
    The matrix [vocabulary, vocabulary] would be 3.7 GB dense; here only products with x are needed.
    """
    transposed = x.T.tocsr()
    residual = transposed @ y
    solution, direction = np.zeros_like(residual), residual.copy()
    squared = (residual * residual).sum(axis=0)
    enough = 1e-6 * squared
    for _ in range(iterations):
        product = transposed @ (x @ direction) + ridge * direction
        step = squared / np.maximum((direction * product).sum(axis=0), 1e-20)
        solution += step * direction
        residual -= step * product
        following = (residual * residual).sum(axis=0)
        if (following <= enough).all():
            break
        direction = residual + (following / np.maximum(squared, 1e-20)) * direction
        squared = following
    return solution
