#!/usr/bin/env bash
# Builds Kubernetes' control plane, kubectl and etcd, in the versions of go.mod, into a folder. Needs Go 1.26: built with
# 1.27, Kubernetes 1.36 serves a broken /openapi/v2.
#
#   build.sh FOLDER
set -euo pipefail
out=$(cd "${1:?which folder}" && pwd)
cd "$(dirname "$0")"

export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly"

say() { printf 'setup: %s\n' "$*" >&2; }
version_of() { go list -m -f '{{.Version}}' "$1"; }

kubernetes=$(version_of k8s.io/kubernetes)
minor=${kubernetes#v1.} minor=${minor%%.*}
version=
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  version+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=$minor"
  version+=" -X $package.gitTreeState=clean"
done

say "building etcd $(version_of go.etcd.io/etcd/server/v3)"
go build -trimpath -ldflags '-s -w' -o "$out/etcd" go.etcd.io/etcd/server/v3
for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  say "building $program $kubernetes"
  go build -trimpath -ldflags "-s -w$version" -o "$out/" "k8s.io/kubernetes/cmd/$program"
done
