#!/usr/bin/env bash
# Runs in the build stage of an image. There is no shell in what it makes, and nothing but:
#
#   /image/program     programs, stripped of what only debuggers read
#   /image/libraries   the shared libraries they need, users, certificates; what Debian says of their packages, where
#                      scanners look for it, and their licences
#   /image/libtorch    those of libtorch
#
#   PROGRAMS=FOLDER assemble.sh PROGRAM...   programs from FOLDER in the build context, libtorch from /libtorch
#   PROGRAMS= assemble.sh PROGRAM...         compiles them first
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${PROGRAMS:-} ]]; then
  folder=$PROGRAMS libtorch=/libtorch
else
  scripts/setup.sh
  cargo build --locked --release "${@/#/--bin=}"
  folder=$(make --no-print-directory print-bin) libtorch=$(dirname "$(scripts/fetch-libtorch.sh)")
fi

lib=usr/lib/x86_64-linux-gnu
mkdir -p /image/{program/usr/bin,libraries/{etc/ssl/certs,$lib,usr/lib64,tmp},libtorch/$lib}
debian=()
for program in "$@"; do
  strip --strip-debug -o "/image/program/usr/bin/$program" "$folder/$program"
  chmod 755 "/image/program/usr/bin/$program"
  # libtorch has a libgomp of its own, which only its users get.
  path= headers=$(objdump -p "$folder/$program")
  if [[ $headers == *'NEEDED '*libtorch* ]]; then path=$libtorch/torch/lib; fi
  # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)"
  libraries=$(LD_LIBRARY_PATH=$path ldd "$folder/$program" |
    awk '/not found/ { print > "/dev/stderr"; missing = 1 } $2 == "=>" { print $3 } END { exit missing }')
  for library in $libraries; do
    case $(realpath "$library") in
      "$libtorch"/*) layer=libtorch ;;
      *) layer=libraries debian+=("$library") ;;
    esac
    cp --dereference --update --target-directory "/image/$layer/$lib" "$library"
  done
done

if [[ $(ls "/image/libtorch/$lib") ]]; then
  mkdir -p /image/libtorch/usr/share/doc
  find "$libtorch" -maxdepth 1 -name '*.dist-info' -exec cp --recursive -t /image/libtorch/usr/share/doc {} +
fi

cd /image/libraries
# The packages, such as "libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6"; files below /usr are known with or without it.
packages=$(realpath "${debian[@]}" | sed 's|^\(/usr\)\?|*|' | xargs dpkg-query --search | cut -d : -f 1 | sort -u)
mkdir -p var/lib/dpkg/status.d
for package in ca-certificates $packages; do
  dpkg-query --status "$package" >"var/lib/dpkg/status.d/$package"
  mkdir -p "usr/share/doc/$package"
  cp --dereference "/usr/share/doc/$package/copyright" "usr/share/doc/$package"
done
cp --dereference /lib64/ld-linux-x86-64.so.2 usr/lib64/
ln -s usr/lib usr/lib64 .
chmod 1777 tmp
echo 'nonroot:x:65532:65532::/nonexistent:/nonexistent' >etc/passwd
echo 'nonroot:x:65532:' >etc/group
echo 'hosts: files dns' >etc/nsswitch.conf
cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
