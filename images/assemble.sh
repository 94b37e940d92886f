#!/usr/bin/env bash
# Runs in the build stage of an image: puts programs, stripped, the shared libraries they need, and what every image has into
# /image. There is no shell in it, and nothing else.
#
#   PROGRAMS=FOLDER assemble.sh PROGRAM...   programs from FOLDER in the build context, libtorch from FOLDER/libtorch
#   PROGRAMS= assemble.sh PROGRAM...         compiles them first
set -euo pipefail
cd "$(dirname "$0")/.."
image=/image

if [[ ${PROGRAMS:-} ]]; then
  folder=$PROGRAMS libtorch=$PROGRAMS/libtorch
else
  scripts/setup.sh
  cargo build --locked --release "${@/#/--bin=}"
  folder=$(make --no-print-directory print-bin) libtorch=$(scripts/fetch-libtorch.sh)/lib
fi

mkdir -p $image/{etc/ssl/certs,usr/bin,usr/lib/x86_64-linux-gnu,usr/lib64,tmp}
ln -s usr/lib usr/lib64 $image/
chmod 1777 $image/tmp
for program in "$@"; do
  strip --strip-debug -o "$image/usr/bin/$program" "$folder/$program"
  chmod 755 "$image/usr/bin/$program"
  # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)"; some come from libtorch's own folder
  LD_LIBRARY_PATH=$libtorch ldd "$folder/$program" | awk '/not found/ { print > "/dev/stderr"; exit 1 } $2 == "=>" { print $3 }' |
    xargs cp --dereference --update --target-directory $image/usr/lib/x86_64-linux-gnu
done
cp --dereference /lib64/ld-linux-x86-64.so.2 $image/usr/lib64/

echo 'nonroot:x:65532:65532::/nonexistent:/nonexistent' >$image/etc/passwd
echo 'nonroot:x:65532:' >$image/etc/group
echo 'hosts: files dns' >$image/etc/nsswitch.conf
cp /etc/ssl/certs/ca-certificates.crt $image/etc/ssl/certs/
