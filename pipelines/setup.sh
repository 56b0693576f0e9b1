# Sourced by the examples: finds the built plugin, a model and an encoder.
#   DEFCN_BUILD   build folder (build beside this folder's parent)
#   DEFCN_MODEL   model file (the bundled person model)
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${DEFCN_BUILD:-$here/../build}
model=${DEFCN_MODEL:-$here/models/person.safetensors}
export GST_PLUGIN_PATH="$build/gst-plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
# Where device=cuda finds its module, in a build that has one.
if [ -e "$build/core/cuda/libdefcn-cuda.so" ]; then
  export DEFCN_MODULES=${DEFCN_MODULES:-$build/core/cuda}
fi
# oneDNN's threads must not spin while a decoder wants the core.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

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
