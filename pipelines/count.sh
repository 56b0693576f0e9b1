#!/usr/bin/env bash
# Who goes over a line, and who is in a zone, in a video, as fast as possible:
#   pipelines/count.sh FILE [ZONES]
# ZONES is what the property "zones" of defcnzones takes, or a JSON file for its
# "config"; without it a line through the middle of the picture, of which
# forward is from left to right.  What happens comes on standard output, a line
# each of seconds, place, event and track, and at the end what each place has
# counted:
#   12.4 middle line-crossed forward #7 person
#   middle: forward 3, backward 1
#
# pipelines/count.jpg is frame 580, counted from 0, of what is drawn with the
# README's zones:
#   gst-launch-1.0 filesrc location=demo-out/vtest.avi ! decodebin \
#     ! defcndetect threshold=0.1 ! defcntrack ! defcnzones zones=... \
#     ! defcnoverlay color-by=id trails=2 ! videoconvert ! jpegenc quality=75 \
#     ! multifilesink location=count-%d.jpg
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# = 1 ] || [ $# = 2 ] ||
  { echo "usage: count.sh FILE [ZONES]" >&2; exit 2; }

zones=${2:-middle: line 0.5,1 0.5,0}
property=zones
[ ! -f "$zones" ] || property=config
# Low scores keep a track that is hard to see.
gst-launch-1.0 -q filesrc location="$(quote "$1")" ! decodebin \
  ! defcndetect model="$(quote "$model")" threshold=0.1 \
  ! defcntrack high-threshold="${DEFCN_HIGH:-0.36}" \
    confirm-threshold="${DEFCN_CONFIRM:-0.55}" \
  ! defcnzones "$property=$(quote "$zones")" \
  ! defcnpublish add-empty-results=true ! fakesink sync=false |
  python3 -c '
import json
import sys

COUNTS = ("occupancy", "entered", "left", "forward", "backward")
places = []
for line in sys.stdin:
    record = json.loads(line)
    places = record.get("places", [])
    for event in record.get("events", []):
        words = ["%.1f" % (record.get("timestamp", 0) / 1e9), event["place"],
                 event["type"]]
        words += [event[word] for word in ("direction", "reason")
                  if word in event]
        if "dwell" in event:
            words.append("%.1fs" % (event["dwell"] / 1e9))
        print(*words, "#%d" % event["object_id"], event["label"], flush=True)
for place in places:
    print("%s: %s" % (place["name"], ", ".join(
        "%s %d" % (name, place[name]) for name in COUNTS if name in place)))
'
