"""The command line as tests use it: in this process where that will do, and tiny images to work on."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from condense.cli.main import main

ROOT = Path(__file__).parents[2]
_PIP = ("pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
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


def installed_into(folder: Path, example: str) -> Path:
    """A folder into which pip has installed the package `docs/examples/<example>`."""
    shutil.copytree(ROOT / "docs" / "examples" / example, folder / "source")  # pip builds where the source is
    command = [sys.executable, "-m", *_PIP, "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"
