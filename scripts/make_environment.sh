#!/bin/sh
# Make a virtual environment: PYTHON (or the first Python 3.11 to 3.13 on PATH), the pins of constraints.txt, and the
# dependency groups DEPENDENCY_GROUPS.
set -eu

VENV="${VENV:-.venv}"
DEPENDENCY_GROUPS="${DEPENDENCY_GROUPS:-dev}"

fits() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

if [ ! -x "$VENV/bin/python" ]; then
    chosen=""
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if fits "$candidate"; then
            chosen="$candidate"
            break
        fi
    done
    if [ -z "$chosen" ]; then
        echo "This needs Python 3.11, 3.12 or 3.13, and none of ${PYTHON:-python3}, python3.13, python3.12, python3.11 is one." >&2
        echo "Name one: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    echo "Making $VENV with $("$chosen" --version) ..."
    if ! "$chosen" -m venv "$VENV"; then
        rm -rf "$VENV"
        echo "$chosen has no working venv module (on Debian and Ubuntu: the package python3-venv)." >&2
        exit 1
    fi
fi

groups=""
for group in $DEPENDENCY_GROUPS; do
    groups="$groups --group $group"
done
echo "Installing the pinned packages (once; a few minutes on a slow line) ..."
log="$VENV/install.log"
# shellcheck disable=SC2086 # the groups are several arguments
if ! {
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip &&
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
            --build-constraint constraints.txt --editable . $groups
} >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "The installation failed; all of its output is in $log." >&2
    exit 1
fi
echo "Installed."
