# Sourced by the examples: finds the plugin, built or installed, and a model.
#   DEFCN_BUILD   build folder (build beside this folder's parent)
#   DEFCN_MODEL   model file (the bundled person model)
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${DEFCN_BUILD:-$here/../build}
plugins=$build/gst-plugin models=$here/models
if [ ! -d "$models" ]; then # installed
  models=$here/../models
  for plugins in "$here"/../../../lib*/{,*/}gstreamer-1.0; do
    [ ! -e "$plugins/libgstdefcn.so" ] || break
  done
fi
model=${DEFCN_MODEL:-$models/person.safetensors}
export GST_PLUGIN_PATH="$plugins${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

# quote VALUE: for gst-launch-1.0 to take as it is.  It reads its arguments as a
# language of its own, in which a quote or a blank of a file's name would begin
# something else: every byte goes as an escape in a quoted string.
quote () {
  printf '"\\"%s\\""' \
    "$(printf %s "$1" | od -An -v -to1 | tr -d '\n' | sed 's/ /\\\\/g')"
}

# without_login ADDRESS: without the user, the password and whatever else may be
# one, in its query or in a folder of "name=value", to be shown.
without_login () {
  local rest=${1#*://}
  rest=${rest##*@}
  rest=${rest%%[?#;&]*}
  printf %s "${1%%://*}://$(sed -E 's#/[^/]*=[^/]*#/...#g' <<< "$rest")"
}

need () {
  gst-inspect-1.0 "$1" >/dev/null 2>&1 && return
  echo "$0: no GStreamer element \"$1\": $2" >&2
  exit 1
}
need defcndetect "build first: meson setup build && ninja -C build"
[ -r "$model" ] || {
  echo "$0: no model file $model" >&2
  exit 1
}
