#!/usr/bin/env bash
# Builds what a bare GPU host runs in one call, into a folder (gpu-bundle) of at
# most 64 MB: the module, the tool, test programs, the libraries they need but
# cuDNN, goldens and pictures.  There: bash gpu-bundle/run.sh ARCHIVE CALL
#   tests/cuda/device/bundle.sh first|second|third [FOLDER]
# DEFCN_DATA and DEFCN_GOLDEN name other folders than ../shared/data and golden,
# DEFCN_PICTURES the bytes of each set of pictures, DEFCN_CUDA_MODULE a module
# that is built already.
set -euo pipefail
cd "$(dirname "$0")/../../.."
call=$1
bundle=${2:-gpu-bundle}
build="build-gpu"
data=${DEFCN_DATA:-../shared/data}
golden=${DEFCN_GOLDEN:-../shared/golden}
plugin=()
module=${DEFCN_CUDA_MODULE:-$build/core/cuda/libdefcn-cuda.so}
if [ -x /usr/local/cuda/bin/nvcc ]; then PATH=$PATH:/usr/local/cuda/bin; fi

case $call in
  first) programs=(tests/ops/checkops training/defcn) ;;
  second)
    programs=(
      tests/ops/handmade tests/ops/networks
      tests/cuda/test_precisions tests/cuda/test_preprocess
      tests/cuda/test_update tests/cuda/test_contexts tests/cuda/test_decode
      tests/cuda/test_learner
      tests/golden/test_forward tests/golden/golden_ops
      tests/golden/golden_max3d tests/golden/test_train
      tests/plugin/test_cudaframe training/defcn
    )
    plugin=(gst-plugin/libgstdefcn.so gst-plugin/libdefcn-elements.so)
    ;;
  third) programs=(training/defcn) ;;
  *)
    echo "no call $call" >&2
    exit 2
    ;;
esac

# Without oneDNN, which is large and for the CPU: the oracle is the reference;
# and without what else brings libraries and is of no use there.  The programs
# find the bundle's libraries by themselves.
if [ ! -e "$build/build.ninja" ]; then
  meson setup "$build" --buildtype=release -Dcuda=enabled -Donednn=disabled \
    -Dplugin=enabled -Dcudamemory=enabled -Dpango=disabled -Dmqtt=disabled \
    -Dkafka=disabled -Dsnapshot=disabled -Dlive=disabled \
    "-Dc_link_args=-Wl,--disable-new-dtags,-rpath,\$ORIGIN/../lib"
fi
[ -n "${DEFCN_CUDA_MODULE:-}" ] || ninja -C "$build" core/cuda/libdefcn-cuda.so
ninja -C "$build" "${programs[@]}" "${plugin[@]}"

rm -rf "$bundle"
mkdir -p "$bundle"/{bin,programs,lib,modules,data}
cp "$module" "$bundle/modules"
for program in "${programs[@]}"; do
  cp "$build/$program" "$bundle/programs"
  cp tests/cuda/device/with_cuda.sh "$bundle/bin/$(basename "$program")"
done
# What the C library's own packages do not bring.
if [ ${#plugin[@]} -gt 0 ]; then
  mkdir "$bundle/gst-plugin"
  cp "${plugin[@]/#/$build/}" "$bundle/gst-plugin"
fi
for program in "${programs[@]}" "${plugin[@]}"; do ldd "$build/$program"; done |
  awk '$3 ~ /^\// { print $3 }' | sort -u |
  grep -vE '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' |
  while read -r library; do cp -L "$library" "$bundle/lib"; done
# For a host whose toolkit is of another major version.
mkdir "$bundle/cuda"
ldd "$module" | awk '$1 ~ /^libcudart/ && $3 ~ /^\// { print $3 }' |
  while read -r library; do cp -L "$library" "$bundle/cuda"; done
cp tests/cuda/device/{run.sh,table.py} "$bundle"
git rev-parse --short HEAD > "$bundle/commit"

pictures () {
  python3 tests/cuda/device/pictures.py "$data/coco-person/$1" \
    "$data/coco-person/images" "$bundle/data/$1" "$bundle/data/$2" "${@:3}"
}

case $call in
  first)
    mkdir "$bundle/bench"
    cp tests/bench/network.py tests/bench/torch_ratio.py "$bundle/bench"
    ;;
  second)
    mkdir "$bundle/golden"
    cp -r tests/golden/own "$bundle/golden/own"
    if [ -d "$golden" ]; then
      mkdir "$bundle/golden/shared"
      cp -r "$golden"/{ops,models,manifest.json} "$bundle/golden/shared"
      # POTO's are enough there, and there is no room for all.
      rm -rf "$bundle"/golden/shared/models/{*atss*,*fcos*,*anchor*,*center*} \
        "$bundle"/golden/shared/models/xdcn*
    fi
    cp pipelines/models/person.safetensors "$bundle/data"
    pictures person_val.json images 480 "${DEFCN_PICTURES:-5000000}" 8
    ;;
  third)
    cp pipelines/models/person.ini "$bundle/data"
    "$build/training/defcn" import "$data/weights/mobilenetv2" --half \
      -o "$bundle/data/mobilenetv2.safetensors"
    pictures person_val.json images 384 "${DEFCN_PICTURES:-5000000}" 8
    pictures person_train.json train 384 "${DEFCN_PICTURES:-31000000}"
    ;;
esac
du -sh "$bundle"
[ "$(du -s --apparent-size -B 1000000 "$bundle" | cut -f 1)" -le 64 ] || {
  echo "$bundle takes more than 64 MB" >&2
  exit 1
}
