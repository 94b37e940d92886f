#!/usr/bin/env bash
# Puts promtool into <cache>/bin, from Debian's package prometheus, whose checksum apt verifies. The package is not installed:
# that would start a server. Nothing happens where this is not Debian.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

bin=${XDG_CACHE_HOME:-$HOME/.cache}/acuity/bin
if [[ -x $bin/promtool ]]; then exit; fi
if ! command -v apt-get >/dev/null; then
  say "this is not Debian: put promtool into $bin for the tests of alerts"
  exit
fi

mkdir -p "$bin"
work=$(mktemp -d "$bin/.promtool.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "downloading prometheus, 20 MB, for its promtool"
chmod 755 "$work"
(cd "$work" && apt-get download -qq -o APT::Sandbox::User= prometheus) >&2
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -xC "$work" ./usr/bin/promtool
mv "$work/usr/bin/promtool" "$bin/promtool"
