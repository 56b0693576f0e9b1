#!/usr/bin/env bash
# Measures whole pipelines beside what else there is in Debian 13: installs,
# builds, and runs beside.py.
#   tests/bench/beside.sh [beside.py OPTION..]
#   tests/trixie.sh --run tests/bench/beside.sh [OPTION..]   (from Debian 12)
# The machine should be quiet.  DEFCN_BENCH_BUILD names a build, DEFCN_VIDEO the
# street video where Debian's opencv-doc is not to be installed for it.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(python3-opencv python3-onnxruntime)
[ -n "${DEFCN_VIDEO:-}" ] || packages+=(opencv-doc)
tests/run.sh --packages
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
fi

build=${DEFCN_BENCH_BUILD:-build}
[ -e "$build/build.ninja" ] || meson setup "$build" --buildtype=release
ninja -C "$build" training/defcn gst-plugin/libdefcn-elements.so \
  gst-plugin/libgstdefcn.so tests/e2e/onnx-bench
mkdir -p runs
python3 tests/bench/beside.py --build "$build" \
  ${DEFCN_VIDEO:+--video "$DEFCN_VIDEO"} --save runs/beside.json "$@"
