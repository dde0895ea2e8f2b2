#!/usr/bin/env python3
"""
Prints how v1 would do for other settings, on the held-out split of its own corpus (never on the evaluation data).
It learns from the first 20,000 texts alone, to take minutes instead of an hour.
usage: tune.py [--cache FOLDER], after build.py has run once.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from build import corpus_and_lesson, parse_cache
from recipe.distil import Student

TEXTS = 20_000


def main() -> None:
    tokenizer, corpus, lesson = corpus_and_lesson(parse_cache(__doc__))
    corpus = replace(corpus, train=corpus.train[:TEXTS])
    lesson = replace(lesson, train=lesson.train[:TEXTS])
    student = Student(tokenizer, corpus, lesson)
    print("teacher", student.teacher_score(), flush=True)
    for a, ridge in itertools.product((3e-4, 1e-3, 3e-3), (0.1, 0.3, 1.0)):
        scores = student.score(student.learn(a, ridge))
        print(f"a={a} ridge={ridge}", {name: round(value, 4) for name, value in scores.items()}, flush=True)


if __name__ == "__main__":
    main()
