#!/usr/bin/env bash
# Builds the images from the Dockerfiles beside this file, with buildah, no daemon and no registry, of programs that are
# compiled already. Needs root. Prints a table of their sizes.
#
#   build.sh FOLDER [IMAGE...]   programs in FOLDER; operator, media-node, enhancer, trainer and nats by default. enhancer-cuda
#                                and trainer-cuda are made of enhancer and trainer, which come before them
#   build.sh --id IMAGE          prints the first digits of its hash
#   build.sh --save IMAGE FILE   as an archive that containerd imports, named localhost/acuity/IMAGE:ID
#   build.sh --push IMAGE NAME   to the registry in NAME, as NAME:TAG; prints its digest
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
inputs() { cat images/assemble.sh "$@" | sha256sum | cut -c 1-16; }
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
  --push)
    buildah push --quiet --digestfile "$store/digest" "$(tag "$2")" "docker://$3" >&2
    cat "$store/digest"
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
  dockerfile=$image
  case $image in
    nats) parts=("$cache/bin/nats-server") ;;
    media-node) parts=("$folder"/{media-node,patch-pairer}) ;;
    *-cuda)
      dockerfile=cuda parts=("$context/base")
      id "${image%-cuda}" >"$context/base"
      ;;
    *) parts=("$folder/$image") ;;
  esac
  dockerfile=images/$dockerfile.Dockerfile
  inputs=$(inputs "$dockerfile" "${parts[@]}")
  if [[ $(made_of "$image") == "$inputs" ]]; then continue; fi
  options=(-f "$dockerfile" --build-arg "BUILDER=$base")
  case $image in
    nats) cp "${parts[@]}" "$context" ;;
    *-cuda) options+=(--build-arg "BASE=$(tag "${image%-cuda}")") ;;
    *)
      mkdir "$context"/{images,programs}
      cp images/assemble.sh "$context/images"
      cp "${parts[@]}" "$context/programs"
      options+=(--build-arg PROGRAMS=programs --volume "$libtorch:/libtorch:ro")
      # What has a name is there the next time.
      build "localhost/acuity/$image:packages" --target packages "${options[@]}" "$context"
      ;;
  esac
  build "$(tag "$image")" --label "$inputs_label=$inputs" "${options[@]}" "$context"
done

# Each build leaves gigabytes that no image is made of.
buildah rmi --prune >/dev/null

for image in "$@"; do
  printf '%-14s %s\n' "$image" "$(buildah images --json "$(tag "$image")" | sed -n 's/.*"size": "\(.*\)",/\1/p')"
done
