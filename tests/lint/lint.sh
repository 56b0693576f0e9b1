#!/bin/sh
# The rules of the tree that a compiler does not check: who includes whom, that
# every header stands alone, format, names of machines, exported symbols.  Which
# rooms may know which is a table in rooms.py.
#
# usage: lint.sh SOURCES BUILD    (TAP on standard output)
set -u
export LC_ALL=C

sources=$1
build=$2
cc=${CC:-cc}
number=0
failed=0

cd "$sources" || exit 1
folders=
for folder in core gst-plugin pipelines training tests; do
  if [ -d "$folder" ]; then
    folders="$folders $folder"
  fi
done

# check NAME FOUND: passes if nothing was found, else shows it and fails.
check ()
{
  number=$((number + 1))
  if [ -z "$2" ]; then
    echo "ok $number - $1"
  else
    echo "not ok $number - $1"
    echo "$2" | sed 's/^/# /'
    failed=1
  fi
}

skip ()
{
  number=$((number + 1))
  echo "ok $number - $1 # SKIP $2"
}

# The C files below the given folders.
c_files ()
{
  find "$@" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' \
    -o -name '*.cuh' -o -name '*.cc' -o -name '*.hpp' \) | sort
}

# includes PATTERN FOLDER..: the #include lines whose path matches.
includes ()
{
  pattern=$1
  shift
  c_files "$@" | xargs grep -nE \
    "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" /dev/null
}

has_header ()
{
  echo "#include <$1>" | $cc -E -x c - >/dev/null 2>&1
}

# Headers that do not compile as the only include of a file.
headers_alone ()
{
  packages=
  for package in glib-2.0 gio-2.0 gmodule-2.0 libcjson gstreamer-1.0 \
    gstreamer-base-1.0 gstreamer-video-1.0 gstreamer-analytics-1.0 \
    gstreamer-check-1.0 libsoup-3.0; do
    if pkg-config --exists "$package"; then
      packages="$packages $package"
    fi
  done
  flags=$(pkg-config --cflags $packages)
  for header in $(find $folders -name '*.h'); do
    case $header in
      gst-plugin/*) pkg-config --exists gstreamer-base-1.0 || continue ;;
      pipelines/*) pkg-config --exists libsoup-3.0 || continue ;;
      core/onednn/*) has_header oneapi/dnnl/dnnl.h || continue ;;
      core/cuda/* | tests/cuda/hopper.h) has_header cudnn.h || continue ;;
    esac
    echo "#include \"$header\"" | $cc -std=gnu11 -fsyntax-only -Wall -Wextra \
      -Wno-unused-parameter -Wno-missing-field-initializers -Werror $flags \
      -I. -Icore -Itraining -Igst-plugin -Itests -Itests/golden \
      -I"$build" -x c - >/dev/null 2>&1 || echo "$header"
  done
}

# Prints how to call clang-format 14, the version that .clang-format is for.
find_clang_format ()
{
  for name in clang-format-14 clang-format; do
    if "$name" --version 2>/dev/null | grep -q 'version 14\.'; then
      echo "$name"
      return
    fi
  done
}

# Files of the project, without what is built or trained.
all_files ()
{
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files
  else
    find . -type f ! -path './.git/*' ! -path './build*' ! -path './runs/*' |
      sed 's|^\./||'
  fi
}

# Lines that are longer than a terminal is wide.
long_lines ()
{
  all_files | grep -E '\.(c|h|cu|cuh|cc|hpp|py|sh)$|meson\.build$|^\.ci/' |
    xargs awk 'length > 80 { print FILENAME ":" FNR ": " length " columns" }'
}

# Files that clang-format would change.
misformatted ()
{
  for file in $(c_files $folders); do
    "$1" "$file" | cmp -s - "$file" || echo "$file"
  done
}

# [/] keeps the pattern from finding itself.
machine_paths ()
{
  all_files | grep -vE '\.(png|jpg|jpeg|safetensors|pth|pkl)$' |
    xargs grep -nIE \
      '(^|[^[:alnum:]_.])[/](work|home|root|Users|mnt)/[[:alnum:]_]' /dev/null
}

# Links of documents, to others and to pictures, that lead nowhere.
dead_links ()
{
  all_files | grep '\.md$' | while read -r file; do
    grep -oE '\]\([^):#]+' "$file" | cut -c3- | while read -r to; do
      [ -e "$(dirname "$file")/$to" ] || echo "$file: $to"
    done
  done
}

check 'core includes no GStreamer' "$(includes 'gst/|glib-object\.h' core)"
check 'training includes no GStreamer' "$(includes 'gst/' training)"
rooms=$(python3 tests/lint/rooms.py . "$build" 2>&1) ||
  rooms="rooms	$rooms"
check 'rooms include whom they may' \
  "$(echo "$rooms" | sed -n 's/^rooms	//p')"
check 'includes name no folder by ..' \
  "$(echo "$rooms" | sed -n 's/^form	//p')"
check 'no circle of files that need each other' \
  "$(echo "$rooms" | sed -n 's/^circle	//p')"
check 'tests/README.md knows every source and its tests' \
  "$(python3 tests/lint/tested.py . "$build" 2>&1)"
check 'oneDNN stays under core/onednn' \
  "$(includes '[^">]*(dnnl|onednn)' $folders | grep -v '^core/onednn/')"
# GStreamer's CUDA has a file of the plugin and one of its tests.
check 'CUDA stays under core/cuda and its tests' \
  "$(includes '[^">]*(cuda|cudnn|cublas)' $folders |
    grep -vE '^(core|tests)/cuda/|/cudaframe\.h"|"cudaframe\.h"' |
    grep -vE 'cudaframe\.c:[0-9]+:#include <gst/')"
check 'HAVE_ONEDNN and HAVE_CUDA stay in backend.c' \
  "$(c_files $folders | xargs grep -nE 'HAVE_(ONEDNN|CUDA)' /dev/null |
    grep -v '^core/backend\.c:')"
check 'headers are guarded' \
  "$(find $folders -name '*.h' | xargs grep -L '^#pragma once')"
check 'headers compile alone' "$(headers_alone)"

clang_format=$(find_clang_format)
if [ -n "$clang_format" ]; then
  check 'clang-format changes nothing' "$(misformatted "$clang_format")"
else
  skip 'clang-format changes nothing' 'no clang-format 14'
fi

check 'no line over 80 columns' "$(long_lines)"
check 'links of documents lead somewhere' "$(dead_links)"
check 'no paths of machines' "$(machine_paths)"

plugin=$(find "$build/gst-plugin" -name 'libgst*.so' 2>/dev/null | head -n 1)
if [ -n "$plugin" ]; then
  check 'the plugin exports gst_plugin_ alone' \
    "$(nm -D --defined-only "$plugin" | awk '{ print $3 }' |
      grep -v '^gst_plugin_')"
else
  skip 'the plugin exports gst_plugin_ alone' 'no plugin was built'
fi

echo "1..$number"
exit $failed
