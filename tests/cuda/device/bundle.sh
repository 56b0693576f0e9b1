#!/usr/bin/env bash
# Builds what a bare GPU host runs, into the folder gpu-bundle: the module, the
# tool, the test programs, the libraries they need but CUDA's, the goldens and
# a few hundred pictures.  There: bash gpu-bundle/run.sh OUTPUT_FOLDER
#   tests/cuda/device/bundle.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../../.."
bundle=${1:-gpu-bundle}
build=build-gpu
if [ -x /usr/local/cuda/bin/nvcc ]; then PATH=$PATH:/usr/local/cuda/bin; fi

# Without oneDNN, which is large and for the CPU: the oracle is the reference.
if [ ! -d "$build" ]; then
  meson setup "$build" --buildtype=release -Dcuda=enabled -Donednn=disabled \
    -Dplugin=disabled
fi
programs=(
  tests/ops/checkops tests/ops/handmade tests/ops/networks
  tests/cuda/test_precisions tests/cuda/test_preprocess tests/cuda/test_update
  tests/cuda/test_contexts tests/cuda/test_decode tests/cuda/test_learner
  tests/golden/test_forward tests/golden/golden_ops tests/golden/golden_max3d
  tests/golden/test_train
  training/defcn
)
ninja -C "$build" core/cuda/libdefcn-cuda.so "${programs[@]}"

rm -rf "$bundle"
mkdir -p "$bundle"/{bin,lib,modules,bench,golden,data}
cp "$build/core/cuda/libdefcn-cuda.so" "$bundle/modules"
for program in "${programs[@]}"; do cp "$build/$program" "$bundle/bin"; done
# What the C library's own packages do not bring.
for program in "${programs[@]}"; do ldd "$build/$program"; done |
  awk '$3 ~ /^\// { print $3 }' | sort -u |
  grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' |
  while read -r library; do cp -L "$library" "$bundle/lib"; done
cp tests/bench/network.py tests/bench/torch_ratio.py "$bundle/bench"
cp tests/cuda/device/run.sh "$bundle"
cp pipelines/models/person.safetensors "$bundle/data"
cp -r tests/golden/own "$bundle/golden/own"
git rev-parse --short HEAD > "$bundle/commit"
golden=${DEFCN_GOLDEN:-../shared/golden}
if [ -d "$golden" ]; then
  mkdir "$bundle/golden/shared"
  cp -r "$golden"/{ops,models,manifest.json} "$bundle/golden/shared"
fi
pictures=${DEFCN_DATA:-../shared/data}/coco-person
if [ -d "$pictures" ]; then
  cp "$pictures/person_val.json" "$bundle/data"
  mkdir "$bundle/data/images"
  python3 - "$pictures" "$bundle/data/images" <<'PY'
import json
import shutil
import sys
for image in json.load(open(f"{sys.argv[1]}/person_val.json"))["images"]:
    shutil.copy(f"{sys.argv[1]}/images/{image['file_name']}", sys.argv[2])
PY
fi
du -sh "$bundle"
