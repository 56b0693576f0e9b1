#!/usr/bin/env bash
# Builds the fuzzers with clang and the sanitizers into build-fuzz and runs each
# of them for some seconds, from its corpus and what earlier runs found; as many
# at a time as there are cores.
#   tests/fuzz/smoke.sh [SECONDS [FUZZER...]]
# Fails when one of them does; what it failed on is left in build-fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-5}
[ $# -eq 0 ] || shift
fuzzers=("$@")
[ $# -gt 0 ] ||
  fuzzers=(weights model frames pickle coco odgt mot picture results voc
    yaml drawing)

build=build-fuzz
[ -e $build/build.ninja ] || CC=${CC:-clang} meson setup $build \
  -Dfuzzing=true -Dplugin=enabled -Dcudamemory=disabled -Donednn=disabled \
  -Dcuda=disabled -Dtraining=enabled -Db_sanitize=address,undefined \
  -Db_lundef=false >/dev/null
ninja -C $build "${fuzzers[@]/#/tests/fuzz/fuzz_}" >/dev/null

# g_error and warnings of GLib must end the run, allocations stay with ASan.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# fuzz NAME: one line, and the end of the log where it failed.
fuzz () {
  local name=$1 log=$build/fuzz_$1.log
  mkdir -p "$build/found/$name"
  # GLib lets go of its table of quarks when that grows, and its stacks cannot
  # be told from ours.
  [[ $name != frames && $name != drawing ]] ||
    export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
  if "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=32768 \
    -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$build/$name-" \
    -print_final_stats=1 "$build/found/$name" "tests/fuzz/corpus/$name" \
    >"$log" 2>&1; then
    echo "fuzz_$name: $(sed -n 's/^stat::number_of_executed_units: //p' \
      "$log") inputs in $seconds s, $(ls "$build/found/$name" | wc -l) kept"
  else
    echo "fuzz_$name FAILED, see $log"
    tail -n 40 "$log"
    return 1
  fi
}

export -f fuzz
export build seconds
printf '%s\n' "${fuzzers[@]}" |
  xargs -P "$(nproc)" -I '{}' bash -c 'fuzz {}'
