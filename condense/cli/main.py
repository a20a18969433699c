"""The entry point of `condense`."""

import os
import signal
import sys

from condense.errors import CondenseError, Interrupted


def main(arguments: list[str] | None = None) -> None:
    """Runs one command. Exit code 0: done; 1: the run failed; 2: a mistake in what was asked for; 130: interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Imported here, so that Ctrl-C while PyTorch loads is caught too.
        from condense.cli.commands import COMMANDS
        from condense.cli.parsing import parse

        chosen = parse(sys.argv[1:] if arguments is None else arguments)
        COMMANDS[type(chosen)](chosen)
    except CondenseError as error:
        print(f"condense: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("condense: Stopped.", file=sys.stderr)
        raise SystemExit(Interrupted.exit_code) from None
    except BrokenPipeError:
        # The reader of a table has seen enough (head, a closed pager): nothing to report.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
