#!/usr/bin/env bash
# Makes .venv with condense, all it needs and the developers' tools. A second run finds all of it there and does nothing.
# PYTHON=/path/to/python3.12 chooses the interpreter (3.11 or newer).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python="$root/.venv/bin/python"
stamp="$root/.venv/installed"

# What an installation depends on: the interpreter, pyproject.toml, the place. Nothing while there is no working .venv.
fingerprint() {
    "$python" -c 'import hashlib, pathlib, sys
project = pathlib.Path(sys.argv[1], "pyproject.toml").read_bytes()
print(hashlib.sha256(repr((sys.version, project, sys.argv[1])).encode()).hexdigest())' "$root" 2>/dev/null || true
}

# The first interpreter that is new enough and can make virtual environments.
find_python() {
    local candidate version problem="none was found"
    for candidate in "${PYTHON:-python3}" ${PYTHON:-python3.13 python3.12 python3.11}; do
        version=$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
        if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            problem="$candidate is Python $version"
        elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            problem="$candidate cannot make virtual environments (Debian, Ubuntu: apt-get install python${version%.*}-venv)"
        else
            echo "$candidate"
            return
        fi
    done
    echo "setup: condense needs Python 3.11 or newer with venv, but $problem. PYTHON=/path/to/python names another." >&2
    return 1
}

wanted=$(fingerprint)
if [ -n "$wanted" ] && [ "$wanted" = "$(cat "$stamp" 2>/dev/null)" ]; then
    exit 0
fi
if ! "$python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    base=$(find_python)
    "$base" -m venv --clear "$root/.venv"
fi
rm -f "$stamp" # from here to the end, nothing counts as installed
echo "Installing condense and its libraries into $root/.venv: only this once, a minute or two, about 6 GB."
if ! "$python" -m pip install --quiet --no-input --disable-pip-version-check -e "$root[dev]"; then
    echo "setup: the installation failed for the reason above; run the same command again once it is mended." >&2
    exit 1
fi
fingerprint > "$stamp"
