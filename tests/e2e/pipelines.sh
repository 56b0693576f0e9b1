#!/usr/bin/env bash
# Runs every example of pipelines/ on generated video and checks what comes
# out.  Prints TAP.  Usage: pipelines.sh SOURCES BUILD [RTSP_SERVER]
set -uo pipefail
sources=$1 server=${3:-}
export DEFCN_BUILD=$2
work=$(mktemp -d)
export GST_REGISTRY=$work/registry.bin
pids=()
finish () {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap finish EXIT
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

# Every line is a JSON object with what a record has; at least $2 lines.
json_lines () {
  python3 - "$1" "$2" <<'PY'
import json
import sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert len(lines) >= int(sys.argv[2]), "%d lines" % len(lines)
for record in lines:
    assert record["resolution"]["width"] > 0
    for item in record["objects"]:
        box = item["detection"]["bounding_box"]
        assert 0 <= box["x_min"] < box["x_max"] <= 1, box
        assert 0 <= box["y_min"] < box["y_max"] <= 1, box
        assert 0 < item["detection"]["confidence"] <= 1
        assert item["detection"]["label"]
PY
}

# The MP4 decodes to at least $2 frames.
frames () {
  gst-launch-1.0 -q filesrc location="$1" ! decodebin ! videoconvert \
    ! video/x-raw,format=GRAY8,width=320,height=240 \
    ! filesink location="$work/frames.raw" &&
    [ "$(stat -c %s "$work/frames.raw")" -ge $(($2 * 320 * 240)) ]
}

demo () {
  "$sources/pipelines/demo.sh" --no-install --output "$work/out" "$@"
}

echo "1..9"
gst-launch-1.0 -q -e videotestsrc num-buffers=12 pattern=ball \
  ! video/x-raw,width=320,height=240,framerate=10/1 ! avenc_mpeg4 \
  ! mp4mux ! filesink location="$work/in.mp4"

ok "demo.sh on a file" demo "$work/in.mp4"
ok "its MP4 has all frames" frames "$work/out/in.mp4" 12
ok "its JSON has a line per frame" json_lines "$work/out/in.jsonl" 12
ok "demo.sh names a missing file" \
  bash -c '! '"$sources"'/pipelines/demo.sh --no-install /nowhere.mp4 2>&1 \
    | grep -q "no file /nowhere.mp4" && exit 1 || exit 0'
ok "file.sh" "$sources/pipelines/file.sh" "$work/in.mp4" "fakesink"
ok "json.sh" bash -c \
  "'$sources/pipelines/json.sh' '$work/in.mp4' > '$work/json.jsonl'"
ok "its lines are records" json_lines "$work/json.jsonl" 0
export FRAMES=10
ok "camera.sh with a test source" \
  timeout --kill-after=5 30 "$sources/pipelines/camera.sh" test "fakesink"

rtsp () {
  local port
  "$server" 60 > "$work/port" &
  pids+=($!)
  for _ in $(seq 50); do [ -s "$work/port" ] && break; sleep 0.1; done
  port=$(cat "$work/port")
  timeout --signal=INT --kill-after=5 10 "$sources/pipelines/rtsp.sh" \
    "rtsp://127.0.0.1:$port/camera" "fakesink" > "$work/rtsp.jsonl"
  json_lines "$work/rtsp.jsonl" 5
}
if [ -n "$server" ]; then
  ok "rtsp.sh against a local server" rtsp
else
  echo "ok 9 - rtsp.sh # SKIP built without gstreamer-rtsp-server-1.0"
fi
