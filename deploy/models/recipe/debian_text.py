"""
Fetches free English text from Debian with apt: descriptions of packages, and the definitions and examples of WordNet.

Package descriptions are sentences about things and what they are for; WordNet covers the everyday words (food, clothes,
tools, animals) that packages never mention. Both are training text only: no sentence of them is in a bundle.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def fetch(folder: Path) -> None:
    """
    Runs apt with lists and caches of its own, so that the machine's are not touched. Needs apt, dpkg and the Debian
    keyring.
    """
    if not list(folder.glob("wordnet-base_*.deb")) or not _translation_files(folder):
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {MIRROR} {SUITE} main\n", "utf8")
        settings = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "en",
            "Acquire::GzipIndexes": "false",
            "APT::Sandbox::User": "",
        }
        options = [option for name, value in settings.items() for option in ("-o", f"{name}={value}")]
        subprocess.run(["apt-get", *options, "update"], check=True, cwd=folder)
        subprocess.run(["apt-get", *options, "download", "wordnet-base"], check=True, cwd=folder)
    if not (folder / "wordnet").exists():
        package = next(folder.glob("wordnet-base_*.deb"))
        subprocess.run(["dpkg-deb", "--extract", package, folder / "wordnet"], check=True)


def _translation_files(folder: Path) -> list[Path]:
    return sorted((folder / "lists").glob("*_Translation-en"))


def package_descriptions(folder: Path) -> list[tuple[str, str]]:
    """(short, long) description of every package; families of packages with one short description are kept once."""
    found: dict[str, str] = {}
    for file in _translation_files(folder):
        for stanza in file.read_text("utf8").split("\n\n"):
            match = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", stanza, re.MULTILINE)
            if match:
                lines = [line.strip() for line in match[2].splitlines() if line.strip() != "."]
                found.setdefault(match[1].strip(), " ".join(lines))
    return list(found.items())


def wordnet_entries(folder: Path) -> list[tuple[str, str]]:
    """(words, definition with examples) of every synset, such as ("rucksack, backpack", "a bag carried by a strap ...")."""
    entries = []
    for part in ("noun", "verb", "adj", "adv"):
        file = next((folder / "wordnet").rglob(f"data.{part}"))
        for line in file.read_text("utf8").splitlines():
            if line.startswith("  "):  # the licence at the head
                continue
            fields, gloss = line.split(" | ", 1)
            columns = fields.split()
            count = int(columns[3], 16)
            names = [columns[4 + 2 * i].split("(")[0].replace("_", " ") for i in range(count)]
            entries.append((", ".join(names), gloss.strip()))
    return entries
