"""A process that reads inputs: for each line `KIND SEED` on standard input, one line of JSON with the verdict.

    python fuzz_worker.py SCRATCH KINDS_MODULE

A crash ends it; whoever started it then knows the input, and finds what was written in SCRATCH/output.
"""

import faulthandler
import importlib
import json
import os
import resource
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path


def serve(scratch: Path, module: str) -> None:
    """Judges inputs until standard input ends."""
    results = os.fdopen(os.dup(1), "w")
    output = scratch / "output"
    descriptor = os.open(output, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable()
    _isolate(scratch)
    import torch
    from fuzz_judge import Judge

    torch.set_num_threads(1)
    judge = Judge(importlib.import_module(module).KINDS, scratch, output)
    judge.warm_up()
    os.truncate(output, 0)
    _limit_memory(2**32)
    print("ready", file=results, flush=True)
    for line in sys.stdin:
        name, seed = line.split()
        verdict = judge.judge(name, int(seed))
        print(json.dumps([verdict.outcome, verdict.detail]), file=results, flush=True)


def _isolate(scratch: Path) -> None:
    """No network, no data sets, no cache but the scratch folder's."""
    for name in ("CONDENSE_DATA", "PYTHONWARNINGS"):
        os.environ.pop(name, None)
    os.environ["XDG_CACHE_HOME"] = str(scratch / "cache")
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network here")

    urllib.request.urlopen = refuse  # pyright: ignore[reportAttributeAccessIssue]


def _limit_memory(more: int) -> None:
    """Lets the process map so many bytes more than now, so that an input cannot take the machine's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
