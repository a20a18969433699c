#!/usr/bin/env bash
# All checks of the project, quickest first. Options are passed on to pytest: bash scripts/test.sh -m "not slow"
# Tests on published data sets run where CONDENSE_DATA names the folder that holds them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
.venv/bin/python -m ruff check
.venv/bin/python -m ruff format --check
.venv/bin/python -m basedpyright
.venv/bin/python -m pytest -n 2 "$@"
