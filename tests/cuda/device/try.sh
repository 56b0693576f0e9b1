#!/usr/bin/env bash
# Tries the device scripts where there is no device: every call's bundle, small,
# on the emulated module, out of an empty environment, with limits that the
# emulation keeps.  By hand, some minutes; a python3 on the PATH that has torch
# tries the steps of PyTorch too.
#   tests/cuda/device/try.sh BUILD [CALL..]   (BUILD has both modules)
set -euo pipefail
modules=$(realpath "$1")/tests/cuda
module=$(realpath "$1")/core/cuda/libdefcn-cuda.so
shift
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
calls=("$@")
[ $# -gt 0 ] || calls=(first second third)
bad=0
for call in "${calls[@]}"; do
  echo "== $call"
  DEFCN_PICTURES=150000 DEFCN_CUDA_MODULE=$module \
    tests/cuda/device/bundle.sh "$call" "$work/bundle" > "$work/log" || {
    cat "$work/log"
    exit 1
  }
  tail -1 "$work/log"
  env -i PATH="$PATH" HOME="$work" DEFCN_DEVICE_MODULES="$modules" \
    DEFCN_DEVICE_TRIAL=1 DEFCN_TEST_WIDEST=64 TRAIN_SECONDS=20 LIMIT_FACTOR=6 \
    DEFCN_TEST_DRIVER="$modules/driver/libcuda.so.1" \
    SECONDS_LEFT="${SECONDS_LEFT:-1800}" \
    bash "$work/bundle/run.sh" "$work/$call.tar.gz" "$call" || bad=1
  tar -tzf "$work/$call.tar.gz" | wc -l
  [ -z "${KEEP:-}" ] || cp "$work/$call.tar.gz" "$KEEP"
done
exit $bad
