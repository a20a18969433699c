"""How long cells will take: their work, at the pace of those that are done, or of a probe."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean

from condense.study.cell import Cell
from condense.study.folder import StudyFolder


def measured_paces(cells: Sequence[Cell], folder: StudyFolder) -> dict[str, float]:
    """Seconds for one unit of work by pace, of the cells that are done."""
    rates: dict[str, list[float]] = defaultdict(list)
    for cell in cells:
        seconds = sum(record.wall_seconds + record.warm_up_seconds for record in folder.records(cell.key))
        if cell.work and seconds:
            rates[cell.pace].append(seconds / cell.work)
    return {pace: mean(values) for pace, values in rates.items()}


def estimated_seconds(
    cells: Sequence[Cell], folder: StudyFolder, probed: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Seconds that cells which are not done will take, by key; those whose pace nobody knows are left out.

    probed: seconds for one unit of work by pace, for those of which no cell is done; they are corrected by what the others,
    that were probed too, took.
    """
    probed = probed or {}
    measured = measured_paces(cells, folder)
    ratios = [rate / probed[pace] for pace, rate in measured.items() if probed.get(pace)]
    correction = mean(ratios) if ratios else 1.0
    paces = {pace: rate * correction for pace, rate in probed.items()} | measured
    missing = (cell for cell in cells if not folder.is_done(cell.key))
    return {cell.key: cell.work * paces[cell.pace] for cell in missing if cell.pace in paces}
