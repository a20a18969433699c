#!/usr/bin/env bash
# The framework reports' tables. Report 000: simpleNN's network on 5,000-image subsets of MNIST and CIFAR-10, 10 seeds trained
# at once, accuracy at fifths of the run (epochs 100, 200, ... of 500), with each cause beside the aligned run, the exploding
# sum among them. Report 002: the causes of Keras' question. Stopped, it goes on where it was; a checkpoint is written every minute.
# EPOCHS=20 SEEDS=10 DATASETS=mnist CAUSES='reduction-mean reduction-sum' choose; 500 epochs take hours a row on two cores.
# Options are passed on:
# bash scripts/reproduce_parity_tables.sh --data-root /path/to/data
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
epochs=${EPOCHS:-500}
for dataset in ${DATASETS:-mnist cifar10}; do
    rate=0.001
    if [ "$dataset" = cifar10 ]; then rate=0.003; fi
    .venv/bin/condense parity simplenn --dataset "$dataset" --train-size 5000 --preparation minmax --learning-rate $rate \
        --out "runs/parity-$dataset" "$@" # the proof, over the short form's six epochs
    .venv/bin/condense parity simplenn --causes-only --dataset "$dataset" --train-size 5000 --preparation minmax \
        --learning-rate $rate --epochs "$epochs" --seeds "${SEEDS:-10}" --cause ${CAUSES:-all} \
        --out "runs/parity-$dataset-causes-$epochs" "$@"
done
.venv/bin/python -c "import keras, jax" 2>/dev/null || .venv/bin/python -m pip install --quiet "$root[keras]"
.venv/bin/condense parity keras --cause all --seeds "${SEEDS:-10}" --out runs/parity-keras "$@"
