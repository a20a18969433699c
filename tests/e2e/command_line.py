"""The command line as tests use it: in this process where that will do, and tiny images to work on."""

import signal
from pathlib import Path

import numpy as np

from condense.cli.main import main

LEARN = ("--network", "MLP", "--iterations", "2", "--inner-loop", "1", "--quiet")


def condense(*words: object) -> int:
    """Runs `condense` with these words and returns its exit code."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def write_images(path: Path, counts: tuple[int, ...] = (20, 20), side: int = 8, seed: int = 0) -> Path:
    """An .npz file of random grey images with so many of each class (a fifth of which become test images)."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), side, side), dtype=np.uint8)
    np.savez(path, images=images, labels=labels)
    return path
