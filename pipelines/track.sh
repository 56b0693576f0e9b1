#!/usr/bin/env bash
# Who is who in a video: tracks as MOT-challenge's text on standard output, one
# line for every box, as fast as possible:
#   pipelines/track.sh FILE [INTERVAL [VIDEO]]
#   frame, id, x, y, width, height, score, -1, -1, -1
# INTERVAL 5 looks at every fifth frame and predicts the boxes of the others.
# VIDEO is an MP4 to be written: everybody with an id, and where they have been.
# Another model than the bundled one wants its own working threshold, which
# `defcn info` tells, as DEFCN_HIGH, and about 0.2 more as DEFCN_CONFIRM.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -ge 1 ] || { echo "usage: track.sh FILE [INTERVAL [VIDEO]]" >&2; exit 2; }

show=()
if [ -n "${3:-}" ]; then
  need x264enc "install gstreamer1.0-plugins-ugly"
  show=(! tee name=t t. ! queue ! defcnoverlay color-by=id trails=3
    ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast ! h264parse
    ! mp4mux ! filesink "location=$(quote "$3")" t. ! queue)
fi

# Low scores keep a track that is hard to see.
gst-launch-1.0 -q filesrc location="$(quote "$1")" ! decodebin \
  ! defcndetect model="$(quote "$model")" threshold=0.1 \
    inference-interval="${2:-1}" \
  ! defcntrack high-threshold="${DEFCN_HIGH:-0.36}" \
    confirm-threshold="${DEFCN_CONFIRM:-0.55}" \
  ! defcnpublish "${show[@]}" ! fakesink sync=false |
  python3 -c '
import json
import sys
for line in sys.stdin:
    record = json.loads(line)
    size = record["resolution"]
    width, height = size["width"], size["height"]
    for o in record["objects"]:
        if "object_id" not in o:
            continue
        box = o["detection"]["bounding_box"]
        print("%d,%d,%.2f,%.2f,%.2f,%.2f,%.4f,-1,-1,-1" % (
            record["frame"] + 1, o["object_id"], box["x_min"] * width,
            box["y_min"] * height, (box["x_max"] - box["x_min"]) * width,
            (box["y_max"] - box["y_min"]) * height,
            o["detection"].get("confidence", 1)))
'
