"""What `condense export` does."""

import sys
from pathlib import Path
from typing import Any, cast

from condense.cli import options
from condense.cli.common import required
from condense.formats.outgoing import check_target, export, form_of
from condense.records import read_records
from condense.synthetic_set import SyntheticSet


def export_sets(chosen: options.Export) -> None:
    """Condense export"""
    needed = required((chosen.sets or None, "SET.h5"), (chosen.to, "--to FORM"), (chosen.out, "--out PATH"))
    _, to, out = cast(tuple[Any, str, Path], needed)
    check_target(form_of(to), out)
    sets = [SyntheticSet.load(path) for path in chosen.sets]
    records = [record for path in chosen.records for record in read_records(path)]
    export(sets, to, out, records=records, licence=chosen.licence, lossy=chosen.lossy, tell=_tell)
    print(f"Written: {out}")


def _tell(sentence: str) -> None:
    print(f"condense: {sentence}", file=sys.stderr)
