"""
Writes product-like text from a grammar: titles, descriptions, specification lists and shoppers' queries.

Nothing here is taken from a catalogue or from the evaluation data. Brands and model numbers are made of random
syllables and digits, so that the static model learns to keep unknown pieces of words apart instead of learning names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from .product_terms import COLOURS, DEPARTMENTS, PEOPLE, PROBLEMS, QUALITIES, TRADE, Department

NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 15, 16, 18, 20, 21, 24, 25, 27, 30, 32, 36, 40, 42, 45, 48, 50, 55, 60, 64, 65, 70, 75, 80,
           90, 100, 120, 128, 150, 160, 180, 200, 220, 240, 250, 256, 300, 320, 350, 400, 450, 500, 512, 600, 640, 700, 750, 800, 1000, 1024,
           1080, 1200, 1500, 1600, 1800, 1920, 2000, 2400, 2500, 3000, 3200, 4000, 5000, 6000, 8000, 10000, 12000, 20000]  # fmt: skip
CONSONANTS = "b c d f g h j k l m n p r s t v w z br cr dr fr gr kr pl st tr th ch sh".split()
VOWELS = "a e i o u ai ea io oo y".split()
ENDINGS = "n r x s l ro na ta tec lux tech ware on ia ex ix co soft line craft wear gear max".split()
SERIES = "Pro Plus Max Air Mini Lite Elite Classic Sport Active Home Studio Ultra Neo One Prime Edge Flex Go Compact Comfort Deluxe".split()


class ProductText:
    """A stream of texts that is the same for the same seed."""

    def __init__(self, seed: int, brands: int = 1200) -> None:
        self.random = Random(seed)
        self.departments = list(DEPARTMENTS.values())
        # Departments weigh as many kinds as they sell, with a root so that groceries don't drown the rest.
        self.department_weights = [len(d.kinds) ** 0.5 for d in self.departments]
        self.brands = [self._brand() for _ in range(brands)]

    def texts(self, count: int) -> list[str]:
        """That many texts, none twice."""
        seen: dict[str, None] = {}
        while len(seen) < count:
            seen[self.text()] = None
        return list(seen)

    def text(self) -> str:
        """One text of a random form, sometimes in lower case as shops and shoppers write."""
        forms: list[tuple[float, Callable[[Department], str]]] = [
            (0.22, self.query),
            (0.22, self.title),
            (0.14, self.description),
            (0.10, self.specification),
            (0.14, self.title_and_description),
            (0.06, self.listing),
            (0.06, self.comparison),
            (0.06, self.accessory),
        ]
        form = self.random.choices([f for _, f in forms], [share for share, _ in forms])[0]
        text = re.sub(r"\s+", " ", form(self._department())).strip()
        return text.lower() if self.random.random() < 0.25 else text

    # --- forms ---

    def query(self, d: Department) -> str:
        """What a shopper types."""
        kind, pick = self._kind(d), self.random.choice
        return pick(
            [
                lambda: kind,
                lambda: kind,
                lambda: f"{pick(d.traits)} {kind}",
                lambda: f"{pick(d.materials)} {kind}",
                lambda: f"{pick(COLOURS)} {kind}",
                lambda: f"{kind} {self._measure(d)}",
                lambda: f"{self._measure(d)} {kind}",
                lambda: f"{kind} for {pick(d.uses)}",
                lambda: f"{pick(QUALITIES)} {kind} for {pick(d.uses)}",
                lambda: f"{kind} for {pick(PEOPLE)}",
                lambda: f"{pick(QUALITIES)} {kind}",
                lambda: f"{kind} {pick(PROBLEMS)}",
                lambda: f"{kind} with {pick(d.features)}",
                lambda: f"{self._any_brand()} {kind}",
                lambda: f"{self._any_brand()} {self._model()}",
                lambda: self._any_brand(),
                lambda: f"{pick(d.features)} {kind}",
                lambda: f"{pick(d.traits)} {pick(COLOURS)} {kind} {pick(d.uses)}",
                lambda: f"gift for {pick(PEOPLE)} {pick(d.uses)}",
                lambda: f"what {kind} do I need for {pick(d.uses)}?",
                lambda: pick(d.features),
                lambda: pick(d.uses),
            ]
        )()

    def title(self, d: Department) -> str:
        """A product's title: brand, model, kind and a few attributes in one of the orders that shops use."""
        brand, kind, pick = self._any_brand(), self._kind(d, plural=0.2), self.random.choice
        name = pick([self._model, self._series, lambda: f"{self._series()} {self._model()}", lambda: ""])()
        extras = self._some(
            [pick(d.traits), pick(COLOURS), self._measure(d), self._measure(d), pick(d.materials), pick(d.features), self._trade()], 1, 4
        )
        glue = pick([", ", " ", " - ", " / "])
        return pick(
            [
                lambda: f"{brand} {name} {kind} {glue.join(extras)}",
                lambda: f"{brand} {name} {' '.join(extras)} {kind}",
                lambda: f"{brand} {pick(d.traits)} {kind} - {name} {glue.join(extras)}",
                lambda: f"{kind} {brand} {name} {glue.join(extras)}",
                lambda: f"{name} {brand} {kind} ({', '.join(extras)})",
                lambda: f"{' '.join(extras)} {kind}",
            ]
        )()

    def description(self, d: Department) -> str:
        """One to four sentences about one product."""
        kind, pick = self._kind(d, plural=0.1), self.random.choice
        brand = self._any_brand()
        patterns: list[Callable[[], str]] = [
            lambda: f"The {brand} {kind} is {pick(d.traits)} and {pick(d.traits)}, ideal for {pick(d.uses)}.",
            lambda: f"This {pick(d.traits)} {kind} comes with {pick(d.features)} and {pick(d.features)}.",
            lambda: f"{pick(d.features).capitalize()}, {pick(d.features)} and {pick(d.features)}.",
            lambda: f"Made of {pick(d.materials)}, it measures {self._measure(d)} and suits {pick(d.uses)}.",
            lambda: f"A {pick(d.traits)} {kind} made from {pick(d.materials)} for {pick(d.uses)}.",
            lambda: f"Perfect for {pick(d.uses)}, {pick(d.uses)} and {pick(d.uses)}.",
            lambda: f"Thanks to {pick(d.features)} you can enjoy {pick(d.uses)} more than ever.",
            lambda: f"{self._measure(d)}, {self._measure(d)}, {pick(COLOURS)}.",
            lambda: f"Delivery includes the {kind}, {self._kind(d)} and {pick(d.features)}.",
            lambda: f"With {self._measure(d)} and {pick(d.features)} this is a {pick(QUALITIES)} {kind} for {pick(PEOPLE)}.",
            lambda: f"Available in {pick(COLOURS)}, {pick(COLOURS)} and {pick(COLOURS)}.",
            lambda: f"Not suitable for {pick(d.uses)} because of its {pick(d.materials)} parts.",
            lambda: f"The new {brand} {self._series()} replaces the {self._model()} and adds {pick(d.features)}.",
        ]
        count = self.random.choice([1, 1, 2, 2, 3, 4])
        return " ".join(pattern() for pattern in self.random.sample(patterns, count))

    def specification(self, d: Department) -> str:
        """A list of properties as it stands in a data sheet."""
        pick = self.random.choice
        pairs = [
            f"Type: {self._kind(d)}", f"Colour: {pick(COLOURS)}", f"Material: {pick(d.materials)}", f"Size: {self._measure(d)}", f"Capacity: {self._measure(d)}",
            f"Feature: {pick(d.features)}", f"Use: {pick(d.uses)}", f"Brand: {self._any_brand()}", f"Model: {self._model()}", f"Part number: {self._model()}", f"Quantity: {self._trade()}",
        ]  # fmt: skip
        glue = pick([". ", ", ", "; ", " | "])
        chosen = self._some(pairs, 2, 6)
        if self.random.random() < 0.5:
            chosen = [pair.split(": ")[1] for pair in chosen]
        return glue.join(chosen)

    def title_and_description(self, d: Department) -> str:
        """A document as a search engine embeds it."""
        return f"{self.title(d)}. {self.description(d)}"

    def listing(self, d: Department) -> str:
        """A run of features without sentences, as marketplaces print them."""
        pick = self.random.choice
        parts = [pick(d.features) for _ in range(4)] + [self._measure(d), self._measure(d), pick(d.traits), pick(d.materials), f"{pick(COLOURS)} finish"]
        return f"{self.title(d)} {pick([' ', ', ', ' - ']).join(self._some(parts, 3, 8))}"

    def comparison(self, d: Department) -> str:
        """Two kinds or two departments in one text, so that neighbours are learnt apart."""
        first, second = self._kind(d), self._kind(self.random.choice([d, self._department()]))
        return self.random.choice(
            [f"{first} or {second}", f"{first} vs {second}", f"{first} and {second}", f"{first}, {second}", f"{first} instead of {second}", f"difference between {first} and {second}"]
        )

    def accessory(self, d: Department) -> str:
        """Something made for something else."""
        first, second, pick = self._kind(d), self._kind(d), self.random.choice
        return pick(
            [
                lambda: f"{first} for {second}",
                lambda: f"{second} {pick(['accessories', 'spare parts', 'replacement', 'cover', 'case', 'holder', 'stand', 'bag', 'charger', 'repair kit', 'set', 'cleaner'])}",
                lambda: f"{first} compatible with {self._any_brand()} {self._model()}",
                lambda: f"{self._any_brand()} {first} for {self._any_brand()} {self._series()} {second}, {pick(COLOURS)}",
                lambda: f"replacement {first} for {second} {self._model()}",
            ]
        )()

    # --- words ---

    def _department(self) -> Department:
        return self.random.choices(self.departments, self.department_weights)[0]

    def _kind(self, d: Department, plural: float = 0.3) -> str:
        kind = self.random.choice(d.kinds)
        return pluralise(kind) if self.random.random() < plural else kind

    def _measure(self, d: Department) -> str:
        return self._fill(self.random.choice(d.measures))

    def _trade(self) -> str:
        return self._fill(self.random.choice(TRADE))

    def _fill(self, pattern: str) -> str:
        """Puts numbers for #, and writes the unit with or without the space."""
        while "#" in pattern:
            number = self.random.choice(NUMBERS)
            written = f"{number}.{self.random.randint(1, 9)}" if number < 100 and self.random.random() < 0.15 else str(number)
            pattern = pattern.replace("#", written, 1)
        return pattern.replace(" ", "", 1) if self.random.random() < 0.25 else pattern

    def _some(self, items: list[str], least: int, most: int) -> list[str]:
        return self.random.sample(items, self.random.randint(least, min(most, len(items))))

    def _brand(self) -> str:
        """A name that no one sells: one to three syllables and an ending, sometimes two words or capitals only."""
        pick = self.random.choice
        name = "".join(pick(CONSONANTS) + pick(VOWELS) for _ in range(pick([1, 1, 2, 2, 3]))) + pick(ENDINGS)
        return pick([name.capitalize(), name.capitalize(), name.upper(), f"{name.capitalize()} {pick(SERIES)}"])

    def _any_brand(self) -> str:
        return self.random.choice(self.brands)

    def _series(self) -> str:
        return self.random.choice([f"{self.random.choice(SERIES)} {self.random.choice(NUMBERS)}", self.random.choice(SERIES)])

    def _model(self) -> str:
        """A model number such as QX-4820B, 31K-220 or TRM7700."""
        pick = self.random.choice
        letters = "".join(pick("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(self.random.randint(1, 4)))
        digits = "".join(pick("0123456789") for _ in range(self.random.randint(1, 5)))
        tail = pick(["", "", "", pick("ABCDEFGKLMNPRSTWX"), pick(["/A", "-BK", " II", "-W", "/EU", "S", "XL", "EX"])])
        return pick([f"{letters}{digits}{tail}", f"{letters}-{digits}{tail}", f"{letters} {digits}{tail}", f"{digits}{letters}{tail}", f"{digits}-{letters}{digits[:2]}"])


def pluralise(noun: str) -> str:
    """The English plural of the last word, well enough for shop names."""
    if noun.endswith(("ss", "sh", "ch", "x")):
        return noun + "es"
    if noun.endswith(("s", "milk", "ware", "sugar", "flour", "rice", "oil")):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"
