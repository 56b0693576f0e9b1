#!/usr/bin/env bash
# Runs the benchmarks against onnxruntime and saves their result.
#   tests/bench/run.sh [onnxruntime_ratio.py OPTION..]
# The peer comes from PyPI, into runs/bench-venv.  The machine should be quiet.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=${DEFCN_BENCH_VENV:-runs/bench-venv}
build=${DEFCN_BENCH_BUILD:-build}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q onnxruntime onnx numpy
fi
if [ ! -d "$build" ]; then meson setup "$build" --buildtype=release; fi
ninja -C "$build" training/defcn
mkdir -p runs
"$venv/bin/python" tests/bench/onnxruntime_ratio.py \
  --tool "$build/training/defcn" --save runs/onnxruntime.json "$@"
