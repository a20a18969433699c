"""The table of small sets as proxies: how they rank the rows, what their choice loses, what they save."""

from collections.abc import Sequence
from functools import partial

from condense.report.numbers import NONE, decimal, times
from condense.report.rendering import Column, Table, Value
from condense.statistics import FEWEST_RANKED, RESAMPLES, Correlation
from condense.studies.hyperparameters.proxy_study import ProxyResult
from condense.studies.hyperparameters.results import Sweep

_COLUMNS: list[Column[ProxyResult]] = [
    Column("set", lambda one: one.label, numeric=False),
    Column("images", lambda one: one.images),
    Column("rows", lambda one: len(one.names)),
    Column("Spearman", lambda one: one.spearman, lambda found: _correlation(found)),
    Column("Kendall", lambda one: one.kendall, lambda found: _correlation(found)),
    Column("choice", lambda one: _choice(one), numeric=False),
    Column("regret", lambda one: 100 * one.regret, partial(decimal, digits=2)),
    Column("regret by chance", lambda one: 100 * one.chance_regret, partial(decimal, digits=2)),
    Column("n on images / set", lambda one: _counts(one), numeric=False),
    Column("cost saved", lambda one: one.saved, times),
    Column("with learning", lambda one: one.saved_with_learning, times),
]


def proxy_table(found: Sequence[ProxyResult], sweep: Sweep) -> Table:
    """How well each small set ranks the rows, what its choice loses, and what it saves."""
    return Table.of(f"{sweep.asked.grid.title}: small sets as proxies", _COLUMNS, found, _notes(found, sweep), _data)


def _data(one: ProxyResult) -> dict[str, Value]:
    return {
        **{"set": one.label, "images": one.images, "rows": len(one.names)},
        **{f"spearman{end}": getattr(one.spearman, name) for end, name in _ENDS},
        **{f"kendall{end}": getattr(one.kendall, name) for end, name in _ENDS},
        **{"choice": _choice(one), "regret": one.regret, "regret_by_chance": one.chance_regret},
        **{"networks": sum(one.networks), "networks_on_set": sum(one.proxy_networks)},
        **{"cost_saved": one.saved, "cost_saved_with_learning": one.saved_with_learning},
    }


def _notes(found: Sequence[ProxyResult], sweep: Sweep) -> tuple[str, ...]:
    on, compared = sweep.full.label, sweep.asked.compared_on
    factors = sorted({one.epochs_factor for one in found})
    return (
        f"Rank correlations of mean {compared} accuracy on the set with that on {on}, with 95 % bootstrap intervals over "
        f"configurations ({RESAMPLES:,} resamples); an interval that holds 0 is compatible with no agreement. There is none "
        f"for fewer than {FEWEST_RANKED} rows, too few to resample, and the noise of the seeds is not in it.",
        f"Regret: test accuracy on {on} (percentage points) of the row that is first on them less that of the row the set "
        "ranks first; by chance: of a row drawn at random. Rows tied for the first place are all named, and their "
        "accuracies averaged; where all are tied nothing is chosen.",
        *_choosing(sweep),
        "A batch larger than a set is the whole set, so on a set no larger than the batch, rows that differ only in batch "
        "size are one run.",
        f"Cost saved: time of training the rows on {on} over that on the set, as many networks of each row (by its "
        "time per network; n: how many were trained); with learning: the set's own making counted. "
        f"{NONE}: not all was timed on one device with one number of threads, or no record of learning lies beside the set.",
        f"Epochs on a set for each of the grid's: {', '.join(map(str, factors))}.",
        *_from_more(sweep),
    )


_ENDS = (("", "value"), ("_low", "low"), ("_high", "high"))


def _choice(one: ProxyResult) -> str | None:
    return ", ".join(one.names[index] for index in one.chosen) or None


def _choosing(sweep: Sweep) -> list[str]:
    """On which images rows were ranked, and which rows could not be."""
    if sweep.asked.held_out is None:
        said = ["Rows were ranked on the test images, which flatters all of them alike."]
    else:
        said = [
            f"Rows were ranked on {sweep.asked.held_out:,} held-out training images; the accuracies in the regret are of "
            "the test images. A set that was made from all training images has seen those held out."
        ]
    diverged: dict[str, None] = {}
    for one in (sweep.full, *sweep.proxies):
        comparable = one.comparable
        diverged |= dict.fromkeys(name for name in one.done if name not in comparable)
    if diverged:
        said.append(f"Left out, as all their networks diverged on one of the sets: rows {', '.join(diverged)}.")
    return said


def _from_more(sweep: Sweep) -> list[str]:
    """A note on sets that saw images which the rows did not."""
    more = [
        own.label for own, asked in zip(sweep.proxies, sweep.asked.proxies, strict=True) if asked in sweep.asked.from_more
    ]
    seen = f"Made from more images than the {sweep.full.label} on which they are compared: {'; '.join(more)}."
    return [seen] if more else []


def _counts(one: ProxyResult) -> str:
    """Networks of a row on all images and on the set, such as '5 / 3' or '2–5 / 3'."""
    ends = [sorted({min(counts), max(counts)}) for counts in (one.networks, one.proxy_networks)]
    return " / ".join("\N{EN DASH}".join(map(str, found)) for found in ends)


def _correlation(found: Correlation) -> str:
    if found.value is None:
        return NONE
    interval = "" if found.low is None or found.high is None else f" [{decimal(found.low, 2)}, {decimal(found.high, 2)}]"
    return decimal(found.value, 2) + interval
