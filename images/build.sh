#!/usr/bin/env bash
# Builds the images for CPUs from the Dockerfiles beside this file, with buildah, no daemon and no registry, of programs that
# are compiled already. Needs root. Prints a table of their sizes.
#
#   build.sh FOLDER [IMAGE...]   programs in FOLDER; operator, media-node, enhancer, trainer and nats by default
#   build.sh --id IMAGE          prints the first digits of its hash
#   build.sh --save IMAGE FILE   as an archive that containerd imports, named localhost/acuity/IMAGE:ID
#
# They are kept in <cache>/images, as localhost/acuity/IMAGE:built. One whose programs and Dockerfile are as they were stays.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/acuity
store=$cache/images
mkdir -p "$store"

buildah() { command buildah --root "$store/store" --runroot "$store/run" "$@"; }
tag() { echo "localhost/acuity/$1:built"; }

# build TAG ARGUMENTS...
build() {
  # --timestamp 0: the same contents give the same image.
  buildah bud --quiet --isolation chroot --pull-never --layers --timestamp 0 -t "$@" >"$store/log" 2>&1 && return
  cat "$store/log" >&2
  buildah rm --all >/dev/null # what a failed build leaves mounted
  exit 1
}

# What the official debian:bookworm-slim has, from Debian's packages; made once.
base=docker.io/library/debian:bookworm-slim
make_base() {
  if buildah inspect --type image $base >/dev/null 2>&1; then return; fi
  mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    bookworm "$context/root.tar"
  printf 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n' >"$context/Dockerfile"
  build $base "$context"
  rm "$context"/*
}

# What an image is made of: a label of it, and what it would be now of these files.
inputs_label=video.acuity.inputs
inputs() { cat images/assemble.sh "images/$1.Dockerfile" "${@:2}" | sha256sum | cut -c 1-16; }
made_of() {
  buildah inspect --type image --format "{{index .OCIv1.Config.Labels \"$inputs_label\"}}" "$(tag "$1")" 2>/dev/null || true
}

id() { buildah inspect --type image --format '{{.FromImageID}}' "$(tag "$1")" | cut -c 1-12; }

case ${1:-} in
  --id)
    id "$2"
    exit
    ;;
  --save)
    rm -f "$3"
    buildah push --quiet "$(tag "$2")" "docker-archive:$3:localhost/acuity/$2:$(id "$2")"
    exit
    ;;
esac

((EUID == 0)) || { echo 'images: this needs root: sudo make images' >&2; exit 1; }
folder=${1:?which folder has the programs}
shift
[[ $# -gt 0 ]] || set -- operator media-node enhancer trainer nats

context=$(mktemp -d "$store/.context.XXXXXX")
trap 'rm -rf "$context"' EXIT
libtorch=$(dirname "$(scripts/fetch-libtorch.sh)")
make_base

for image in "$@"; do
  rm -rf "${context:?}"/*
  case $image in
    nats) programs=("$cache/bin/nats-server") ;;
    media-node) programs=("$folder"/{media-node,patch-pairer}) ;;
    *) programs=("$folder/$image") ;;
  esac
  inputs=$(inputs "$image" "${programs[@]}")
  if [[ $(made_of "$image") == "$inputs" ]]; then continue; fi
  if [[ $image == nats ]]; then
    cp "${programs[@]}" "$context"
    build "$(tag nats)" --label "$inputs_label=$inputs" -f images/nats.Dockerfile "$context"
    continue
  fi
  mkdir "$context"/{images,programs}
  cp images/assemble.sh "$context/images"
  cp "${programs[@]}" "$context/programs"
  options=(-f "images/$image.Dockerfile" --build-arg BUILDER=$base --build-arg PROGRAMS=programs --volume "$libtorch:/libtorch:ro")
  # What has a name is there the next time.
  build "localhost/acuity/$image:packages" --target packages "${options[@]}" "$context"
  build "$(tag "$image")" --label "$inputs_label=$inputs" "${options[@]}" "$context"
done

# Each build leaves gigabytes that no image is made of.
buildah rmi --prune >/dev/null

for image in "$@"; do
  printf '%-12s %s\n' "$image" "$(buildah images --json "$(tag "$image")" | sed -n 's/.*"size": "\(.*\)",/\1/p')"
done
