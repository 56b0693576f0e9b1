#!/usr/bin/env bash
# `defcn train` as a user runs it: learns a few pictures, resumes to the same
# bits, says what is wrong.  Prints TAP.  Usage: train.sh DEFCN
set -uo pipefail
defcn=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
number=0

# ok DESCRIPTION COMMAND...: one case.
ok () {
  local description=$1
  shift
  number=$((number + 1))
  if "$@" >"$work/log" 2>&1; then
    echo "ok $number - $description"
  else
    echo "not ok $number - $description"
    sed 's/^/# /' "$work/log"
  fi
}

python3 "$(dirname "$0")/make_blocks.py" "$work"
# The same pictures again and again: an evaluation that takes minutes.
python3 - "$work" <<'PY'
import json
import sys
data = json.load(open(sys.argv[1] + "/a.json"))
data["images"] = [dict(data["images"][i % 6], id=i) for i in range(60000)]
json.dump(data, open(sys.argv[1] + "/long.json", "w"))
# 0.png is not one of the eight that are decoded before the run.
data["images"] = [dict(data["images"][i % 5 + 1 if i != 1 else 0], id=i)
                  for i in range(20)]
json.dump(data, open(sys.argv[1] + "/sparse.json", "w"))
PY

cat > "$work/recipe.ini" <<'E2'
[recipe]
backbone=mobilenetv2
pixels=torchvision
freeze_at=0
fpn_channels=16
tower_depth=1
norm_groups=4
short_edge=96
test_long_edge=128
batch=2
workers=2
canvas_width=128
canvas_height=96
scale_min=0.9
scale_max=1.1
optimizer=adamw
lr=0.002
clip_norm=10
schedule=cosine
warmup=5
iterations=120
eval_interval=0
checkpoint_interval=1000
log_interval=10
threads=2
ema=0.9
E2

# exec=exec before a call in the background makes $! the tool itself.
train () {
  ${exec:-} "$defcn" train "$work/recipe.ini" --annotations "$work/a.json" \
    --images "$work" -o "$work/$1" "${@:2}"
}

# Two pieces must end where one run ends, bit for bit.
resume () {
  train whole --stop-after 6 && train parts --stop-after 3 &&
    train parts --resume --stop-after 6 &&
    cmp "$work/whole/checkpoint.safetensors" \
      "$work/parts/checkpoint.safetensors"
}

# An interrupt saves a checkpoint and says so by its status, long before the
# end.
interrupt () {
  exec=exec train signal & local pid=$!
  for _ in $(seq 300); do
    grep -q iteration "$work/signal/metrics.jsonl" 2>/dev/null && break
    sleep 0.1
  done
  kill -INT $pid
  wait $pid
  [ $? = 130 ] &&
    [ -s "$work/signal/checkpoint.safetensors" ] &&
    [ ! -e "$work/signal/model.safetensors" ]
}

evaluated () {
  train "$1" --val-images "$work" --set eval_interval=2 --set log_interval=1 \
    --val-annotations "$work/$2" "${@:3}"
}

# An evaluation is given up at once; the resumed run does it again, and then
# nothing tells that it was not a single run.
interrupt_evaluation () {
  exec=exec evaluated given-up long.json & local pid=$!
  for _ in $(seq 300); do
    grep -q '"iteration":2,' "$work/given-up/metrics.jsonl" 2>/dev/null && break
    sleep 0.1
  done
  sleep 0.5
  kill -INT $pid
  for _ in $(seq 50); do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  if kill -KILL $pid 2>/dev/null; then return 1; fi
  wait $pid
  [ $? = 130 ] &&
    ! grep ap50 "$work/given-up/metrics.jsonl" &&
    evaluated given-up a.json --resume --stop-after 3 &&
    evaluated single a.json --stop-after 3 &&
    grep -c ap50 "$work/given-up/metrics.jsonl" &&
    cmp "$work/given-up/best.safetensors" "$work/single/best.safetensors" &&
    cmp "$work/given-up/checkpoint.safetensors" \
      "$work/single/checkpoint.safetensors"
}

learn () {
  train learnt --val-annotations "$work/a.json" --val-images "$work" &&
    "$defcn" eval --model "$work/learnt/model.safetensors" \
      --annotations "$work/a.json" --images "$work" --json "$work/eval.json" &&
    python3 - "$work" <<'PY'
import json
import sys
path = sys.argv[1] + "/learnt/metrics.jsonl"
lines = [json.loads(line) for line in open(path)]
losses = [line["loss"] for line in lines if "loss" in line]
print(losses)
assert losses[-1] < 0.6 * losses[0]
result = json.load(open(sys.argv[1] + "/eval.json"))
print(result["ap50"])
assert result["ap50"] > 0.3
assert abs(lines[-1]["ap50"] - result["ap50"]) < 1e-6, lines[-1]
PY
}

# names TEXT COMMAND...: the command fails and its message has TEXT.
names () {
  local text=$1
  shift
  "$@" > "$work/message" 2>&1 && return 1
  cat "$work/message"
  grep -qF -- "$text" "$work/message"
}

# Alpha of the first update is the same, those on the way to another are not.
alpha_moves () {
  local four=(--set iterations=4 --set log_interval=1)
  train still "${four[@]}" &&
    train moving "${four[@]}" --set final_alpha=0 --set alpha_hold=0 &&
    python3 - "$work" <<'PY'
import json
import sys
still, moving = ([json.loads(line)["loss"]
                  for line in open("%s/%s/metrics.jsonl" % (sys.argv[1], name))
                  if '"loss"' in line] for name in ("still", "moving"))
print(still, moving)
assert len(still) == len(moving) == 4
assert still[0] == moving[0]
assert still[3] != moving[3]
PY
}

# A used folder is not begun in again, unless by force; recipe.ini in it has all
# that repeats the run.
used_folder () {
  names "is of an earlier run" train whole --stop-after 1 &&
    cp "$work/whole/recipe.ini" "$work/again.ini" &&
    "$defcn" train "$work/again.ini" -o "$work/again" --stop-after 6 &&
    cmp "$work/whole/checkpoint.safetensors" \
      "$work/again/checkpoint.safetensors" &&
    train again --force --stop-after 1 && train again --resume --stop-after 2
}

# What is wrong with a file is told once, though it is that of the training and
# of the validation.
told_once () {
  sed 's/"images": \[/"images": [{"id": 9999}, /' "$work/a.json" \
    > "$work/bad.json" &&
    "$defcn" train "$work/recipe.ini" --annotations "$work/bad.json" \
      --images "$work" --val-annotations "$work/bad.json" \
      --val-images "$work" -o "$work/once" --stop-after 1 > "$work/out" &&
    [ "$(grep -c 'image 9999 has no "file_name"' "$work/out")" = 1 ]
}

# Two runs never share a folder.
locked () {
  exec=exec train shared & local pid=$! status
  for _ in $(seq 300); do
    [ -e "$work/shared/metrics.jsonl" ] && break
    sleep 0.1
  done
  names "another run is at work in it" train shared --force
  status=$?
  kill -INT $pid
  wait $pid
  return $status
}

# Other data is not gone on with unasked.
other_data () {
  cp "$work/a.json" "$work/b.json" &&
    names "--force goes on with other data" "$defcn" train "$work/recipe.ini" \
      --annotations "$work/b.json" --images "$work" -o "$work/parts" --resume
}

# A validation set is looked at before the first update.
bad_validation () {
  sed 's/"block"/"other"/' "$work/a.json" > "$work/other.json" &&
    names "none of the classes block" train none --val-images "$work" \
      --val-annotations "$work/other.json" &&
    names "/none/0.png: no such picture" train none --val-images /none \
      --val-annotations "$work/a.json" && [ ! -s "$work/none/metrics.jsonl" ]
}

# A picture that goes away during the run costs no update: there is a checkpoint
# of the last one.
lost_picture () {
  mkdir -p "$work/going" && cp "$work"/*.png "$work/going" || return
  head -c 200 "$work/0.png" > "$work/going/0.png"
  names "0.png" train lost --val-images "$work/going" \
    --val-annotations "$work/sparse.json" --set eval_interval=3 &&
    grep -q "saved the checkpoint of iteration 3" "$work/message" &&
    train lost --resume --stop-after 4
}

# A disk that takes no more (no file over a megabyte here) ends the run with the
# name of what could not be written; the checkpoint before stays and is whole.
full_disk () {
  local files pid
  train full --stop-after 2 && cp "$work/full/checkpoint.safetensors" \
    "$work/kept" && files=$(ls "$work/full") || return
  exec=exec train full --resume --set iterations=100000 --set log_interval=1 \
    2>"$work/message" & pid=$!
  for _ in $(seq 300); do
    grep -q '"iteration":3,' "$work/full/metrics.jsonl" && break
    sleep 0.1
  done
  prlimit --pid $pid --fsize=1048576 && kill -INT $pid
  wait $pid
  [ $? = 1 ] &&
    grep -F "full/checkpoint.safetensors: cannot be written" "$work/message" &&
    cmp "$work/kept" "$work/full/checkpoint.safetensors" &&
    [ "$files" = "$(ls "$work/full")" ] &&
    train full --resume --stop-after 3
}

# A disk that has no room for the files of a run ends it before the first
# update, of a new run and of one that goes on.
no_room () {
  (ulimit -f 1024 && names "$work/narrow: no room for" train narrow) &&
    [ ! -s "$work/narrow/metrics.jsonl" ] && train narrow --stop-after 1 &&
    cp "$work/narrow/checkpoint.safetensors" "$work/kept" &&
    (ulimit -f 1024 &&
      names "$work/narrow: no room for" train narrow --resume) &&
    (ulimit -f 1024 &&
      names "$work/narrow: no room for" train narrow --force) &&
    cmp "$work/kept" "$work/narrow/checkpoint.safetensors"
}

# What is told: the pace first, how far an evaluation is, and at the end where
# the model is, or how to go on.
told () {
  train told --set iterations=2 --set log_interval=1 --val-images "$work" \
    --val-annotations "$work/a.json" 2>"$work/message" &&
    grep -qE "train 2/2 left 0:00 [0-9.]+ images/s loss" "$work/message" &&
    grep -q "eval 6/6" "$work/message" &&
    grep -q "done: $work/told/model.safetensors; the best of" \
      "$work/message" &&
    train stopped --stop-after 1 2>"$work/message" &&
    grep -q "defcn train $work/stopped/recipe.ini -o $work/stopped --resume" \
      "$work/message"
}

other_recipe () { train whole --resume --set fpn_channels=32; }
broken_pictures () {
  mkdir -p "$work/broken"
  for i in 0 1 2 3 4 5; do head -c 200 "$work/$i.png" > "$work/broken/$i.png"
  done
  "$defcn" train "$work/recipe.ini" --annotations "$work/a.json" \
    --images "$work/broken" -o "$work/none"
}

echo "1..19"
ok "a resumed run ends with the bits of a whole one" resume
ok "an interrupt saves a checkpoint" interrupt
ok "an interrupted evaluation is done again" interrupt_evaluation
ok "six pictures are learnt" learn
ok "the curve is a picture" grep -q PNG "$work/learnt/curve.png"
ok "alpha goes its way" alpha_moves
ok "a used folder is kept, its recipe repeats it" used_folder
ok "what is wrong with a file is told once" told_once
ok "a folder has one run at a time" locked
ok "other data is refused by name" other_data
ok "a validation set is looked at first" bad_validation
ok "an error leaves a checkpoint" lost_picture
ok "a full disk leaves the last checkpoint" full_disk
ok "no room is met before the first update" no_room
ok "the end is told" told
ok "another recipe is refused by name" names "fpn_channels=32" other_recipe
ok "unreadable pictures stop the run by name" names "cannot be read" \
  broken_pictures
ok "an unknown key is named" names 'no recipe key "lrr"' \
  train none --set lrr=1
ok "a missing annotation file is named" names "/nowhere.json" \
  "$defcn" train "$work/recipe.ini" --annotations /nowhere.json \
  --images "$work" -o "$work/none"
