#!/usr/bin/env bash
# The hyper-parameter study. The report's two tables, 5 networks a row; then the proxy question: 36 MLPs (and, with
# GRIDS='mlps small-convnets', 36 small ConvNets on 5,000 images), 3 networks a row, on all images and on small sets: the released
# condensed ones, random ones of the same sizes, and ones learned with an MLP. Some 5 hours on one core, most of it CIFAR-10's
# table; stopped, it goes on where it was. DATASETS=fashion-mnist chooses. Options are passed on:
# bash scripts/reproduce_hyperparameter_study.sh --data-root /path/to/data
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
out=runs/hyperparameter-study
for dataset in ${DATASETS:-fashion-mnist cifar10}; do
    .venv/bin/condense sweep "$dataset" --seeds 5 --out "$out/$dataset" "$@"
    sets=("artifacts/$dataset-convnet-ipc1/set.h5" "artifacts/$dataset-convnet-ipc1-fast-seed"{0,1,2}/set.h5)
    sets+=("artifacts/$dataset-convnet-ipc10-fast-seed0/set.h5")
    for ipc in 1 10; do
        for seed in 0 1 2; do
            random="$out/sets/$dataset-random-ipc$ipc-seed$seed.h5"
            [ -e "$random" ] || .venv/bin/condense learn --method random --dataset "$dataset" --ipc $ipc --seed $seed --out "$random" "$@"
            sets+=("$random")
        done
    done
    for ipc in 1 10; do
        own="$out/sets/$dataset-mlp-ipc$ipc-fast-seed0.h5"
        [ -e "$own" ] || .venv/bin/condense learn --dataset "$dataset" --network MLP --ipc $ipc --schedule fast --out "$own" "$@"
        sets+=("$own")
    done
    for grid in ${GRIDS:-mlps}; do
        size=()
        if [ "$grid" = small-convnets ]; then size=(--train-size 5000); fi
        .venv/bin/condense sweep "$dataset" --grid "$grid" --seeds 3 "${size[@]}" --proxy "${sets[@]}" --out "$out/$dataset-$grid" "$@"
    done
done
