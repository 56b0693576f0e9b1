#!/usr/bin/env bash
# Runs on a GPU host, out of a folder that bundle.sh made; needs nothing of it
# but bash, the driver and cuDNN.
#   run.sh ARCHIVE.tar.gz CALL
# CALL: first (does it run, is it right, how fast), second (what it finds) or
# third (does it learn); each is a call of its own.  All that is known goes into
# the archive, anew after every step, so that whatever ends the call leaves it.
# A step that hangs ends after its limit, of two minutes at most, the call after
# SECONDS_LEFT of the environment (first: 285, the others: 560).  With the
# archive of an earlier call of the same bundle it goes on where that ended:
# steps that have passed are not run again.
set -uo pipefail
archive=$(realpath "$1")
call=$2
cd "$(dirname "$0")" || exit 1
out=$(mktemp -d)
ended=$((SECONDS + ${SECONDS_LEFT:-$([ "$call" = first ] &&
  echo 285 || echo 560)}))
failed=0
number=0
if [ -s "$archive" ]; then
  tar -xzf "$archive" -C "$out" || exit 1
  cmp -s commit "$out/commit" || find "$out" -mindepth 1 -delete
fi
cp commit "$out"
touch "$out/summary" "$out/passed"
sed -i '/^[0-9]* failed$/d' "$out/summary"

# The folders of CUDA's and cuDNN's libraries: a Python's, a toolkit's, and for
# the runtime the bundle's.
find_libraries () {
  python3 - 2>/dev/null <<'PY'
import glob
import site
for base in [*site.getsitepackages(), site.getusersitepackages()]:
    print(*glob.glob(base + "/nvidia/*/lib"), sep=":", end=":")
PY
  echo "/usr/local/cuda/lib64:/usr/local/cuda/lib:$PWD/cuda"
}
DEFCN_CUDA_LIBRARIES=$(find_libraries)
export DEFCN_CUDA_LIBRARIES
export DEFCN_MODULES=${DEFCN_DEVICE_MODULES:-$PWD/modules}
export DEFCN_TEST_BACKEND=cuda DEFCN_TEST_REQUIRED=1 DEFCN_TEST_SOURCES=$PWD
export XDG_CACHE_HOME=$out/cache
# What PyTorch compiles stays for the next step, and nothing of it on the host.
export TORCHINDUCTOR_CACHE_DIR=$out/cache/inductor
export TRITON_CACHE_DIR=$out/cache/triton PYTHONDONTWRITEBYTECODE=1
# What the plugin's test needs: nothing of a GStreamer on the host.
export DEFCN_TEST_BUILD=$PWD GST_REGISTRY=$out/registry GST_REGISTRY_FORK=no
export GST_PLUGIN_SYSTEM_PATH='' GST_PLUGIN_PATH=''
network=(--preset coco.poto.3dmf.aux)
size=1344x800
training_batch=16
batches=(1 32)
repetitions=20
training=()
torch_case=(r50-800 --batches '1,32' --precisions fp16)
torch_ways=('eager,graph' compile)
train_cases=/
sanitizer=(compute-sanitizer --target-processes all --error-exitcode 9 --tool)
if [ -n "${DEFCN_DEVICE_TRIAL:-}" ]; then # on the emulated module
  network+=(--set backbone=mobilenetv2 --set pixels=torchvision
    --set fpn_channels=16 --set tower_depth=1 --set norm_groups=4)
  size=64x64
  training_batch=1
  batches=(1 2)
  repetitions=1
  training=(--set fpn_channels=16 --set tower_depth=1 --set norm_groups=4
    --set canvas_width=64 --set canvas_height=64 --set short_edge=64
    --set test_long_edge=96 --set log_interval=1)
  torch_case=(tiny --batches '1,2' --precisions fp32 --device cpu
    --repetitions 2)
  torch_ways=(eager compile)
  train_cases=/coco_poto_3dmf_aux/
  sanitizer=(bash -c 'shift; "$@"' sanitizer)
fi
bench=(bin/defcn bench "${network[@]}" --size "$size" --device cuda
  --repetitions "$repetitions")
chmod +x bin/* programs/*

keep () {
  # What is cached is of no use elsewhere.
  tar -czf "$archive.part" --exclude ./cache -C "$out" . &&
    mv "$archive.part" "$archive"
}

# step NAME LIMIT COMMAND..: its output into NAME.log, one line of what came of
# it into the summary.
step () {
  local name=$1 limit=$(($2 * ${LIMIT_FACTOR:-1})) status=0 start=$SECONDS log
  shift 2
  number=$((number + 1))
  log=$out/$call-$(printf %02d "$number")-$name.log
  if grep -qx "$call $name" "$out/passed"; then
    echo "$name has passed before"
    return
  fi
  rm -f "$out/$call"-[0-9][0-9]-"$name.log"
  sed -i "/^$call $name /d" "$out/summary"
  [ "$limit" -le $((ended - SECONDS)) ] || limit=$((ended - SECONDS))
  if [ "$limit" -le 0 ]; then
    printf '%-38s no time left\n' "$call $name" | tee -a "$out/summary"
    failed=$((failed + 1))
    keep
    return
  fi
  timeout -k 5 "$limit" "$@" > "$log" 2>&1 < /dev/null || status=$?
  if [ $status = 0 ]; then
    echo "$call $name" >> "$out/passed"
  else
    failed=$((failed + 1))
  fi
  printf '%-38s status %d, %d s, %d ok, %d not ok\n' "$call $name" $status \
    $((SECONDS - start)) "$(grep -c '^ok' "$log")" \
    "$(grep -c '^not ok' "$log")" | tee -a "$out/summary"
  keep
}

# Each family by itself: what ends one does not end the others.
families () {
  local precision=$1 family
  shift
  for family in "$@"; do
    DEFCN_TEST_PRECISION=$precision step "ops-$precision-$family" 60 \
      bin/checkops -k -p "/ops/cuda/$family"
  done
}

sanitize () {
  local tool=$1 family
  shift
  command -v "${sanitizer[0]}" > /dev/null || return 0
  for family in "$@"; do
    DEFCN_TEST_PRECISION=fp16 step "$tool-$family" 60 "${sanitizer[@]}" \
      "$tool" bin/checkops -k -p "/ops/cuda/$family"
  done
}

torch () {
  local name=$1 ways=$2
  # Importing it takes seconds.
  if ! python3 -c 'import importlib.util as u, sys
sys.exit (not u.find_spec ("torch"))' 2> /dev/null; then
    sed -i "/^$call $name:/d" "$out/summary"
    echo "$call $name: the host has no PyTorch" | tee -a "$out/summary"
    return
  fi
  step "$name" 120 python3 bench/torch_ratio.py "${torch_case[@]}" \
    --ways "$ways" --tool "$PWD/bin/defcn" --save "$out/$name.json"
  cat "$out/$call"-*-"$name".log
}

first () {
  local batch
  for batch in "${batches[@]}"; do
    step "bench-fp16-$batch" 90 "${bench[@]}" --verbose --precision fp16 \
      --batch "$batch" --save "$out/bench-fp16-$batch.json"
  done
  step bench-fp16-planned-before 60 "${bench[@]}" --precision fp16 \
    --save "$out/bench-fp16-planned-before.json"
  families fp16 conv group-norm tube-max max-pool relu upsample-add box
  families fp32 conv group-norm tube-max max-pool relu upsample-add box
  sanitize racecheck group-norm tube-max max-pool
  sanitize memcheck group-norm tube-max max-pool relu upsample-add box
  torch torch "${torch_ways[0]}"
  torch torch-compiled "${torch_ways[1]}"
}

# Every golden step by itself.
train_steps () {
  local case
  export DEFCN_GOLDEN=$PWD/golden/shared
  for case in $(bin/test_train -l 2> /dev/null | grep '^/' |
    grep "$train_cases"); do
    step "train$(dirname "${case#/golden/train}" | tr / -)" 60 \
      bin/test_train -p "$case"
  done
  unset DEFCN_GOLDEN
}

second () {
  local program set precision files=()
  for program in handmade networks test_precisions test_preprocess \
    test_contexts test_decode test_learner test_update; do
    step "$program" 60 "bin/$program" -k
  done
  step cudaframe 60 bin/test_cudaframe -k
  for set in golden/*; do
    for program in test_forward golden_ops golden_max3d; do
      DEFCN_GOLDEN=$PWD/$set step "$program-$(basename "$set")" 90 \
        "bin/$program" -k
    done
  done
  [ ! -d golden/shared ] || train_steps
  for precision in fp32 tf32 fp16 bf16; do
    step "eval-$precision" 90 bin/defcn eval --model data/person.safetensors \
      --annotations data/person_val.json --images data/images \
      --device cuda --precision "$precision" --json "$out/$precision.json"
    files+=("$precision=$out/$precision.json")
  done
  step table 20 python3 table.py "${files[@]}"
  cat "$out/$call"-*-table.log
  step bench-train 90 "${bench[@]}" --train --batch "$training_batch" \
    --precision bf16 --save "$out/bench-train.json"
}

# The last iteration that the run has written down.
iteration () {
  sed -n 's/.*"iteration":\([0-9]*\).*/\1/p' "$out/run/metrics.jsonl" | tail -1
}

# train_piece NAME SECONDS ITERATIONS OPTION..; it ends by an interrupt, which
# is no failure.
train_piece () {
  local name=$1 seconds=$2 iterations=$3
  # shellcheck disable=SC2016
  local in_time=(bash -c 'timeout --preserve-status -s INT "$@"
    status=$?; [ $status = 130 ] || exit $status' in_time)
  shift 3
  step "$name" $((seconds + 10)) \
    "${in_time[@]}" "$seconds" bin/defcn train \
    data/person.ini --init data/mobilenetv2.safetensors \
    -a data/person_train.json -i data/train -o "$out/run" \
    --device cuda --precision bf16 --set eval_interval=0 \
    --set "batch=$training_batch" --set "workers=$(nproc)" \
    --set "iterations=$iterations" --set log_interval=10 \
    "${training[@]}" "$@"
}

# Eight minutes in pieces, each of which leaves its checkpoint in the archive.
# The first tells how many iterations the others will come to: until it falls at
# the end, the learning rate does not depend on that.  A call that goes on keeps
# to what the first has told; its bundle may lie elsewhere (--force).
third () {
  local pieces=4 seconds=${TRAIN_SECONDS:-110} piece iterations=1000000 known
  local resume=()
  [ ! -e "$out/iterations" ] || iterations=$(cat "$out/iterations")
  for ((piece = 1; piece <= pieces; piece++)); do
    train_piece "train-$piece" "$seconds" "$iterations" "${resume[@]}"
    [ -e "$out/run/checkpoint.safetensors" ] || continue
    known=$(iteration)
    [ -n "$known" ] || echo "train-$piece: no iteration is written down" |
      tee -a "$out/summary"
    [ "$iterations" != 1000000 ] || [ -z "$known" ] ||
      iterations=$((known * pieces * 9 / (10 * piece)))
    echo "$iterations" > "$out/iterations"
    resume=(--resume --force)
  done
  # They took longer than the first had told: what there is becomes the model.
  [ -e "$out/run/model.safetensors" ] || [ -z "${known:-}" ] ||
    train_piece train-end 50 $((known + 1)) --resume --force
  step eval 60 bin/defcn eval --model "$out/run/model.safetensors" \
    --annotations data/person_val.json --images data/images --device cuda \
    --precision fp16 --json "$out/trained.json"
  cat "$out/$call"-*-eval.log
}

case $call in
  first | second | third) ;;
  *)
    echo "no call $call" >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2016
step device 20 bash -c 'nvidia-smi -L; nvidia-smi | head -4; cat commit; nproc
  echo "$DEFCN_CUDA_LIBRARIES"
  python3 -c "from importlib.metadata import version
print (\"PyTorch\", version (\"torch\"))" 2> /dev/null || echo no PyTorch'
cat "$out/$call"-*-device.log
"$call"
echo "$failed failed" | tee -a "$out/summary"
keep
rm -rf "$out"
[ "$failed" = 0 ]
