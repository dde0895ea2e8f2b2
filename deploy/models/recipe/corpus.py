"""Puts the training texts of v1 together. No text comes from the evaluation data or from the sample catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tokenizers import Tokenizer

from . import debian_text
from .product_terms import DEPARTMENTS
from .product_text import ProductText

SEED = 20


@dataclass(frozen=True)
class Corpus:
    """Texts to learn from, texts to tune on, and pairs (short, long) that describe the same thing, to search for."""

    train: list[str]
    held_out: list[str]
    pairs: list[tuple[str, str]]


def build(debian_folder: Path, tokenizer: Tokenizer) -> Corpus:
    """The whole corpus, in an order that depends on the seed alone."""
    random = Random(SEED)
    packages = debian_text.package_descriptions(debian_folder)
    random.shuffle(packages)
    searchable = [pair for pair in packages if len(pair[1].split()) >= 20]
    pairs, kept_apart = searchable[:1500], {short for short, _ in searchable[:1500]}
    packages = [pair for pair in packages if pair[0] not in kept_apart]
    synsets = debian_text.wordnet_entries(debian_folder)
    random.shuffle(synsets)

    texts = ProductText(SEED).texts(36_000)
    texts += [short for short, _ in packages[:14_000]]
    texts += [_window(long, random, 6, 25) for _, long in packages[14_000:26_000] if long]
    texts += [_window(long, random, 40, 90) for _, long in packages[26_000:30_000] if long]
    texts += [f"{names}: {gloss}" if random.random() < 0.5 else gloss for names, gloss in synsets[:20_000]]
    texts += [names for names, _ in synsets[20_000:26_000]]
    texts += list(_vocabulary_texts(tokenizer, random, 14_000))
    texts = list(dict.fromkeys(text for text in texts if text.strip()))
    random.shuffle(texts)
    return Corpus(train=texts[3_000:], held_out=texts[:3_000], pairs=pairs)


def _window(text: str, random: Random, shortest: int, longest: int) -> str:
    """A run of words from anywhere in a text."""
    words = text.split()
    start = random.randint(0, max(0, len(words) - shortest))
    return " ".join(words[start : start + random.randint(shortest, longest)])


def _vocabulary_texts(tokenizer: Tokenizer, random: Random, count: int) -> list[str]:
    """
    Words of the tokenizer's own vocabulary with one another and with things for sale. Names and rare words appear in no
    other text; here the teacher says what they mean beside a product.
    """
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalnum() and len(word) > 1)
    kinds = sorted({kind for department in DEPARTMENTS.values() for kind in department.kinds})
    texts = []
    for _ in range(count):
        word, other, kind = random.choice(words), random.choice(words), random.choice(kinds)
        texts.append(random.choice([word, f"{word} {kind}", f"{word} {kind}", f"{kind} {word}", f"{word} {other}", f"{word} {other} {kind}"]))
    return texts
