#!/bin/bash
# Makes or refreshes the virtual environment $1 with the project (editable) and everything its tests need.
# Uses uv where it is installed, else plain pip; takes PYTHON, or the first Python of 3.11 or newer that has venv.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

is_usable() {
    command -v "$1" >/dev/null &&
        "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 /usr/bin/python3 python3.11 python3.12 python3.13 python3.14; do
        if is_usable "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "No Python of 3.11 or newer with venv was found. On Debian: apt-get install python3 python3-venv." >&2
    exit 1
}

if command -v uv >/dev/null; then
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "${PYTHON:->=3.11}" "$venv"
    VIRTUAL_ENV=$(realpath "$venv") uv pip install --quiet --editable '.[dev]' && exit 0
    echo "uv could not install the project; trying pip." >&2
fi
if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$(find_python)" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 --editable '.[dev]'
