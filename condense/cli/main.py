"""The entry point of `condense`."""

import errno
import gc
import logging
import os
import signal
import sys
from typing import NoReturn

from condense.cli.commands import command_of
from condense.cli.output import print_anything
from condense.cli.parsing import parse
from condense.errors import CondenseError, Interrupted, RunFailed, shortened
from condense.machine import fix_cublas_workspace, is_out_of_memory, keep_freed_memory

LONGEST_LINE = 2_000
"""Of a message: what is longer says nothing to anybody."""

_OF_A_PATH = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Exit code 0: done; 1: the run failed; 2: a mistake in what was asked for; 130: interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    fix_cublas_workspace()
    keep_freed_memory()
    print_anything()
    # PyTorch's compiler warns of a GPU's compiler without a GPU, which nobody asked for.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    if not gc.get_freeze_count():  # what is imported stays: the search for garbage before memory is measured is shorter then
        gc.freeze()
    try:
        chosen = parse(sys.argv[1:] if arguments is None else arguments)
        command_of(chosen)(chosen)
        print(end="", flush=True)
    except CondenseError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:
        _stop("Stopped.", Interrupted.exit_code)
    except BrokenPipeError:
        _forget_output()  # the reader has seen enough (head, a closed pager): nothing to report
    except OSError as error:
        if error.filename is not None and error.errno in _OF_A_PATH:
            _stop(f"Cannot use {shortened(error.filename, 240)}: {error.strerror}.", CondenseError.exit_code)
        _forget_output()
        place = "Cannot write the output" if error.filename is None else shortened(error.filename, 240)
        _stop(f"{place}: {error.strerror or error}.", RunFailed.exit_code)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        _stop(
            "Out of memory. Fewer images (--ipc, --real-batch), fewer --seeds or a smaller network need less.",
            RunFailed.exit_code,
        )


def _stop(message: str, exit_code: int) -> NoReturn:
    for line in message.split("\n"):
        print(f"condense: {shortened(line, LONGEST_LINE)}", file=sys.stderr)
    raise SystemExit(exit_code) from None


def _forget_output() -> None:
    """What Python still holds for standard output goes nowhere: writing it on exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
