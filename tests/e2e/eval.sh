#!/usr/bin/env bash
# `defcn eval` as a user runs it, with the bundled model: what it prints and
# writes, what its options change, what it says when something is wrong.
# Prints TAP.  Usage: eval.sh DEFCN SOURCES
set -uo pipefail
defcn=$1 sources=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
number=0
model=$work/person.safetensors

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

check () { python3 "$here/eval_check.py" "$work" "$@"; }

# A later option wins over an earlier one.
evaluate () {
  ${exec:-} "$defcn" eval --model "$model" --annotations "$work/people.json" \
    --images "$work" --threads 1 "$@"
}

# People drawn by hand are found, in a record of any size.
people () {
  check drawn || return
  local n=0 name
  for name in drawn.json drawn2.json drawn.odgt; do
    n=$((n + 1))
    evaluate --annotations "$work/$name" --json "$work/drawn_$n.json" || return
  done
  check found
}

# Pictures, and as their objects what the model itself finds: what is looked at
# with them is how the figures are told, not how good they are.
prepare () {
  cp "$sources/pipelines/models/person.safetensors" "$model" &&
    check plain || return
  python3 "$here/make_blocks.py" "$work" &&
    cp "$sources/pipelines/demo.jpg" "$work" && check people &&
    evaluate --detections "$work/found.json" >/dev/null && check objects
}

table () {
  evaluate --json "$work/file.json" --detections "$work/results.json" \
    > "$work/table" && check table
}

json_to_output () { evaluate --json - > "$work/output.json" && check output; }
limit () {
  evaluate --limit "$1" --json "$work/limit.json" && check limit "$2"
}

classes () {
  evaluate --classes > "$work/classes" && check classes &&
    ! grep -q '^person' "$work/table"
}

threshold () {
  evaluate --threshold 0.5 --json "$work/high.json" \
    --detections "$work/high_results.json" && check threshold
}

nms () { evaluate --nms 0.95 --json "$work/nms.json" && check nms; }

# 1x1 on one scale is no NMS, any distance is all of it (table 2).
nms_range () {
  local window
  for window in 1 3 999; do
    evaluate --nms 0.4 --nms-window $window \
      --json "$work/across_$window.json" &&
      evaluate --nms 0.4 --nms-window $window --nms-per-scale \
        --json "$work/scale_$window.json" || return
  done
  evaluate --nms 0.4 --json "$work/range_all.json" &&
    evaluate --nms 0.4 --nms-per-scale > "$work/per_scale" && check nms_range
}

# 3DMF as post-processing (table 5).
max_filter () {
  evaluate --max-filter 2,3 --json "$work/max.json" > "$work/max" &&
    evaluate --max-filter 0,1 --json "$work/no_max.json" &&
    check max_filter &&
    "$defcn" detect --model "$model" --threshold 0.05 --duplicate-filter 0 \
      -n 1000 "$work/demo.jpg" > "$work/all_found" &&
    "$defcn" detect --model "$model" --threshold 0.05 --duplicate-filter 0 \
      -n 1000 --max-filter 2,3 "$work/demo.jpg" > "$work/max_found" &&
    [ "$(wc -l < "$work/max_found")" -gt 0 ] &&
    [ "$(wc -l < "$work/max_found")" -lt "$(wc -l < "$work/all_found")" ] &&
    ! grep -vxFf "$work/all_found" "$work/max_found"
}

duplicate_filter () {
  evaluate --duplicate-filter 0.95 --json "$work/filter.json" &&
    check duplicate_filter
}

recall () {
  evaluate --recall 1 > "$work/recall" &&
    evaluate --recall 0.2 --json "$work/low_recall.json" && check recall
}

# The photograph has more objects than the other pictures.
crowded () {
  local n
  n=$(check crowd_size) && evaluate --crowd "$n" --json "$work/crowded.json" &&
    evaluate --annotations "$work/photograph.json" \
      --json "$work/alone.json" && check crowded "$n"
}

# The model in use is a copy.
calibrate () {
  cp "$model" "$work/calibrated.safetensors" &&
    evaluate --model "$work/calibrated.safetensors" --calibrate \
      --json "$work/calibrate.json" > "$work/calibrate" &&
    evaluate --model "$work/calibrated.safetensors" --json "$work/again.json" &&
    check calibrated "$model" &&
    "$defcn" info --json "$work/calibrated.safetensors" |
      grep -q '"working_threshold"'
}

# Without a right detection the file stays what it was.
calibrate_nothing () {
  cp "$model" "$work/kept.safetensors" &&
    fails 1 "no detection is right" --calibrate --threshold 0.99 \
      --model "$work/kept.safetensors" &&
    cmp "$model" "$work/kept.safetensors"
}

# Root may write everywhere, so somebody else runs it, from where he can.
calibrate_locked () {
  local as=
  [ "$(id -u)" = 0 ] && as="setpriv --reuid 65534"
  mkdir "$work/locked" && cp "$model" "$work/locked" &&
    cp "$defcn" "$work/defcn" && chmod 755 "$work" &&
    chmod 555 "$work/locked" &&
    defcn=$work/defcn exec=$as fails_at_once 1 \
      "locked/person.safetensors: cannot be written" --calibrate \
      --model "$work/locked/person.safetensors"
}

reliability () {
  evaluate --reliability "$work/reliability.png" && check reliability
}

# The same for what a file of boxes has: the draws are of the images alone.
bootstrap () {
  evaluate --bootstrap 200 --json "$work/draws.json" > "$work/draws" &&
    "$defcn" eval --results "$work/results.json" --annotations \
      "$work/people.json" --bootstrap 200 --json "$work/drawn_boxes.json" &&
    check bootstrap
}

duplicates () {
  evaluate --duplicate-threshold 0.9 --json "$work/duplicates.json" &&
    check duplicates
}

crowdhuman () {
  evaluate --annotations "$work/people.odgt" --json "$work/crowd.json" \
    > "$work/crowd" && check crowd
}

# fails STATUS TEXT ARGUMENT...: an error that names TEXT, with that status.
fails () {
  local status=$1 text=$2 found
  shift 2
  evaluate "$@" > "$work/message" 2>&1
  found=$?
  cat "$work/message"
  [ $found = "$status" ] && grep -qF -- "$text" "$work/message"
}

# Boxes of a file do not say where they were found, and no model file takes a
# range.
refuses_range () {
  local option
  for option in "--nms-window 3" --nms-per-scale "--max-filter 2,3"; do
    # shellcheck disable=SC2086
    "$defcn" eval --results "$work/results.json" \
      --annotations "$work/people.json" $option > "$work/message" 2>&1
    [ $? = 2 ] && grep -qF -- "--max-filter go with --model" \
      "$work/message" || return 1
    # shellcheck disable=SC2086
    fails_at_once 2 "without --calibrate" --calibrate $option || return 1
  done
}

# The same, and not one picture was taken before.
fails_at_once () { fails "$@" && ! grep -q "eval [0-9]" "$work/message"; }

# A picture is never left out of the figures: the run ends, naming it.
without_picture () {
  mkdir -p "$work/missing" && cp "$work"/[0-4].png "$work/missing" &&
    fails 1 "missing/5.png" --images "$work/missing" --json "$work/none.json" &&
    [ ! -e "$work/none.json" ]
}

truncated () {
  local size
  mkdir -p "$work/$1" && cp "$work"/*.png "$work/demo.jpg" "$work/$1" &&
    size=$(stat -c %s "$work/$1/$2") &&
    truncate -s $((size / 2)) "$work/$1/$2" &&
    fails 1 "$1/$2" --images "$work/$1" --json "$work/none.json" &&
    [ ! -e "$work/none.json" ]
}

# Classes are matched by name, wherever they stand; what only one of the two has
# is left out and named.
other_classes () {
  python3 - "$work" <<'PY' &&
import json
import sys
data = json.load(open(sys.argv[1] + "/people.json"))
person = data["categories"][0]["id"]
data["categories"] = ([{"id": 90, "name": "owl"}] + data["categories"]
                      + [{"id": 91, "name": "eel"}])
first = dict(data["annotations"][0], id=10 ** 6, category_id=91)
data["annotations"].append(first)
json.dump(data, open(sys.argv[1] + "/more.json", "w"))
PY
    evaluate --annotations "$work/more.json" --json "$work/more_figures.json" \
      2>"$work/message" &&
    grep -q "more.json: classes left out: owl, eel" "$work/message" &&
    evaluate --annotations "$work/more.json" --classes=person \
      --json "$work/one_figures.json" &&
    python3 - "$work" <<'PY'
import json
import sys
more, one, plain = (json.load(open(sys.argv[1] + "/" + name)) for name in
                    ("more_figures.json", "one_figures.json", "file.json"))
assert more["ap"] == one["ap"] == plain["ap"], (more["ap"], plain["ap"])
PY
}

# Results of anybody are measured as the model's own are, and never written
# over unasked.
results () {
  "$defcn" eval --results "$work/results.json" --annotations \
    "$work/people.json" --threshold 0.05 --json "$work/measured.json" &&
    python3 - "$work" <<'PY' &&
import json
import sys
own, measured = (json.load(open(sys.argv[1] + "/" + name)) for name in
                 ("file.json", "measured.json"))
assert abs(own["ap"] - measured["ap"]) < 1e-3, (own["ap"], measured["ap"])
assert "local" not in measured and "milliseconds" not in measured
PY
    fails_at_once 1 "--force writes over it" \
      --detections "$work/results.json" &&
    evaluate --limit 1 --detections "$work/results.json" --force
}

# A comma is no decimal point, whatever the locale.
locale_comma () {
  local german=(env LOCPATH="$work/locales" LC_ALL=de_DE.UTF-8)
  [ "$("${german[@]}" printf %.1f 0,5)" = 0,5 ] && # it is there, with a comma
    "${german[@]}" "$defcn" detect --model "$model" --threshold 0.3 \
      "$work/demo.jpg" > "$work/detected" &&
    [ -s "$work/detected" ] && ! grep -q "," "$work/detected" &&
    "${german[@]}" "$defcn" info "$model" > "$work/told" &&
    ! grep -qE "[0-9],[0-9]" "$work/told" &&
    exec="${german[*]}" evaluate --limit 1 --threshold 0.5 \
      --json "$work/comma.json" > "$work/comma" &&
    ! grep -qE "[0-9],[0-9]" "$work/comma" &&
    python3 -m json.tool "$work/comma.json"
}

# What cannot be written is an error and a status.
full () {
  ! "$defcn" detect --model "$model" "$work/demo.jpg" > /dev/full &&
    ! "$defcn" detect --model "$model" -j /dev/full "$work/demo.jpg" &&
    ! "$defcn" info "$model" > /dev/full &&
    ! evaluate --limit 1 > /dev/full
}

# Ends soon, says after how many pictures, writes nothing.
interrupt () {
  exec=exec evaluate --annotations "$work/long.json" --json "$work/none.json" \
    > "$work/message" 2>&1 & local pid=$!
  for _ in $(seq 100); do
    grep -q "eval [0-9]" "$work/message" && break
    sleep 0.1
  done
  kill -INT $pid
  for _ in $(seq 50); do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  if kill -KILL $pid 2>/dev/null; then return 1; fi
  wait $pid
  [ $? = 130 ] && cat "$work/message" &&
    grep -q "interrupted after [0-9]* of 60000 images" "$work/message" &&
    [ ! -e "$work/none.json" ]
}

echo "1..48"
ok "pictures and objects are made" prepare
ok "people of a photograph are found" people
ok "the table has COCO's figures, --json the same" table
ok "the boxes are COCO results" check results
ok "--json - writes to standard output alone" json_to_output
ok "--limit takes the first pictures" limit 2 2
ok "--limit beyond the end takes all" limit 100 7
ok "--limit 0 takes all" limit 0 7
ok "--classes prints every class" classes
ok "--threshold leaves weak boxes out" threshold
ok "--nms changes the column with NMS" nms
ok "--nms-window and --nms-per-scale limit NMS" nms_range
ok "--max-filter filters all columns" max_filter
ok "--duplicate-threshold changes the rate" duplicates
ok "--duplicate-filter changes the column with the filter" duplicate_filter
ok "--recall is reached, or said not to be" recall
ok "--bootstrap tells AP's interval over images" bootstrap
ok "CrowdHuman's figures have no --bootstrap" fails_at_once 1 \
  "people.odgt: --bootstrap is for COCO's" --bootstrap 9 \
  --annotations "$work/people.odgt"
ok "--crowd tells pictures of many objects apart" crowded
ok "--calibrate writes the threshold of best F1" calibrate
ok "--calibrate without a hit leaves the file" calibrate_nothing
ok "--calibrate tells first that it cannot write" calibrate_locked
ok "--reliability draws a picture" reliability
ok ".odgt has CrowdHuman's figures" crowdhuman
ok "a missing model is named" fails_at_once 1 /none.safetensors \
  --model /none.safetensors
ok "what is no model is named" fails_at_once 1 people.json \
  --model "$work/people.json"
ok "missing annotations are named" fails_at_once 1 /none.json \
  --annotations /none.json
ok "a missing folder is named" fails_at_once 1 "/none: no such folder" \
  --images /none
ok "a missing picture ends the run by name" without_picture
ok "a truncated PNG ends the run by name" truncated cut-png 3.png
ok "a truncated JPEG ends the run by name" truncated cut-jpeg demo.jpg
ok "data without a class of the model is named" fails_at_once 1 \
  "a.json has none of the classes person" \
  --annotations "$work/a.json"
ok "an impossible --json is told first" fails_at_once 1 "/none/x.json" \
  --json /none/x.json
ok "impossible --detections are told first" fails_at_once 1 "is a folder" \
  --detections "$work"
ok "an impossible --reliability is told first" fails_at_once 1 \
  "its folder does not exist" --reliability /none/x.png
ok "a negative --limit is refused" fails_at_once 2 "--limit" --limit -1
ok "an unknown device is named" fails_at_once 1 '"abacus"' --device abacus
ok "an unknown precision is named" fails_at_once 1 '"fp7"' --precision fp7
ok "what is out of range is refused" fails_at_once 2 "--nms" --nms 1
ok "an even window is refused" fails_at_once 2 "--nms-window" --nms-window 2
ok "a negative window is refused" fails_at_once 2 "--nms-window" \
  --nms-window=-1
ok "an odd tau is refused" fails_at_once 2 "--max-filter" --max-filter 1,3
ok "a range without a model is refused" refuses_range
ok "classes are matched by name" other_classes
ok "--results measures a file" results
mkdir "$work/locales"
if localedef -i de_DE -f UTF-8 "$work/locales/de_DE.UTF-8" 2>/dev/null; then
  ok "a comma locale changes no number" locale_comma
else
  number=$((number + 1))
  echo "ok $number - a comma locale changes no number # SKIP no de_DE here"
fi
ok "a full disk is an error" full
ok "an interrupt ends it soon" interrupt
