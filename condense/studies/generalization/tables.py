"""Tables of the generalization experiments."""

import math
from collections.abc import Sequence
from functools import partial
from statistics import fmean

from condense.report.numbers import NONE, decimal, difference, interval, percent_of
from condense.report.rendering import Column, Table
from condense.statistics import Paired, holm, paired, summarise
from condense.studies.generalization import published
from condense.studies.generalization.plan import Line
from condense.studies.generalization.results import Result, by_network

_OUTCOME = (
    "Fitted: in some epoch every training image right and the mean cross-entropy below 0.1. '≥ E': not fitted within E "
    "epochs (censored), so the time is a lower bound. Diverged: a loss or weight that is not finite, or accuracy and loss "
    "of chance from the first epoch on, until ten epochs and 400 steps are done, or three quarters of the run (but 100 "
    "steps), or in the last five epochs before the limit. Training % is that of the last epoch's steps, as they were "
    "trained: augmented, with dropout, BatchNorm over the batch."
)
_SPREAD = (
    "Mean ± standard deviation over seeds (ddof = 0), without diverged runs; test images were looked at when a run ended."
)
_PAIRED = (
    "Differences are paired by seed, ± the half width of the 95 % interval (Student's t); p: paired t-test, corrected for "
    "the number of comparisons (Holm). Runs that diverged are left out. Seeds change the initial weights and the order of "
    "the images, not which images there are. Fitted: how many of the pairs' runs had fitted their images, here and in the "
    "first setting; where not all had, the difference is that of networks which are not yet done."
)


_SLOWDOWN = (
    "Epochs to fit over those of the same seed in the network's first setting: geometric mean, its 95 % interval, and p of "
    "a paired t-test on the logarithms, corrected for the number of comparisons (Holm). Seeds that have not fitted in both "
    "are left out."
)


def summary_table(title: str, results: Sequence[Result]) -> Table:
    """One row a line: how its runs ended, when, and with which accuracies."""
    return Table.of(title, [*_RUNS, _EPOCHS, *_ACCURACIES], results, (_OUTCOME, _SPREAD))


def published_table(title: str, results: Sequence[Result]) -> Table:
    """The same beside what the paper's Table 1 has for these networks and settings; empty where it has nothing."""

    def printed(result: Result) -> tuple[str, str] | None:
        return published.TABLE_1.get(result.line.group, {}).get(result.line.label)

    columns = [
        *(*_RUNS, _EPOCHS, *_ACCURACIES),
        Column("paper: training %", printed, lambda accuracies: accuracies[0], missing=""),
        Column("paper: test %", printed, lambda accuracies: accuracies[1], missing=""),
    ]
    paper = f"Paper: on all {published.TRAINING_IMAGES:,} training images; {published.SOURCE}."
    return Table.of(title, columns, results, (_OUTCOME, _SPREAD, paper))


def capped_table(title: str, results: Sequence[Result], cap: int) -> Table:
    """Which points would be censored had every run been stopped after `cap` epochs: a row a line, no seed left out."""
    columns: list[Column[Result]] = [
        *_RUNS,
        Column("epochs", epochs_text),
        Column("censored", lambda one: one.outcomes("censored") or None, _seeds, missing="", numeric=False),
    ]
    return Table.of(title, columns, [result.capped(cap) for result in results], [_OUTCOME])


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def without_ratio(results: Sequence[Result]) -> str | None:
    """Sentences on the runs without relative times, as they diverged, or their seed did not fit at p = 0; None where all
    have one.
    """
    missing = [
        f"{result.line.group}, {_seeds(seeds)}"
        for result in results
        if not result.line.x and (seeds := sorted(result.records.keys() - set(result.outcomes("fitted"))))
    ]
    diverged = [
        f"{result.line.group}, {result.line.label}, {_seeds(seeds)}"
        for result in results
        if result.line.x and (seeds := result.outcomes("diverged"))
    ]
    said = {
        "Not drawn, as they did not fit at p = 0, so that there is nothing to divide by": missing,
        "Not drawn, as they diverged": diverged,
    }
    return " ".join(f"{why}: {'; '.join(runs)}." for why, runs in said.items() if runs) or None


def comparison_table(title: str, results: Sequence[Result]) -> Table | None:
    """Test accuracy of every line against the first, paired by seed, without runs that diverged; None where there is
    nothing to compare.
    """
    first, *others = results
    pairs = []
    for other in others:
        seeds = sorted(first.test_errors.keys() & other.test_errors.keys())
        values = [[100 * (1 - one.test_errors[seed]) for seed in seeds] for one in (first, other)]
        if seeds:
            fitted = [len({*seeds} & {*one.outcomes("fitted")}) for one in (other, first)]
            pairs.append((other, paired(*values), fitted))
    if not pairs:
        return None
    columns: list[Column[tuple[Result, Paired, list[int], str]]] = [
        Column("setting", lambda row: row[0].line.label, numeric=False),
        Column("pairs", lambda row: row[1].n),
        Column("fitted", lambda row: row[2], lambda fitted: f"{fitted[0]}, {fitted[1]}"),
        Column("difference", lambda row: difference(row[1].mean, row[1].half_width)),
        Column("p", lambda row: row[3]),
    ]
    corrected = _corrected([found for _, found, _ in pairs])
    rows = [(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]
    of = f"{title}: test accuracy minus that of '{first.line.label}', percentage points"
    return Table.of(of, columns, rows, [_PAIRED])


def slowdown_table(title: str, results: Sequence[Result]) -> Table | None:
    """How many times as long as its first setting each of a network's other settings takes to fit, and which differences
    are real; None where there is nothing to compare.
    """
    compared = []
    for _, (first, *others) in by_network(results):
        for other in others:
            seeds = sorted({*first.outcomes("fitted")} & {*other.outcomes("fitted")})
            logarithms = [[math.log(one.epochs[seed]) for seed in seeds] for one in (first, other)]
            if seeds:
                compared.append((other.line, paired(*logarithms)))
    if not compared:
        return None
    columns: list[Column[tuple[Line, Paired, str]]] = [
        Column("network", lambda row: row[0].group, numeric=False),
        Column("setting", lambda row: row[0].label, numeric=False),
        Column("pairs", lambda row: row[1].n),
        Column(f"times as long as {results[0].line.label}", lambda row: math.exp(row[1].mean), partial(decimal, digits=2)),
        Column("95 % interval", lambda row: _factors(row[1]), missing=""),
        Column("p", lambda row: row[2]),
    ]
    corrected = _corrected([found for _, found in compared])
    rows = [(*pair, p) for pair, p in zip(compared, corrected, strict=True)]
    return Table.of(title, columns, rows, [_SLOWDOWN])


def _factors(found: Paired) -> str | None:
    """The interval of a geometric mean whose logarithms were compared."""
    half = found.half_width
    return None if half is None else interval(math.exp(found.mean - half), math.exp(found.mean + half), 2)


def _corrected(comparisons: Sequence[Paired]) -> list[str]:
    """The p of each, corrected for their number."""
    return [NONE if p is None else decimal(p, 3) for p in holm([found.p for found in comparisons])]


def epochs_text(result: Result) -> str:
    """Mean epochs to fit; '≥' where a run was stopped before it had fitted."""
    fitted, censored = result.outcomes("fitted"), result.outcomes("censored")
    counted = [result.epochs[seed] for seed in fitted + censored]
    if not counted:
        return NONE
    text = decimal(fmean(counted))
    return f"≥ {text}" if censored else text


def _outcome(result: Result) -> str:
    counts = {name: len(result.outcomes(name)) for name in ("fitted", "censored", "diverged")}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) if result.records else "not run"


def _training(result: Result) -> list[float] | None:
    """Training accuracies of the last epochs, without runs that diverged; None where nothing was run."""
    kept = [record for record in result.records.values() if record.notes != ["diverged"]]
    return [record.series["train_accuracy"][-1] for record in kept] if result.records else None


def _tested(result: Result) -> list[float] | None:
    return [1 - error for error in result.test_errors.values()] if result.records else None


def _percent(values: Sequence[float]) -> str:
    return percent_of(summarise(values)) if values else NONE


_RUNS: list[Column[Result]] = [
    Column("network", lambda result: result.line.group, numeric=False),
    Column("setting", lambda result: result.line.label, numeric=False),
    Column("n", lambda result: len(result.records)),
    Column("outcome", _outcome, numeric=False),
]
_EPOCHS: Column[Result] = Column("epochs", lambda result: epochs_text(result) if result.records else None, missing="")
_ACCURACIES: list[Column[Result]] = [
    Column("training %", _training, _percent, missing=""),
    Column("test %", _tested, _percent, missing=""),
]
