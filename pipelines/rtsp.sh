#!/usr/bin/env bash
# An RTSP camera: JSON lines on standard output while the picture is shown:
#   pipelines/rtsp.sh rtsp://ADDRESS [SINK]
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -ge 1 ] || { echo "usage: rtsp.sh rtsp://ADDRESS [SINK]" >&2; exit 2; }

exec gst-launch-1.0 -q -e rtspsrc location="$1" latency=100 ! decodebin \
  ! queue leaky=downstream max-size-buffers=2 \
  ! defcndetect model="$model" no-block=true \
  ! defcnpublish source="$1" add-empty-results=true \
  ! defcnoverlay ! videoconvert ! ${2:-autovideosink sync=false}
