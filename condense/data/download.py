"""Downloads that never leave half a set behind, never touch what is there, and fail with one sentence."""

import contextlib
import http.client
import io
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from condense.errors import CondenseError

SILENCE_SECONDS = 30
_log = logging.getLogger(__name__)


def download_into(root: Path, name: str, files: Sequence[str], fetch: Callable[[Path], object]) -> None:
    """Has `fetch` download into a temporary folder below `root`, then moves `files` (paths below both) into `root`.

    Raises `CondenseError`, naming the folder and the files expected there, when there is no network, no permission, no
    room on the disk, or what came is not what was published.
    """
    _log.info("Downloading %s into %s", name, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as staging:
            with _quiet_and_impatient():
                fetch(Path(staging))
            for file in files:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(staging) / file, root / file)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip("<>.")
        raise CondenseError(
            f"{name} could not be downloaded into {root} ({reason}); to use it without a network, put its files there: "
            f"{', '.join(files)}."
        ) from error


@contextlib.contextmanager
def _quiet_and_impatient() -> Iterator[None]:
    """No progress bars, and an error instead of waiting for ever on a connection that went silent."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
