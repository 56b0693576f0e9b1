#!/usr/bin/env bash
# Tries the device scripts where there is no device: every call's bundle, small,
# on the emulated module, as a host would run it that has nothing but the bundle
# (an empty environment, and neither the tree nor what lies beside it), with
# limits that the emulation keeps.  Then again with the archive that it left,
# which runs no step that has passed.  By hand, as root, some minutes; a python3
# on the PATH that has torch tries the steps of PyTorch too.
#   tests/cuda/device/try.sh BUILD [CALL..]   (BUILD has both modules)
# KEEP in the environment is a folder for the archives.
set -euo pipefail
# What is hidden is hidden from this run alone.
[ -n "${DEFCN_OWN_MOUNTS:-}" ] ||
  DEFCN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
build=$(realpath "$1")
shift
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'cd / && rm -rf "$work"' EXIT
mkdir "$work/empty" "$work/modules"
cp "$build/tests/cuda/libdefcn-cuda.so" "$work/modules"
cp -L "$build/tests/cuda/driver/libcuda.so.1" "$work/modules"
calls=("$@")
[ $# -gt 0 ] || calls=(first second third)
bad=0

# What a host has of its own: the C library.
is_complete () {
  local program missing
  for program in "$work"/bundle/programs/* "$work"/bundle/gst-plugin/*; do
    [ -e "$program" ] || continue
    missing=$(ldd "$program" | awk '$2 == "=>" { print $1, $3 }' |
      grep -vE "^(libc|libm|libdl|libpthread|librt)\.so| $work/bundle/") ||
      continue
    echo "$program has not in the bundle: $missing"
    return 1
  done
}

# The call in a place where only the bundle is.
# shellcheck disable=SC2016
call () {
  env -i PATH="$PATH" HOME="$work" DEFCN_DEVICE_MODULES="$work/modules" \
    DEFCN_DEVICE_TRIAL=1 DEFCN_TEST_WIDEST=64 TRAIN_SECONDS=20 \
    LIMIT_FACTOR="${LIMIT_FACTOR:-6}" \
    DEFCN_TEST_DRIVER="$work/modules/libcuda.so.1" \
    SECONDS_LEFT="${SECONDS_LEFT:-1800}" \
    unshare --mount --propagation private bash -c '
      for hidden in "$1" "$2"; do
        [ ! -d "$hidden" ] || mount --bind "$3/empty" "$hidden"
      done
      cd /
      exec bash "$3/bundle/run.sh" "$3/$4.tar.gz" "$4"' call \
    "$(realpath ../shared)" "$PWD" "$work" "$1"
}

for name in "${calls[@]}"; do
  echo "== $name"
  DEFCN_PICTURES=150000 DEFCN_CUDA_MODULE=$build/core/cuda/libdefcn-cuda.so \
    tests/cuda/device/bundle.sh "$name" "$work/bundle" > "$work/log" || {
    cat "$work/log"
    exit 1
  }
  tail -1 "$work/log"
  is_complete || bad=1
  call "$name" || bad=1
  tar -tzf "$work/$name.tar.gz" | wc -l
  [ -z "${KEEP:-}" ] || cp "$work/$name.tar.gz" "$KEEP"
  echo "== $name, again"
  tar -xzOf "$work/$name.tar.gz" ./passed > "$work/passed"
  call "$name" > "$work/log" || bad=1
  ! awk '$3 == "status" { print $1, $2 }' "$work/log" |
    grep -xFf "$work/passed" || {
    echo "$name: these steps have run again"
    bad=1
  }
done
exit $bad
