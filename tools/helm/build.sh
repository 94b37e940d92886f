#!/usr/bin/env bash
# Builds Helm, in the version of go.mod, into a folder.
#
#   build.sh FOLDER
set -euo pipefail
out=$(cd "${1:?which folder}" && pwd)
cd "$(dirname "$0")"

export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly"
version=$(go list -m -f '{{.Version}}' helm.sh/helm/v4)
go build -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" -o "$out/helm" helm.sh/helm/v4/cmd/helm
