#!/bin/sh
# Runs the bundle's program of this name with CUDA's libraries, which run.sh has
# found: no other program on the host gets to see them.
here=$(cd "$(dirname "$0")/.." && pwd)
LD_LIBRARY_PATH=$DEFCN_CUDA_LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$here/programs/$(basename "$0")" "$@"
