#!/usr/bin/env bash
# An RTSP camera: JSON lines on standard output while the picture is shown:
#   pipelines/rtsp.sh rtsp://ADDRESS [SINK]
# The records name the address without its user and password, and the time of
# capture where the camera tells it.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -ge 1 ] || { echo "usage: rtsp.sh rtsp://ADDRESS [SINK]" >&2; exit 2; }

exec gst-launch-1.0 -q -e rtspsrc location="$(quote "$1")" latency=100 \
  add-reference-timestamp-meta=true ! decodebin \
  ! queue leaky=downstream max-size-buffers=2 \
  ! defcndetect model="$(quote "$model")" no-block=true \
  ! defcnpublish source="$(quote "$(without_login "$1")")" \
    add-empty-results=true \
  ! defcnoverlay ! videoconvert ! ${2:-autovideosink sync=false}
