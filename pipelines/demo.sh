#!/usr/bin/env bash
# Finds people in a street video, or in yours, on a fresh Debian 12 or 13.
#
#   pipelines/demo.sh [OPTION...] [FILE | /dev/videoN | rtsp://ADDRESS]
#
#   --seconds N     stop after N seconds of video (a camera or an RTSP address
#                   runs until Ctrl-C without it)
#   --model FILE    model (the bundled person model)
#   --threshold T   score threshold (the model's)
#   --output DIR    folder for the results (demo-out)
#   --no-install    install no packages
#
# Installs what is missing, builds, runs the detector and the tracker, writes
# the annotated video DIR/NAME.mp4, everybody with an id and where they have
# been, and the detections DIR/NAME.jsonl, prints frames per second.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

usage () { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; }
seconds= source= threshold= output=$top/demo-out install=yes
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --seconds) seconds=$2; shift ;;
    --model) export DEFCN_MODEL=$2; shift ;;
    --threshold) threshold=$2; shift ;;
    --output) output=$2; shift ;;
    --no-install) install=no ;;
    -*) echo "demo.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    *) source=$1 ;;
  esac
  shift
done

packages=(
  gcc meson ninja-build pkg-config libglib2.0-dev libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev libdnnl-dev libcjson-dev libjpeg-dev
  libpng-dev libwebp-dev libyaml-dev libcairo2-dev libpango1.0-dev libzip-dev
  gstreamer1.0-tools
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav python3
)
[ -n "$source" ] || packages+=(opencv-doc)

install_packages () {
  local missing=() package sudo=
  for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${missing[*]}"
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
}

# The street video of Debian's opencv-doc; some images leave /usr/share/doc out
# when they install a package, so it may have to come out of the package.
street_video () {
  local folder=/usr/share/doc/opencv-doc/examples/data unpacked
  mkdir -p "$output"
  if [ -e "$folder/vtest.avi" ]; then
    cp "$folder/vtest.avi" "$output/vtest.avi"
  elif [ -e "$folder/vtest.avi.gz" ]; then
    zcat "$folder/vtest.avi.gz" > "$output/vtest.avi"
  elif [ ! -e "$output/vtest.avi" ]; then
    unpacked=$(mktemp -d)
    (cd "$unpacked" && apt-get download -qq opencv-doc && dpkg-deb -x ./*.deb .)
    find "$unpacked" -name 'vtest.avi' -exec cp {} "$output/vtest.avi" \;
    find "$unpacked" -name 'vtest.avi.gz' -exec zcat {} \; \
      > "$output/vtest.avi.tmp"
    [ -s "$output/vtest.avi.tmp" ] \
      && mv "$output/vtest.avi.tmp" "$output/vtest.avi"
    rm -rf "$unpacked" "$output/vtest.avi.tmp"
  fi
}

[ "$install" = no ] || install_packages
if [ ! -d "${DEFCN_BUILD:-$top/build}" ]; then
  meson setup "$top/build" "$top" --buildtype=release -Dtests=false
fi
[ -n "${DEFCN_BUILD:-}" ] || ninja -C "$top/build"
# shellcheck source=pipelines/setup.sh
. "$top/pipelines/setup.sh"
need x264enc "install gstreamer1.0-plugins-ugly"

mkdir -p -- "$output"
live=
case ${source:-street} in
  street)
    street_video
    source=$output/vtest.avi
    read=(filesrc "location=$(quote "$source")" ! decodebin)
    ;;
  /dev/*) live=yes read=(v4l2src "device=$(quote "$source")" ! decodebin) ;;
  rtsp://* | rtsps://*)
    live=yes read=(rtspsrc "location=$(quote "$source")" latency=200
      add-reference-timestamp-meta=true ! decodebin)
    ;;
  test)
    live=yes
    read=(videotestsrc is-live=true 
      ! video/x-raw,format=I420,width=640,height=480,framerate=10/1)
    ;;
  *)
    [ -r "$source" ] || { echo "demo.sh: no file $source" >&2; exit 1; }
    read=(filesrc "location=$(quote "$source")" ! decodebin)
    ;;
esac
name=$(basename -- "${source%.*}")
case $source in rtsp*) name=rtsp ;; esac

# A live source must never wait for the network: frames pass meanwhile with the
# boxes where everybody should be by now.
detect=(defcndetect "model=$(quote "$model")" "threshold=${threshold:--1}")
[ -z "$live" ] || detect+=(no-block=true repeat-detections=true)
# pipelines/demo.jpg is frame 200 of what is drawn, counted from 0:
#   gst-launch-1.0 filesrc location=demo-out/vtest.avi ! decodebin \
#     ! defcndetect ! defcntrack keep-low=true \
#     ! defcnoverlay color-by=id trails=2 ! videoconvert ! jpegenc quality=75 \
#     ! multifilesink location=demo-%d.jpg
#
# keep-low: what has no id is drawn as well, whatever the threshold.
launch=(gst-launch-1.0 -e -q "${read[@]}" ! queue max-size-buffers=8
  ! "${detect[@]}" ! defcntrack keep-low=true
  ! defcnpublish "location=$(quote "$output/$name.jsonl")"
  "source=$(quote "$name")" add-empty-results=true ! tee name=t
  t. ! queue ! defcnoverlay color-by=id trails=2 ! videoconvert
  ! x264enc tune=zerolatency speed-preset=veryfast ! h264parse ! mp4mux
  ! filesink "location=$(quote "$output/$name.mp4")"
  t. ! queue ! fakesink sync=false)
start=$(date +%s.%N)
if [ -n "$seconds" ]; then
  # An interrupt ends the stream properly, so that the MP4 is complete.
  timeout --signal=INT --kill-after=20 "$seconds" "${launch[@]}" || [ $? = 124 ]
else
  "${launch[@]}"
fi
end=$(date +%s.%N)

python3 - "$output/$name.jsonl" "$start" "$end" <<'PY'
import json
import sys
frames = found = boxes = 0
for line in open(sys.argv[1]):
    record = json.loads(line)
    frames += 1
    found += bool(record["objects"])
    boxes += len(record["objects"])
seconds = float(sys.argv[3]) - float(sys.argv[2])
print("%d frames in %.1f s: %.1f frames per second, with decoding, drawing and"
      " encoding" % (frames, seconds, frames / seconds))
print("%d detections in %d frames" % (boxes, found))
PY
echo "video:      $output/$name.mp4"
echo "detections: $output/$name.jsonl"
