#!/usr/bin/env bash
# The released results at 1 image per class: ConvNet, learned by both schedules (three sets under 'fast'), 20 networks on each
# set, and the baseline of real images drawn at random. Some hours on two cores; stopped, it goes on where it was.
# DATASETS chooses, options are passed on: DATASETS=mnist bash scripts/reproduce_ipc1.sh --data-root /path/to/data
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
for dataset in ${DATASETS:-mnist fashion-mnist cifar10}; do
    for seed in 0 1 2; do
        .venv/bin/condense run --dataset "$dataset" --schedule fast --seed $seed --resume \
            --out "runs/$dataset-convnet-ipc1-fast-seed$seed" "$@"
    done
    .venv/bin/condense run --dataset "$dataset" --resume --out "runs/$dataset-convnet-ipc1" "$@"
done
.venv/bin/condense run --dataset mnist --method random --resume --out runs/mnist-random-ipc1 "$@"
