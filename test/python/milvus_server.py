"""Becomes the Milvus standalone server of the package `milvus` (2.3.5), so that signals to this process reach the server itself.

usage: milvus_server.py DATA_FOLDER SETTINGS   SETTINGS: JSON {"ports": {"proxy_port": 1, ...}, "metricsPort": 1, "etcd": [client, peer],
                                               "settings": {"common.security.authorizationEnabled": true, ...}}

The package's own starter forks, waits and picks ports by itself; its server can't be frozen or killed without leaving parts behind.
"""

import ctypes
import fcntl
import json
import os
import signal
import sys
from pathlib import Path

import milvus


def unpack() -> Path:
    """The binaries, unpacked once beside the package (20 s)."""
    folder = Path(milvus.__file__).parent.parent / "milvus-unpacked"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / ".complete"
        if not done.exists():
            milvus._initialize_data_files(str(folder))
            done.touch()
    return folder / "bin"


def main() -> None:
    data, options = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2])
    binaries = unpack()
    data.mkdir(parents=True, exist_ok=True)
    client, peer = options["etcd"]
    etcd = data / "etcd.yaml"
    etcd.write_text(
        f"listen-client-urls: http://127.0.0.1:{client}\n"
        f"advertise-client-urls: http://127.0.0.1:{client}\n"
        f"listen-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        f"data-dir: {data / 'etcd'}\n"
    )
    config = milvus.MilvusServerConfig(data_dir=str(data))
    config.resolve_storage()
    for name, port in {**options["ports"], "etcd_port": client}.items():
        config.set(name, port)
    for name, value in options["settings"].items():
        config.set(name, value)
    config.write_config()
    os.chdir(data)
    # Ends with the process that started it, however that ends (PR_SET_PDEATHSIG).
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    environment = {
        **os.environ,
        "DEPLOY_MODE": "STANDALONE",
        "METRICS_PORT": str(options["metricsPort"]),
        "MILVUS_RUN_DIR": str(data / "run"),
        "LD_LIBRARY_PATH": f"{binaries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "ETCD_CONFIG_PATH": str(etcd),
        # Loading a collection waits for some rounds of checks, 1 s each by default.
        "QUERYCOORD_CHECKSEGMENTINTERVAL": "100",
        "QUERYCOORD_CHECKCHANNELINTERVAL": "100",
        "QUERYCOORD_DISTPULLINTERVAL": "50",
        # Segments that were written out take the place of the growing ones in rounds of 10 s.
        "QUERYCOORD_UPDATENEXTTARGETINTERVAL": "1",
    }
    os.execve(binaries / "milvus", ["milvus", "run", "standalone"], environment)


main()
