#!/usr/bin/env bash
# Detections of a file as JSON lines on standard output, one for every frame, as
# fast as possible:
#   pipelines/json.sh FILE
set -euo pipefail
. "$(dirname "$0")/setup.sh"
[ $# -eq 1 ] || { echo "usage: json.sh FILE" >&2; exit 2; }

exec gst-launch-1.0 -q filesrc location="$(quote "$1")" ! decodebin \
  ! defcndetect model="$(quote "$model")" \
  ! defcnpublish source="$(quote "$(basename -- "$1")")" \
    add-empty-results=true \
  ! fakesink sync=false
