"""`condense doctor`."""

import sys

from condense.cli import options
from condense.errors import RunFailed
from condense.machine import choose_device, set_threads


def doctor(chosen: options.Doctor) -> None:
    """Condense doctor"""
    device = choose_device(chosen.device)
    set_threads(chosen.threads)
    # Only here, so that no other command loads the slow twins.
    from condense.doctor.examination import examine
    from condense.doctor.report import text, verdict

    found = examine(device, tell=(lambda line: None) if chosen.quiet else lambda line: print(line, file=sys.stderr))
    print(text(found))
    if not found.passed:
        raise RunFailed(
            f"This machine does not compute what it should: {verdict(found)}. The table says what, and how far off."
        )
