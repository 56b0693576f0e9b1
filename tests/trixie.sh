#!/usr/bin/env bash
# Builds and tests in a Debian 13 chroot: GStreamer 1.26, oneDNN 3.7, gcc 14.
#   tests/trixie.sh [--make] [CHROOT]  (needs root; made where it is absent)
#   tests/trixie.sh --run COMMAND [ARGUMENT..]
# With --make nothing else is done; with --run a command of the tree is run
# there in their place, the street video within its reach (DEFCN_VIDEO, or that
# of opencv-doc).
# DEFCN_GOLDEN is passed on, its folder bound to the same path inside.
set -euo pipefail

# What is mounted is seen by this run alone and gone with it, however it ends:
# whoever removes the chroot must not find the tree in it.
[ -n "${DEFCN_OWN_MOUNTS:-}" ] ||
  DEFCN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"

cd "$(dirname "$0")/.."
source=$PWD
make='' command=()
case ${1:-} in
  --make) make=1; shift ;;
  --run) command=("${@:2}"); : "${command[0]:?which command}"; set -- ;;
esac
chroot=${1:-/var/tmp/defcn-trixie}
golden=${DEFCN_GOLDEN:-$source/../shared/golden}

# Where this machine gets its own packages from.
mirror () {
  sed -nE 's/^deb (\[[^]]*\] )?(https?:[^ ]+) bookworm main.*/\2/p
    s/^URIs: (\S+).*/\1/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -v security | head -n 1
}

# One at a time: a run has its own tree mounted in it.
exec 9>"$chroot.lock"
flock 9
if [ ! -e "$chroot" ]; then
  command -v debootstrap >/dev/null || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  }
  rm -rf "$chroot.part"
  debootstrap --variant=minbase --components=main trixie "$chroot.part" \
    "${DEBIAN_MIRROR:-$(mirror)}" >/dev/null
  # Nothing is lost that could not be made again.
  echo force-unsafe-io >"$chroot.part/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mv "$chroot.part" "$chroot"
fi
cp /etc/resolv.conf "$chroot/etc/" 2>/dev/null || true
for proxy in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  [ -f "$proxy" ] && cp -n "$proxy" "$chroot/etc/apt/apt.conf.d/" || true
done

bind () {
  mkdir -p "$chroot$2"
  mount --bind "$1" "$chroot$2"
}
bind /proc /proc
bind /dev /dev
bind "$source" /src/defcn
environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
  CI="${CI:-}")
if [ -d "$golden" ]; then
  bind "$golden" /src/golden
  mount -o remount,bind,ro "$chroot/src/golden"
  environment+=(DEFCN_GOLDEN=/src/golden)
fi
run=(/src/defcn/tests/run.sh)
if [ ${#command[@]} -gt 0 ]; then
  video=${DEFCN_VIDEO:-/usr/share/doc/opencv-doc/examples/data/vtest.avi}
  if [ -e "$video" ]; then
    bind "$(dirname "$video")" /src/video
    environment+=(DEFCN_VIDEO="/src/video/$(basename "$video")")
  fi
  commit=$(git rev-parse --short HEAD)
  [ -z "$(git status --porcelain --untracked-files=no)" ] || commit+=" changed"
  environment+=(DEFCN_COMMIT="$commit"
    DEFCN_BENCH_BUILD=build-trixie-release)
  run=(env --chdir=/src/defcn "${command[@]}")
elif [ -n "$make" ]; then
  run+=(--packages)
else
  run+=(/src/defcn/build-trixie -Dwerror=true -Ddebug=false -Donednn=enabled
    -Dplugin=enabled -Dtraining=enabled -Danalytics=enabled -Dlive=enabled
    -Dsnapshot=enabled -Dpango=enabled -Dmqtt=enabled -Dkafka=enabled
    -Dmpi=enabled)
fi
chroot "$chroot" env -i "${environment[@]}" "${run[@]}"
