"""Tables of the generalization experiments."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from condense.report.numbers import NONE, decimal, difference, interval, percent_of
from condense.report.rendering import Table
from condense.statistics import Paired, holm, paired, summarise
from condense.studies.generalization import published
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
    return Table(
        title=title,
        header=("network", "setting", "n", "outcome", "epochs", "training %", "test %"),
        rows=tuple(_row(result) for result in results),
        notes=(_OUTCOME, _SPREAD),
        data=(),
        numeric=(False, False, True, False, True, True, True),
    )


def published_table(title: str, results: Sequence[Result]) -> Table:
    """The same beside what the paper's Table 1 has for these networks and settings; empty where it has nothing."""
    own = summary_table(title, results)
    found = [published.TABLE_1.get(result.line.group, {}).get(result.line.label, ("", "")) for result in results]
    return replace(
        own,
        header=(*own.header, "paper: training %", "paper: test %"),
        rows=tuple((*row, *accuracies) for row, accuracies in zip(own.rows, found, strict=True)),
        notes=(*own.notes, f"Paper: on all {published.TRAINING_IMAGES:,} training images; {published.SOURCE}."),
        numeric=(*own.numeric, True, True),
    )


def capped_table(title: str, results: Sequence[Result], cap: int) -> Table:
    """Which points would be censored had every run been stopped after `cap` epochs: a row a line, no seed left out."""
    capped = [result.capped(cap) for result in results]
    rows = [(*_row(result)[:4], epochs_text(result), *_censored(result)) for result in capped]
    return Table(
        title=title,
        header=("network", "setting", "n", "outcome", "epochs", "censored"),
        rows=tuple(rows),
        notes=(_OUTCOME,),
        data=(),
        numeric=(False, False, True, False, True, False),
    )


def _censored(result: Result) -> tuple[str]:
    seeds = result.outcomes("censored")
    return (_seeds(seeds) if seeds else "",)


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
    rows = []
    for (other, found, (here, there)), p in zip(pairs, _corrected([found for _, found, _ in pairs]), strict=True):
        rows.append((other.line.label, str(found.n), f"{here}, {there}", difference(found.mean, found.half_width), p))
    return Table(
        title=f"{title}: test accuracy minus that of '{first.line.label}', percentage points",
        header=("setting", "pairs", "fitted", "difference", "p"),
        rows=tuple(rows),
        notes=(_PAIRED,),
        data=(),
        numeric=(False, True, True, True, True),
    )


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
    rows = []
    for (line, found), p in zip(compared, _corrected([found for _, found in compared]), strict=True):
        half = found.half_width
        ends = "" if half is None else interval(math.exp(found.mean - half), math.exp(found.mean + half), 2)
        rows.append((line.group, line.label, str(found.n), decimal(math.exp(found.mean), 2), ends, p))
    return Table(
        title=title,
        header=("network", "setting", "pairs", f"times as long as {results[0].line.label}", "95 % interval", "p"),
        rows=tuple(rows),
        notes=(_SLOWDOWN,),
        data=(),
        numeric=(False, False, True, True, True, True),
    )


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


def _row(result: Result) -> tuple[str, ...]:
    line, records = result.line, list(result.records.values())
    if not records:
        return (line.group, line.label, "0", "not run", "", "", "")
    counts = {name: len(result.outcomes(name)) for name in ("fitted", "censored", "diverged")}
    outcome = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    left = [record for record in records if record.notes != ["diverged"]]
    training = [record.series["train_accuracy"][-1] for record in left]
    test = [1 - error for error in result.test_errors.values()]
    accuracies = (_percent(training), _percent(test))
    return (line.group, line.label, str(len(records)), outcome, epochs_text(result), *accuracies)


def _percent(values: Sequence[float]) -> str:
    return percent_of(summarise(values)) if values else NONE
