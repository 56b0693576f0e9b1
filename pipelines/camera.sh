#!/usr/bin/env bash
# A camera with boxes; the picture is never delayed, frames that the network
# has no time for show the last boxes with thin lines:
#   pipelines/camera.sh [/dev/videoN | test] [SINK]
set -euo pipefail
. "$(dirname "$0")/setup.sh"

case ${1:-/dev/video0} in
  test) source=(videotestsrc is-live=true num-buffers="${FRAMES:--1}") ;;
  *) source=(v4l2src device="$(quote "${1:-/dev/video0}")") ;;
esac
# videoconvert passes what defcndetect takes as it is, and converts the rest.
# shellcheck disable=SC2086
exec gst-launch-1.0 -e "${source[@]}" ! decodebin ! videoconvert \
  ! queue leaky=downstream max-size-buffers=2 \
  ! defcndetect model="$(quote "$model")" no-block=true repeat-detections=true \
  ! defcnoverlay ! videoconvert ! ${2:-autovideosink sync=false}
