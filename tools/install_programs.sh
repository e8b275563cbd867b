#!/bin/bash
# Installs the programs that the tests and benchmarks compare with, where this is root on Debian; only those that are missing.
# Elsewhere it names what is missing: tests that need it are skipped, and the rest runs.
set -euo pipefail

declare -A package_of=(
    [opusenc]=opus-tools [ogginfo]=vorbis-tools [flac]=flac [ffmpeg]=ffmpeg [transmission-show]=transmission-cli
    [mktorrent]=mktorrent [minisign]=minisign [ssh-keygen]=openssh-client [zstd]=zstd [sqlite3]=sqlite3
    [fpcalc]=libchromaprint-tools [transmission-daemon]=transmission-daemon [qbittorrent-nox]=qbittorrent-nox
    [opentracker]=opentracker [rclone]=rclone
    [qemu-system-x86_64]=qemu-system-x86 [qemu-img]=qemu-utils [mmdebstrap]=mmdebstrap [cpio]=cpio [mkfs.ext4]=e2fsprogs
    [gcc-12]=gcc-12 [make]=make [strip]=binutils [perl]=perl [awk]=mawk  # the lab of tests/zfs_lab.py
)

missing=()
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)  # with which configure tries gcc-12
ls /usr/lib/*/libelf.so.1 >/dev/null 2>&1 || missing+=(libelf1)  # for the kernel's objtool
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests that need these Debian packages are skipped: ${missing[*]}" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=500 -o Acquire::Retries=5)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
