#!/usr/bin/env bash
# From a clone to a page of results: learns ten synthetic digits, trains 20 networks on them, says where the page lies.
# Options are passed on: bash scripts/quickstart.sh --device cpu
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
.venv/bin/condense run --dataset digits --network ConvNetW32 --iterations 100 --image-learning-rate 0.5 --seeds 20 --out runs/quickstart --force "$@"
