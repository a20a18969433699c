"""`condense generalize`."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from condense.cli import options
from condense.cli.common import load, part, required
from condense.cli.progress import Bars
from condense.report.rendering import render
from condense.studies.generalization.images import remark
from condense.studies.generalization.report import write_report
from condense.studies.generalization.run import (
    GeneralizeConfig,
    Listener,
    as_recorded,
    check_folder,
    recorded,
    records_path,
    run_missing,
    sized,
)


def generalize(chosen: options.Generalize) -> None:
    """Condense generalize"""
    (out,) = required((chosen.out, "--out DIR"))
    config = part(GeneralizeConfig, chosen)
    check_folder(out)
    whole = load(config.dataset, chosen)
    data = as_recorded(sized(config, whole), recorded(out))
    if (said := remark(whole.train)) and not chosen.quiet:
        print(f"condense: {said}", file=sys.stderr)
    try:
        with _listener(chosen.quiet) as listener:
            run_missing(config, data, out, listener)
    finally:
        records = recorded(out)
        tables = write_report(config, data, records, out) if records else []
    if not chosen.quiet:
        print("\n".join(render(found, "text") for found in tables))
    print(f"Records: {records_path(out)}\nPage:    {(out / 'page.html').resolve().as_uri()}")


@contextmanager
def _listener(quiet: bool) -> Iterator[Listener]:
    """A bar for each group of runs."""
    with closing(Bars(quiet=quiet)) as bars:
        yield Listener(
            begins=lambda runs, done, total: bars.begin(
                f"{done} of {total} runs done; {len(runs)} of {runs[0].network}", "epoch"
            ),
            epoch=lambda epoch, epochs, loss: bars.update(epoch, epochs, loss=loss),
            waits=lambda runs: bars.wait(f"{runs} runs"),
        )
