#!/usr/bin/env bash
# Runs every example of pipelines/ on a short video of people and checks what
# comes out.  Prints TAP.  Usage: pipelines.sh SOURCES BUILD [RTSP_SERVER]
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

# Every line is a JSON object with what a record has, of another frame than the
# one before, and from $2; at least $3 lines, at least $4 of them with people.
json_lines () {
  python3 - "$@" <<'PY'
import json
import sys
path, source, least, people = sys.argv[1:]
lines = [json.loads(line) for line in open(path)]
assert len(lines) >= int(least), "%d lines" % len(lines)
last = -1
for record in lines:
    assert record["source"] == source, record["source"]
    assert record["timestamp"] > last
    last = record["timestamp"]
    assert record["resolution"]["width"] > 0
    for item in record["objects"]:
        box = item["detection"]["bounding_box"]
        assert 0 <= box["x_min"] < box["x_max"] <= 1, box
        assert 0 <= box["y_min"] < box["y_max"] <= 1, box
        assert 0 < item["detection"]["confidence"] <= 1
        assert item["detection"]["label"]
found = [record for record in lines if record["objects"]]
assert len(found) >= int(people), \
    "people in %d of %d" % (len(found), len(lines))
PY
}

gray="videoconvert ! video/x-raw,format=GRAY8,width=384,height=288"
gray_size=$((384 * 288))

# What the MP4 $1 decodes to, as $gray.
decode () {
  # shellcheck disable=SC2086
  gst-launch-1.0 -q filesrc location="$1" ! decodebin ! $gray \
    ! filesink location="$2"
}

# The file $1 has $2 whole frames of $3 bytes; with "or more", or more.
has_frames () {
  local size
  size=$(stat -c %s "$1") || return 1
  echo "$size bytes"
  [ $((size % $3)) = 0 ] && [ "$size" -gt 0 ] || return 1
  if [ "${4:-}" = "or more" ]; then
    [ "$size" -ge $(($2 * $3)) ]
  else
    [ "$size" -eq $(($2 * $3)) ]
  fi
}

demo () {
  "$sources/pipelines/demo.sh" --no-install --output "$work/out" "$@"
}

# The MP4 has all frames.
demo_video () {
  decode "$work/out/in.mp4" "$work/out.raw" || return 1
  has_frames "$work/out.raw" 12 $gray_size
}

demo_without_file () {
  local said
  said=$(demo /nowhere.mp4 2>&1) && return 1
  grep "no file /nowhere.mp4" <<< "$said"
}

# All frames, and boxes on them.
file_example () {
  "$sources/pipelines/file.sh" "$work/in.mp4" \
    "$gray ! filesink location=$work/file.raw" || return 1
  has_frames "$work/file.raw" 12 $gray_size || return 1
  ! cmp "$work/in.raw" "$work/file.raw"
}

json () {
  "$sources/pipelines/json.sh" "$work/in.mp4" > "$work/json.jsonl" &&
    json_lines "$work/json.jsonl" in.mp4 12 12
}

# Three people who stand: their ids from the third frame on, in the same places
# where every second frame is looked at alone.
track () {
  "$sources/pipelines/track.sh" "$work/in.mp4" > "$work/track.txt" &&
    "$sources/pipelines/track.sh" "$work/in.mp4" 2 > "$work/track2.txt" &&
    python3 - "$work/track.txt" "$work/track2.txt" <<'PY'
import sys
for path, first in zip(sys.argv[1:], (3, 5)):
    rows = [line.split(",") for line in open(path)]
    frames = {}
    for row in rows:
        assert len(row) == 10, row
        frames.setdefault(int(row[0]), set()).add(int(row[1]))
        assert float(row[4]) > 0 and float(row[5]) > 0
    assert set(frames) == set(range(first, 13)), sorted(frames)
    assert all(len(ids) >= 3 for ids in frames.values()), frames
    assert {1, 2, 3} <= frames[12]
PY
}

# The same ids in a video, which has all frames.
track_video () {
  "$sources/pipelines/track.sh" "$work/in.mp4" 1 "$work/shown.mp4" \
    > "$work/track3.txt" && cmp "$work/track.txt" "$work/track3.txt" &&
    decode "$work/shown.mp4" "$work/shown.raw" &&
    has_frames "$work/shown.raw" 12 $gray_size
}

# Who stands in a zone, by a text and by a file whose name has to be quoted, and
# what is refused.
count () {
  local config="$work/the \"zones\".json" said
  printf '{"zones": [{"name": "all", "points": %s}]}' \
    '[[0, 0], [1, 0], [1, 1], [0, 1]]' > "$config"
  "$sources/pipelines/count.sh" "$work/in.mp4" \
    'all: polygon 0,0 1,0 1,1 0,1; high: line 0,0 1,0' > "$work/count.txt" &&
    "$sources/pipelines/count.sh" "$work/in.mp4" "$config" \
      > "$work/count2.txt" || return 1
  cat "$work/count.txt"
  [ "$(grep -c '^0\.[0-9] all zone-entered #[0-9]* person$' \
    "$work/count.txt")" -ge 3 ] &&
    grep -qx 'high: forward 0, backward 0' "$work/count.txt" &&
    grep -q '^all: occupancy [3-9], entered [3-9], left 0$' \
      "$work/count.txt" &&
    cmp <(grep -v ^high: "$work/count.txt") "$work/count2.txt" || return 1
  "$sources/pipelines/count.sh" "$work/in.mp4" | tail -n 1 |
    grep -x 'middle: forward 0, backward 0' || return 1
  said=$("$sources/pipelines/count.sh" "$work/in.mp4" 'a: line 0,0' 2>&1) &&
    return 1
  grep 'a line has two points, not 1' <<< "$said"
}

# A queue drops frames when the machine is busy: one at least arrives.
camera () {
  FRAMES=10 timeout --kill-after=5 60 "$sources/pipelines/camera.sh" test \
    "video/x-raw,format=YUY2,width=320,height=240 ! filesink \
      location=$work/camera.raw" || return 1
  has_frames "$work/camera.raw" 1 $((320 * 240 * 2)) "or more"
}

# Waits till "$@" succeeds; a minute must do.
wait_for () {
  for _ in $(seq 600); do
    "$@" && return
    sleep 0.1
  done
  echo "waited in vain for: $*"
  return 1
}

has_lines () { [ "$(wc -l < "$1")" -ge "$2" ]; }

# Ctrl-C ends it properly.
rtsp () {
  local address pid status
  "$server" 120 > "$work/port" &
  pids+=($!)
  wait_for has_lines "$work/port" 1 || return 1
  address=127.0.0.1:$(cat "$work/port")/camera
  : > "$work/rtsp.jsonl"
  "$sources/pipelines/rtsp.sh" "rtsp://user:secret@$address" fakesink \
    > "$work/rtsp.jsonl" &
  pid=$!
  pids+=("$pid")
  wait_for has_lines "$work/rtsp.jsonl" 5 || return 1
  kill -INT $pid
  wait $pid
  status=$?
  echo "exit status $status"
  [ $status = 0 ] && json_lines "$work/rtsp.jsonl" "rtsp://$address" 5 0 &&
    ! grep -q secret "$work/rtsp.jsonl"
}

# A name that would add elements to a pipeline, were it read as part of one.
hostile=$'x" ! fakesink filesrc location=in.mp4 ! filesink location=pwned \\'

# Nothing but the records of in.mp4 comes of it, in each script, and whatever
# else is called like that.
hostile_names () {
  local folder=$work/names name=$hostile said
  mkdir -p "$folder" && cd "$folder" || return 1
  cp "$work/in.mp4" "$name"
  cp "$sources/pipelines/models/person.safetensors" "m$name"
  export DEFCN_MODEL=$folder/m$name
  "$sources/pipelines/json.sh" "$name" > json.jsonl &&
    json_lines json.jsonl "$name" 12 12 || return 1
  "$sources/pipelines/file.sh" "$name" \
    "$gray ! filesink location=$folder/file.raw" || return 1
  has_frames file.raw 12 $gray_size || return 1
  demo --output "$folder/o$name" "$folder/$name" || return 1
  json_lines "$folder/o$name/${name%.*}.jsonl" "${name%.*}" 12 12 || return 1
  said=$("$sources/pipelines/camera.sh" "/dev/$name" fakesink 2>&1) && return 1
  said+=$("$sources/pipelines/rtsp.sh" "rtsp://127.0.0.1:9/$name" fakesink \
    2>&1) && return 1
  echo "$said"
  [ ! -e pwned ]
}

# A record names the address without what opens it.
login () {
  # shellcheck source=pipelines/setup.sh
  . "$sources/pipelines/setup.sh"
  [ "$(without_login rtsp://me:se@cr/et@host:554/a)" = rtsp://host:554/a ] &&
    [ "$(without_login 'rtsp://host/a?password=x')" = rtsp://host/a ] &&
    [ "$(without_login 'rtsp://host/user=a_password=b_c/1')" = \
      rtsp://host/.../1 ]
}

mosquitto=$(PATH=$PATH:/usr/sbin command -v mosquitto)

# A broker of its own hears a record for every frame, and that they have ended.
mqtt () {
  local port address
  port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
  address=127.0.0.1:$port
  printf '%s\n' "user $(id -un)" "listener $port 127.0.0.1" \
    "allow_anonymous true" > "$work/mosquitto.conf"
  "$mosquitto" -c "$work/mosquitto.conf" 2> "$work/mosquitto.log" &
  pids+=($!)
  wait_for mosquitto_pub -p "$port" -t defcn/before -n || return 1
  # Until the last word.
  mosquitto_sub -p "$port" -t 'defcn/#' -v > "$work/mqtt.txt" &
  pids+=($!)
  mosquitto_pub -p "$port" -t defcn/before -m ready -r
  wait_for has_lines "$work/mqtt.txt" 1 || return 1
  "$sources/pipelines/mqtt.sh" "$work/in.mp4" "$address" || return 1
  wait_for grep -q '^defcn/in.mp4/status offline$' "$work/mqtt.txt" ||
    return 1
  sed -n 's#^defcn/in.mp4 ##p' "$work/mqtt.txt" > "$work/mqtt.jsonl"
  json_lines "$work/mqtt.jsonl" in.mp4 12 12
}

# Who names a broker that is not there hears of it.
mqtt_without_broker () {
  "$sources/pipelines/mqtt.sh" "$work/in.mp4" 127.0.0.1:1 \
    > "$work/lonely.txt" 2>&1 || return 1
  grep "WARNING: .*127.0.0.1:1 cannot be reached" "$work/lonely.txt"
}

echo "1..15"
gst-launch-1.0 -q -e filesrc location="$sources/pipelines/demo.jpg" ! jpegdec \
  ! imagefreeze num-buffers=12 ! videoconvert ! videoscale \
  ! video/x-raw,format=I420,width=384,height=288,framerate=10/1 \
  ! avenc_mpeg4 bitrate=4000000 ! mp4mux ! filesink location="$work/in.mp4"
decode "$work/in.mp4" "$work/in.raw"

ok "demo.sh on a file" demo "$work/in.mp4"
ok "its MP4 has all frames" demo_video
ok "its JSON has a line per frame" \
  json_lines "$work/out/in.jsonl" in 12 12
ok "demo.sh names a missing file" demo_without_file
ok "file.sh draws on all frames" file_example
ok "json.sh finds people in all frames" json
ok "camera.sh with a test source" camera
if [ -n "$server" ]; then
  ok "rtsp.sh against a local server" rtsp
else
  number=$((number + 1))
  echo "ok 8 - rtsp.sh # SKIP built without gstreamer-rtsp-server-1.0"
fi
ok "names that look like elements" hostile_names
ok "addresses without what opens them" login
ok "track.sh gives people ids" track
ok "and shows them in a video" track_video
ok "count.sh counts who stands there" count
if [ -n "$mosquitto" ] && command -v mosquitto_sub >/dev/null &&
  [ -e "$DEFCN_BUILD/gst-plugin/brokers/libdefcn-mqtt.so" ]; then
  ok "mqtt.sh to a local broker" mqtt
else
  number=$((number + 1))
  echo "ok $number - mqtt.sh # SKIP no mosquitto, or built without MQTT"
fi
if [ -e "$DEFCN_BUILD/gst-plugin/brokers/libdefcn-mqtt.so" ]; then
  ok "mqtt.sh says that there is no broker" mqtt_without_broker
else
  number=$((number + 1))
  echo "ok $number - mqtt.sh # SKIP built without MQTT"
fi
