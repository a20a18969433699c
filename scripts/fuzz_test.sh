#!/usr/bin/env bash
# Mutated sets, records, configurations, studies, checkpoints and data of all kinds: each is read or refused in a sentence.
# Options: --inputs N (10,000), --kind KIND, --seed SEED; a failure names the kind and seed that repeat it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
PYTHONPATH="$root" exec .venv/bin/python tests/fuzz/fuzz_run.py "$@"
