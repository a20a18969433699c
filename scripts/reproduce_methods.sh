#!/usr/bin/env bash
# The released sets of other methods than dc, under 'fast', with 20 networks trained on each. Some hours on two cores;
# stopped, it goes on where it was. Options are passed on: bash scripts/reproduce_methods.sh --data-root /path/to/data
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"

make() { # method, data set, images per class, protocol
    method=$1 dataset=$2 ipc=$3 protocol=$4
    shift 4
    .venv/bin/condense run --method "$method" --dataset "$dataset" --ipc "$ipc" --schedule fast --protocol "$protocol" \
        --resume --out "runs/$dataset-$method-ipc$ipc" "$@"
}

make dm cifar10 1 dsa "$@"
make dsa cifar10 1 dsa "$@"
make dsa mnist 1 dsa "$@"
make dm cifar10 10 dsa "$@"
for dataset in cifar10 fashion-mnist mnist; do
    for ipc in 1 10; do
        make herding "$dataset" "$ipc" published "$@"
        make k-center "$dataset" "$ipc" published "$@"
    done
done
