"""Another program, run and followed by the lines 'step N' it prints."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from condense.errors import RunFailed

REMEMBERED = 8
"""Lines of a program's last words."""


def follow(
    name: str,
    words: Sequence[str],
    steps: int,
    result: Path,
    progress: Callable[[int, int], None],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a program to its end; folder: where it runs; environment: variables added to ours.

    Raises `RunFailed` with its last words unless it ends with exit code 0 and has written `result`.
    """
    last = deque[str](maxlen=REMEMBERED)
    with subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("step "):
                    progress(int(line.split()[1]), steps)
                elif line.strip():
                    last.append(line.strip())
        except BaseException:  # Ctrl-C: the other process must not go on alone
            process.kill()
            raise
    if process.returncode or not result.exists():
        raise RunFailed(f"{name} ended with exit code {process.returncode}: {' | '.join(last) or 'it said nothing'}.")
