#!/usr/bin/env bash
# What "meson install" brings works from a staging folder, and a build from
# where it is, with no path or model said.  Prints TAP.
# Usage: install.sh SOURCES BUILD PREFIX LIBDIR DATADIR BINDIR MANDIR
set -uo pipefail
sources=$1 build=$2 prefix=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root$prefix
plugins=$root/$4/gstreamer-1.0 data=$root/$5/defcn bin=$root/$6
unset GST_PLUGIN_PATH DEFCN_MODULES DEFCN_MODEL DEFCN_BUILD
export GST_REGISTRY=$work/registry.bin OMP_WAIT_POLICY=passive
number=0

# ok DESCRIPTION COMMAND...: one case.
ok () {
  local description=$1
  shift
  number=$((number + 1))
  if "$@" >"$work/log" 2>&1; then
    echo "ok $number - $description"
  else
    echo "not ok $number - $description"
    sed 's/^/# /' "$work/log"
  fi
}

# Finds people in the photograph; "$@" runs what follows it.
finds_people () {
  local records
  records=$("$@" gst-launch-1.0 -q filesrc \
    location="$sources/pipelines/demo.jpg" ! jpegdec ! defcndetect \
    ! defcnpublish ! fakesink) || return 1
  echo "$records"
  grep -q '"label":"person"' <<< "$records"
}

install () {
  DESTDIR=$work/root meson install --no-rebuild -C "$build"
}

staged () { env "GST_PLUGIN_PATH=$plugins" "$@"; }

script () {
  local records
  cp "$sources/pipelines/demo.jpg" "$work/in.jpg"
  records=$("$data/pipelines/json.sh" "$work/in.jpg") || return 1
  echo "$records"
  grep -q '"source":"in.jpg"' <<< "$records"
}

tool () {
  "$bin/defcn" info "$data/models/person.safetensors" &&
    "$bin/defcn" detect -m "$data/models/person.safetensors" \
      "$sources/pipelines/demo.jpg"
}

# module PLUGINS MODULE: the plugin there finds its module, where one was built,
# whatever that says then.
module () {
  local said
  said=$(GST_PLUGIN_PATH=$1 gst-launch-1.0 -q videotestsrc num-buffers=1 \
    ! defcndetect device=cuda ! fakesink 2>&1) && return 0 # there is a GPU
  echo "$said"
  if [ -e "$2" ]; then
    ! grep "libdefcn-cuda.so: cannot open" <<< "$said"
  else
    grep "CUDA is not built in" <<< "$said"
  fi
}

# brokers PLUGINS FOLDER: the plugin there finds those of its modules that were
# built; nobody answers at that port.
brokers () {
  local name said
  for name in mqtt kafka; do
    [ -e "$build/gst-plugin/brokers/libdefcn-$name.so" ] || continue
    [ -e "$2/libdefcn-$name.so" ] || { echo "no $2/*$name.so"; return 1; }
    said=$(GST_PLUGIN_PATH=$1 gst-launch-1.0 -q videotestsrc num-buffers=1 \
      ! defcnpublish method=$name address=127.0.0.1:9 drain-timeout=0 \
      ! fakesink 2>&1) || { echo "$said"; return 1; }
  done
}

# Two processes find the module, and rank 0 says what is wrong.
ranks () {
  local said
  [ -e "$build/training/mpi/libdefcn-mpi.so" ] || return 0
  said=$(OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    OMPI_MCA_rmaps_base_oversubscribe=1 \
    mpirun -n 2 "$1" train --set lrr=1 2>&1) && return 1
  echo "$said"
  [ "$(grep -c 'rank 0 (.*no recipe key "lrr"' <<< "$said")" = 1 ]
}

# Where it was built.
reducer () {
  [ ! -e "$build/training/nccl/libdefcn-nccl.so" ] || ls "$1/libdefcn-nccl.so"
}

installed_files () {
  local file
  for file in models/person.md models/person.ini record.schema.json \
    pipelines/file.sh pipelines/camera.sh pipelines/rtsp.sh \
    pipelines/track.sh pipelines/count.sh pipelines/mqtt.sh; do
    [ -e "$data/$file" ] || { echo "no $file"; return 1; }
  done
}

# Where help2man is, a manual of every command, all of it readable.
manuals () {
  local page folder=$root/$1/man1
  command -v help2man >/dev/null && [ -e "$build/training/defcn.1" ] ||
    return 0
  for page in "$folder"/defcn{,-bench,-convert,-detect,-eval,-import,-info}.1 \
    "$folder"/defcn-{track,train}.1; do
    grep -n 'OPTION' "$page" || { echo "no $page"; return 1; }
  done
  ! grep -n 'OPTION[^]]*?' "$folder"/*.1
}

# The program finds the plugin beside it; its example is a good one, and the
# unit starts what was installed.
live () {
  local program=$bin/defcn-live
  if [ ! -e "$build/pipelines/live/defcn-live" ]; then return 0; fi
  "$program" --check "$data/pipelines/live/live.ini" &&
    "$build/pipelines/live/defcn-live" --check \
      "$sources/pipelines/live/live.ini" &&
    grep "^ExecStart=$prefix/.*/defcn-live " \
      "$root/lib/systemd/system/defcn-live.service"
}

# What is missing is named.
without_model () {
  local said
  rm "$data/models/person.safetensors"
  said=$(staged gst-launch-1.0 -q videotestsrc num-buffers=1 ! defcndetect \
    ! fakesink 2>&1) && return 1
  grep "There is no model file \"$prefix/.*person.safetensors\"" <<< "$said"
}

echo "1..17"
ok "meson install into a folder" install
ok "it has models, schema and examples" installed_files
ok "a pipeline without a model's name" finds_people staged
ok "an example as installed" script
ok "the tool as installed" tool
ok "its manuals" manuals "$7"
ok "the module as installed" module "$plugins" \
  "$root/$4/defcn/libdefcn-cuda.so"
ok "the module as built" module "$build/gst-plugin" \
  "$build/core/cuda/libdefcn-cuda.so"
ok "brokers as installed" brokers "$plugins" "$root/$4/defcn"
ok "brokers as built" brokers "$build/gst-plugin" "$build/gst-plugin/brokers"
ok "several processes as installed" ranks "$bin/defcn"
ok "the module for NCCL" reducer "$root/$4/defcn"
ok "several processes as built" ranks "$build/training/defcn"
ok "many cameras, as installed and as built" live
ok "without the model it is named" without_model
ok "a pipeline from the build" finds_people env \
  "GST_PLUGIN_PATH=$build/gst-plugin"
ok "meson devenv" finds_people meson devenv -C "$build"
