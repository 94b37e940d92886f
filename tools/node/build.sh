#!/usr/bin/env bash
# Builds what a node has beside Debian's packages (kubelet, kube-proxy, pause) and the cluster's name service, into a folder.
# Kubernetes is of the control plane's version.
#
#   build.sh FOLDER
set -euo pipefail
out=$(cd "${1:?which folder}" && pwd)
cd "$(dirname "$0")"

export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly"

kubernetes=$(go list -C ../kubernetes -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${kubernetes#v1.} minor=${minor%%.*}
version=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  version+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=$minor"
  version+=" -X $package.gitTreeState=clean"
done

for program in kubelet kube-proxy; do
  go build -C ../kubernetes -trimpath -ldflags "-s -w$version" -o "$out/" "k8s.io/kubernetes/cmd/$program"
done
for program in coredns pause; do
  go build -C $program -trimpath -ldflags '-s -w' -o "$out/$program" .
done
