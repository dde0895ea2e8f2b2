"""
Reads a state dict that torch saved before 1.6 (a stream of pickles, then raw storages) without torch.

Nothing of the pickles is executed: every class but OrderedDict becomes a plain record.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Unpickler(pickle.Unpickler):
    """Knows tensors by the storage that they lie in, their offset and shape."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: (storage, offset, size, stride)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"Expected tensors only, but got {module}.{name}.")

    def persistent_load(self, pid: tuple) -> tuple[str, np.dtype]:
        _, dtype, key, *_ = pid
        return key, dtype


def load_state_dict(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name."""
    with path.open("rb") as file:
        if (_Unpickler(file).load(), _Unpickler(file).load()) != (MAGIC, PROTOCOL):
            raise ValueError(f"Expected {path.name} to be a file of torch's protocol {PROTOCOL}.")
        _Unpickler(file).load()  # sizes of C types on the machine that saved it
        entries = _Unpickler(file).load()
        keys = _Unpickler(file).load()
        dtypes = {key: dtype for (key, dtype), *_ in entries.values()}
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = np.frombuffer(file.read(count * dtypes[key].itemsize), dtypes[key])
    return {name: _tensor(storages[key], *place) for name, ((key, _), *place) in entries.items()}


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    steps = [step * storage.itemsize for step in stride]
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if offset < 0 or min(stride, default=0) < 0 or last >= storage.size:
        raise ValueError(f"Expected a tensor inside its storage of {storage.size}, but got {size} with strides {stride}.")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()
