#!/usr/bin/env bash
# Installs what building and testing needs, builds, runs every suite.
#   tests/run.sh [BUILD_DIR] [MESON_SETUP_OPTION...]
#   tests/run.sh --packages      (and no more than that)
# The last line is "N passed, N failed, N skipped"; fails when anything fails.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  gcc g++ meson ninja-build pkg-config python3 clang-format
  libglib2.0-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  libgstreamer-plugins-bad1.0-dev libgstrtspserver-1.0-dev libdnnl-dev
  libcjson-dev libjpeg-dev libpng-dev libwebp-dev libcairo2-dev libpango1.0-dev
  libzip-dev libyaml-dev libsoup-3.0-dev libmosquitto-dev librdkafka-dev
  libopenmpi-dev openmpi-bin
  locales jq fonts-dejavu-core iproute2 mosquitto mosquitto-clients openssl
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
)

install_missing () {
  local missing=() package sudo=
  for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
}

# Where CUDA's own installers put nvcc.
if [ -x /usr/local/cuda/bin/nvcc ]; then PATH=$PATH:/usr/local/cuda/bin; fi

install_missing
[ "${1:-}" != --packages ] || exit 0
build=${1:-build}
[ $# -eq 0 ] || shift
if [ -e "$build/build.ninja" ]; then
  meson configure "$build" "$@" -Dtests=true
else
  meson setup "$build" "$@"
fi
rm -f "$build/meson-logs/testlog.junit.xml"
ninja -C "$build"

# Side by side, but for those that look at the clock; never many, as some use
# all cores.
processes=$(nproc)
[ "$processes" -le 4 ] || processes=4
status=0
meson test -C "$build" --no-rebuild --num-processes "$processes" \
  --timeout-multiplier 6 --print-errorlogs || status=$?
python3 tests/count.py "$build/meson-logs/testlog.junit.xml" || status=1
exit $status
