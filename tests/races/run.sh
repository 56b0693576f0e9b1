#!/usr/bin/env bash
# Races between threads: the plugin and the core on the reference backend under
# clang's ThreadSanitizer, beside GLib and GStreamer as the distribution has
# them, which a preloaded library speaks for (annotate.c).
#   tests/races/run.sh [SECONDS [TRACE]]
# of the soak (30), which says a line every TRACE seconds (never).
# First it is seen to see: a race that is there is found, and what is handed
# over by a lock, a queue, a bus or a count of references is none.  TAP.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=build-tsan
seconds=${1:-30}
trace=${2:-0}
logs=$build/races
tests="inflight moments reload setup shared still worker"
units="apart"
failed=0
n=0

setup () {
  [ -e $build/build.ninja ] ||
    CC=clang CXX=clang++ meson setup $build --buildtype=debugoptimized \
      -Db_sanitize=thread -Db_lundef=false -Dplugin=enabled \
      -Donednn=disabled -Dcuda=disabled -Dtraining=disabled \
      -Dcudamemory=disabled -Dc_args=-gline-tables-only \
      -Dcpp_args=-gline-tables-only >/dev/null || return 1
  ninja -C $build tests/races/race tests/races/libannotate.so \
    tests/soak/soak $(printf 'tests/plugin/test_%s ' $tests) \
    $(printf 'tests/unit/test_%s ' $units) >/dev/null
}

# case NAME WANTED COMMAND..: 66 is what the sanitizer ends with.
case_ () {
  local name=$1 wanted=$2 status
  shift 2
  n=$((n + 1))
  # GLib's slices go from thread to thread in there: memory by malloc() alone.
  G_SLICE=always-malloc \
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66 history_size=4" \
    OMP_NUM_THREADS=1 DEFCN_TEST_SOURCES=$PWD DEFCN_TEST_BUILD=$PWD/$build \
    LD_PRELOAD=$PWD/$build/tests/races/libannotate.so \
    "$@" 2>&1 | tee "$logs/$name" | sed -un 's/^[0-9]* s: /# &/p'
  status=${PIPESTATUS[0]}
  if [ $status -eq "$wanted" ]; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name: $status, not $wanted"
    sed 's/^/# /' "$logs/$name" | tail -100
    failed=1
  fi
}

echo "1..19"
setup || { echo "Bail out! no build"; exit 1; }
mkdir -p $logs
case_ none 66 $build/tests/races/race none
for way in mutex cond rec once count buffer map queue bus; do
  case_ $way 0 $build/tests/races/race $way
done
for test in $tests; do
  case_ $test 0 $build/tests/plugin/test_$test
done
for test in $units; do
  case_ $test 0 $build/tests/unit/test_$test
done
# The memory of the sanitizer itself grows.
case_ soak 0 $build/tests/soak/soak --device reference --streams 3 \
  --seconds "$seconds" --slope 1000000 --trace "$trace"
exit $failed
