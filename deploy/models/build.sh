#!/bin/sh
# Builds both bundles from nothing: environment, weights, training texts, models, evaluation.
# usage: build.sh [--only v1|v2]
#        build.sh gpu [--form pack16|lean16]    gpu/: v1 and v2, v2 with a graph for CUDA, which is not committed
#        build.sh efficientnet    the bundle that reads images, which is not committed
# KINDRED_MODELS_CACHE: where everything that is not a bundle goes (default: .build here, which git ignores).
# Needs Python 3.11 on Linux x86_64 and, for v1, apt-get and dpkg-deb (Debian or Ubuntu).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${KINDRED_MODELS_CACHE:-$here/.build}
python=${PYTHON:-python3.11}
export PYTHONDONTWRITEBYTECODE=1

mkdir -p "$cache"
if [ ! -x "$cache/venv/bin/python" ]; then
  "$python" -m venv "$cache/venv"
fi
requirements=$here/requirements.txt
[ "${1:-}" != efficientnet ] || requirements=$here/efficientnet-requirements.txt
"$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --require-hashes --no-deps --only-binary :all: -r "$requirements"

if [ "${1:-}" = efficientnet ]; then
  "$cache/venv/bin/python" "$here/build_efficientnet.py"
  exit
fi

if [ "${1:-}" = gpu ]; then
  shift
  "$cache/venv/bin/python" "$here/build_gpu.py" --cache "$cache" "$@"
  exit
fi

# build.py refuses weights whose SHA-256 is not the pinned one.
"$cache/venv/bin/python" "$here/build.py" --cache "$cache" "$@"
"$cache/venv/bin/python" "$here/evaluate.py" --reference "$cache/minilm-fp32.onnx" "$@"
