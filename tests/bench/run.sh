#!/usr/bin/env bash
# Measures defcn beside other engines and saves runs/ratio.json and .md.
#   tests/bench/run.sh [--peers NAME,..] [ratio.py OPTION..]
# The machine should be quiet.  The peers come from PyPI into runs/bench-venv;
# DEFCN_BENCH_VENV names an environment that has them, DEFCN_BENCH_BUILD a
# build.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers=onnxruntime
for ((i = 1; i <= $#; i++)); do
  case ${!i} in
    --peers) j=$((i + 1)); peers=${!j:-} ;;
    --peers=*) peers=${!i#--peers=} ;;
  esac
done

venv=${DEFCN_BENCH_VENV:-}
if [ -z "$venv" ]; then
  venv=runs/bench-venv
  packages="numpy onnx"
  for peer in ${peers//,/ }; do
    case $peer in
      opencv) packages+=" opencv-python-headless" ;;
      onnxruntime | openvino) packages+=" $peer" ;;
    esac
  done
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/pip" install -q $packages
fi

build=${DEFCN_BENCH_BUILD:-build}
[ -d "$build" ] || meson setup "$build" --buildtype=release
ninja -C "$build" training/defcn
mkdir -p runs
"$venv/bin/python" tests/bench/ratio.py --tool "$build/training/defcn" \
  --save runs/ratio.json "$@"
