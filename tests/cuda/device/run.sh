#!/usr/bin/env bash
# Runs on a GPU host, out of the folder that bundle.sh made: tests, sanitizers,
# accuracy in every precision, then benchmarks beside PyTorch.
#   run.sh OUTPUT_FOLDER [tests|sanitize|accuracy|bench ..]
set -uo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$(dirname "$0")"
parts=("${@:-tests}")
[ $# -gt 0 ] || parts=(tests sanitize accuracy bench)

# cuDNN of a toolkit, or that of a Python package.
cudnn=$(python3 - <<'PY' 2>/dev/null
import importlib.util
import pathlib
spec = importlib.util.find_spec("nvidia.cudnn")
print(":".join(str(pathlib.Path(p) / "lib")
               for p in (spec.submodule_search_locations if spec else [])))
PY
)
cuda=/usr/local/cuda/lib64
for folder in $(python3 - <<'PY' 2>/dev/null
import glob
import site
for base in site.getsitepackages():
    print(*glob.glob(base + "/nvidia/*/lib"))
PY
); do cuda=$cuda:$folder; done
LD_LIBRARY_PATH=$PWD/lib:$cudnn:$cuda${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
export DEFCN_MODULES=$PWD/modules DEFCN_TEST_BACKEND=cuda DEFCN_TEST_REQUIRED=1
export DEFCN_TEST_SOURCES=$PWD
chmod +x bin/*
failed=0

# run NAME COMMAND..: its output into NAME.log, a line of what came of it.
run () {
  local name=$1 status=0
  shift
  timeout 500 "$@" > "$out/$name.log" 2>&1 || status=$?
  [ $status = 0 ] || failed=$((failed + 1))
  printf '%-28s status %d, %d ok, %d not ok\n' "$name" $status \
    "$(grep -c '^ok' "$out/$name.log")" "$(grep -c '^not ok' "$out/$name.log")"
}

tests () {
  for precision in fp32 tf32 fp16 bf16; do
    DEFCN_TEST_PRECISION=$precision run "checkops-$precision" bin/checkops -k
  done
  for program in handmade networks test_precisions test_preprocess \
    test_update test_contexts test_decode test_learner; do
    run "$program" "bin/$program" -k
  done
  for set in golden/*; do
    for program in test_forward golden_ops golden_max3d; do
      DEFCN_GOLDEN=$PWD/$set run "$program-$(basename "$set")" \
        "bin/$program" -k
    done
  done
  [ ! -d golden/shared ] ||
    DEFCN_GOLDEN=$PWD/golden/shared run test_train bin/test_train -k
}

sanitize () {
  command -v compute-sanitizer > /dev/null || return 0
  for tool in memcheck racecheck initcheck synccheck; do
    for precision in fp32 fp16; do
      DEFCN_TEST_PRECISION=$precision run "$tool-$precision" \
        compute-sanitizer --tool "$tool" --error-exitcode 9 bin/checkops -k
    done
    for program in test_decode test_learner test_update test_preprocess; do
      run "$tool-$program" \
        compute-sanitizer --tool "$tool" --error-exitcode 9 "bin/$program" -k
    done
  done
}

accuracy () {
  [ -d data/images ] || return 0
  for setting in reference:fp32 cuda:fp32 cuda:tf32 cuda:fp16 cuda:bf16; do
    run "eval-${setting/:/-}" bin/defcn eval --model data/person.safetensors \
      --annotations data/person_val.json --images data/images \
      --device "${setting%:*}" --precision "${setting#*:}" \
      --json "$out/eval-${setting/:/-}.json"
    grep -E 'AP    IoU 0.50:0.95  all|duplicate' "$out/eval-${setting/:/-}.log"
  done
}

bench () {
  run torch_ratio python3 bench/torch_ratio.py --tool "$PWD/bin/defcn" \
    --save "$out/torch.json"
  cat "$out/torch_ratio.log"
}

{ nvidia-smi -L; nvidia-smi | head -4; cat commit; } > "$out/device.log" 2>&1
cat "$out/device.log"
for part in "${parts[@]}"; do
  echo "== $part"
  "$part"
done
echo "$failed failed"
[ "$failed" = 0 ]
