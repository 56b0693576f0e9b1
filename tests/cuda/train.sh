#!/usr/bin/env bash
# Training on the CUDA module loses what training on the reference loses, step
# by step.  Prints TAP.  Usage: train.sh DEFCN    (DEFCN_MODULES: the module)
set -uo pipefail
defcn=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
python3 "$(dirname "$0")/../e2e/make_blocks.py" "$work"

cat > "$work/recipe.ini" <<'E'
[recipe]
preset=coco.poto.3dmf.aux
backbone=mobilenetv2
pixels=torchvision
freeze_at=0
fpn_channels=16
tower_depth=1
norm_groups=4
short_edge=64
test_long_edge=96
batch=2
workers=1
canvas_width=64
canvas_height=64
warmup=2
iterations=4
log_interval=1
E

# train NAME DEVICE PRECISION ARGUMENTS..: the losses of four steps, one a line.
train () {
  local name=$1 device=$2 precision=$3
  shift 3
  "$defcn" train "$work/recipe.ini" -a "$work/a.json" -i "$work" \
    -o "$work/$name" --device "$device" --precision "$precision" "$@" \
    > "$work/log" 2>&1 || return
  python3 - "$work/$name/metrics.jsonl" <<'PY'
import json
import sys
for line in open(sys.argv[1]):
    record = json.loads(line)
    if "loss" in record:
        print(record["loss"])
PY
}

# compare NAME PRECISION TOLERANCE ARGUMENTS..
compare () {
  local name=$1 precision=$2 tolerance=$3
  number=$((number + 1))
  shift 3
  train "$name" cuda "$precision" "$@" > "$work/found"
  if paste "$work/wanted" "$work/found" | awk -v tolerance="$tolerance" '
      { off = ($1 - $2) / $1; off = off < 0 ? -off : off }
      $2 == "" || off > tolerance { bad = 1 }
      END { exit bad || NR != 4 }'; then
    echo "ok $number - $name"
  else
    echo "not ok $number - $name"
    paste "$work/wanted" "$work/found" | sed 's/^/# /'
    sed 's/^/# /' "$work/log"
  fi
}

# go_on NAME ARGUMENTS..: a run, stopped half-way and resumed if need be.
go_on () {
  local name=$1
  shift
  "$defcn" train "$work/recipe.ini" -a "$work/a.json" -i "$work" \
    -o "$work/$name" --device cuda "$@" > "$work/log" 2>&1
}

# resume NAME SETTING..: a run in two pieces ends in the bytes of one in one.
resume () {
  local name=$1
  number=$((number + 1))
  shift
  if go_on "$name-whole" "$@" && go_on "$name-parts" "$@" --stop-after 2 \
    && go_on "$name-parts" "$@" --resume \
    && cmp -s "$work/$name-whole/checkpoint.safetensors" \
      "$work/$name-parts/checkpoint.safetensors"; then
    echo "ok $number - resume $name"
  else
    echo "not ok $number - resume $name"
    sed 's/^/# /' "$work/log"
  fi
}

# masters RUN: its weights and the optimizer's state are float32, and finer than
# bfloat16.
masters () {
  number=$((number + 1))
  if python3 - "$work/$1/checkpoint.safetensors" <<'PY'
import json
import struct
import sys
data = open(sys.argv[1], "rb").read()
size, = struct.unpack_from("<Q", data)
header = json.loads(data[8:8 + size])
fine = checked = 0
for name, tensor in header.items():
    if name == "__metadata__":
        continue
    if tensor["dtype"] != "F32":
        sys.exit(f"{name} is {tensor['dtype']}")
    if name == "head.cls_subnet.0.weight" or name.startswith("optimizer."):
        first, last = tensor["data_offsets"]
        words = struct.iter_unpack("<I", data[8 + size + first:8 + size + last])
        low = [word & 0xffff for word, in words if word]
        checked += 1
        fine += not low or sum(map(bool, low)) > len(low) / 2
if not checked or fine < checked:
    sys.exit(f"{fine} of {checked} tensors are finer than bfloat16")
PY
  then
    echo "ok $number - masters $1"
  else
    echo "not ok $number - masters $1"
  fi
}

# Its heads come to the host: a location has nine boxes.
retinanet=()
for setting in assigner=retinanet anchors=9 filter=false aux_topk=0 \
  norm_groups=0 box_loss=l1 normalizer_momentum=0.9; do
  retinanet+=(--set "$setting")
done

echo 1..9
train reference reference fp32 > "$work/wanted"
compare fp32 fp32 1e-4
compare tf32 tf32 1e-2
compare bf16 bf16 5e-2
resume sgd --set clip_norm=1
resume adamw --set optimizer=adamw --set lr=0.001 --set ema=0.9 \
  --set micro_batch=1
resume bf16 --set precision=bf16
masters bf16-parts
train retinanet-reference reference fp32 "${retinanet[@]}" > "$work/wanted"
compare retinanet fp32 1e-4 "${retinanet[@]}"
resume retinanet-again "${retinanet[@]}"
