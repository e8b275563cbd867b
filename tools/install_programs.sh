#!/bin/bash
# Installs the programs that the tests and benchmarks compare with, where this is root on Debian; only those that are missing.
# Elsewhere it names what is missing: tests that need it are skipped, and the rest runs.
set -euo pipefail

declare -A package_of=(
    [opusenc]=opus-tools [ogginfo]=vorbis-tools [flac]=flac [ffmpeg]=ffmpeg [transmission-show]=transmission-cli
    [mktorrent]=mktorrent [minisign]=minisign [ssh-keygen]=openssh-client [zstd]=zstd [sqlite3]=sqlite3
    [fpcalc]=libchromaprint-tools [transmission-daemon]=transmission-daemon [qbittorrent-nox]=qbittorrent-nox
    [opentracker]=opentracker [rclone]=rclone
)

missing=()
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Tests that need these Debian packages are skipped: ${missing[*]}" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=500 -o Acquire::Retries=5)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
