"""`condense parity`."""

from collections.abc import Callable
from contextlib import closing

from condense.cli import options
from condense.cli.common import load, part, required
from condense.cli.progress import Bars
from condense.errors import RunFailed
from condense.report.rendering import render
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.folder import ParityFolder
from condense.studies.parity.parts import FAIL
from condense.studies.parity.report import headline, overall, tables, write_report
from condense.studies.parity.run import run_parity


def parity(chosen: options.Parity) -> None:
    """Condense parity"""
    (out,) = required((chosen.out, "--out DIR"))
    config, folder = part(ParityConfig, chosen).resolved(), ParityFolder(out)
    data = load(config.dataset, chosen)
    with closing(Bars(quiet=chosen.quiet)) as bars:

        def begins(name: str) -> Callable[[int, int], None]:
            bars.begin(name, "step")
            return bars.update

        records, parts = run_parity(config, data.to("cpu"), folder, begins, chosen.simplenn, proof=not chosen.causes_only)
    page = write_report(folder, records, parts)
    if not chosen.quiet:
        print("\n".join(render(found, "text") for found in tables(records)))
    print(f"{headline(records)}\nRecords: {folder.records}\nPage:    {page.resolve().as_uri()}")
    if overall(records) == FAIL:
        raise RunFailed("The runs do not agree; the table and the page say where they part.")
