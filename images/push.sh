#!/usr/bin/env bash
# Copies images that build.sh made to a registry, and writes the chart values that install exactly these, by digest. Needs
# root, whose images they are, and what `buildah login` may have left.
#
#   push.sh REGISTRY FILE [IMAGE...]   such as registry.example.com/acuity and images.yaml; operator, media-node, enhancer and
#                                      trainer by default
#
# TAG   theirs, by default the version of the chart; those of enhancer-cuda and trainer-cuda end in -cuda
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'push: %s\n' "$*" >&2; }

registry=${1:?which registry} values=${2:?which file}
shift 2
[[ $# -gt 0 ]] || set -- operator media-node enhancer trainer
tag=${TAG:-$(awk '$1 == "appVersion:" { print $2 }' charts/acuity/Chart.yaml)}

# By the keys of the chart's values.
declare -A digests
for image in "$@"; do
  case $image in
    *-cuda) key=${image%-cuda}Accelerated name=$registry/${image%-cuda}:$tag-cuda ;;
    media-node) key=mediaNode name=$registry/$image:$tag ;;
    *) key=$image name=$registry/$image:$tag ;;
  esac
  say "$name"
  digests[$key]=$(images/build.sh --push "$image" "$name")
done
# Without images for GPUs those for CPUs take their place: slower, but there.
for key in enhancer trainer; do
  [[ -z ${digests[$key]:-} ]] || : "${digests[${key}Accelerated]:=${digests[$key]}}"
done

{
  echo "# The images that were copied to $registry as $tag"
  echo images:
  for key in "${!digests[@]}"; do
    printf '  %s: {registry: "%s", digest: "%s"}\n' "$key" "$registry" "${digests[$key]}"
  done | sort
} >"$values.part"
mv "$values.part" "$values"
say "to install them: helm install acuity charts/acuity --namespace acuity --create-namespace --values $values"
