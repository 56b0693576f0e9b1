#!/usr/bin/env bash
# A file with boxes, on the screen: pipelines/file.sh FILE [SINK]
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -ge 1 ] || { echo "usage: file.sh FILE [SINK]" >&2; exit 2; }

exec gst-launch-1.0 -e filesrc location="$(quote "$1")" ! decodebin \
  ! defcndetect model="$(quote "$model")" ! defcnoverlay \
  ! videoconvert ! ${2:-autovideosink}
