#!/usr/bin/env bash
# Licences, bans and sources. Advisories need the internet: `cargo deny check advisories`.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=${XDG_CACHE_HOME:-$HOME/.cache}/acuity/bin:$PATH
exec cargo deny --locked check --hide-inclusion-graph licenses bans sources
