#!/usr/bin/env bash
# The released MNIST results: ConvNet, 1 image per class, published protocol (1,000 iterations, 20 networks), and the
# baseline of real images drawn at random. About an hour and a half on two busy cores; stopped, it goes on where it was.
# Options are passed on: bash scripts/reproduce_mnist_ipc1.sh --data-root /path/to/data
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/scripts/setup.sh"
cd "$root"
.venv/bin/condense run --dataset mnist --out runs/mnist-convnet-ipc1 --resume "$@"
.venv/bin/condense run --dataset mnist --method random --out runs/mnist-random-ipc1 --resume "$@"
