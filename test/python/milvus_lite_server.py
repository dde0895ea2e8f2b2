"""Becomes the server of the package `milvus-lite` (2.5.1): the C++ Milvus with full text search, without aliases, partitions and HNSW.

usage: milvus_lite_server.py DATABASE_FILE HOST:PORT
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

import milvus_lite

binaries = Path(milvus_lite.__file__).parent / "lib"
# Ends with the process that started it, however that ends (PR_SET_PDEATHSIG).
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
os.execve(
    binaries / "milvus",
    ["milvus", sys.argv[1], sys.argv[2], "ERROR"],
    {**os.environ, "LD_LIBRARY_PATH": str(binaries)},
)
