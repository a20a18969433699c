"""The tables of a parity run, from its records."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, mean, median, pstdev
from typing import Any

from condense.data.naming import stored_name
from condense.records import Record
from condense.report.numbers import NONE, decimal, mean_and_std, p_value, scientific, with_error
from condense.report.rendering import Column, Table, Value
from condense.statistics import Paired, holm, paired
from condense.studies.parity.comparison import MARGIN
from condense.studies.parity.published import ANSWER, EPOCHS, PRINTED, RATES, SETTINGS, SOURCE, Printed

LEVEL = 0.05


def parts_table(records: Sequence[Record]) -> Table | None:
    """One row a part: verdict, largest relative differences, the first step above the limit; None without parts."""
    parts = [record for record in records if record.task == "part"]
    if not parts:
        return None
    not_run = [
        f"Not run: {record.results['title']}: {record.results['sentence']}"
        for record in parts
        if record.results["status"] == "NOT RUN"
    ]
    notes = (
        "Relative difference: |a - b| / |b| of a loss, the same of norms for each layer's gradient and weights.",
        _floor_note(parts),
        "A control is a deliberate mistake: it passes when it is seen.",
        *not_run,
    )
    return Table.of("Step by step: largest relative differences of two runs", _PARTS, parts, notes)


def _seen(name: str) -> Column[Record]:
    """A largest difference; older records have some of parts that were not run too, which nobody is to read."""

    def text(record: Record) -> str:
        value = record.results[name] if record.results["status"] != "NOT RUN" else None
        return NONE if value is None else scientific(value)

    header = "limit at the end" if name == "limit" else name
    return Column(header, _itself, text, key=name, value=lambda record: record.results[name])


def _itself(record: Record) -> Record:
    return record


_PARTS: list[Column[Record]] = [
    Column(
        "runs",
        _itself,
        lambda one: one.results["title"],
        key="part",
        value=lambda one: one.results["name"],
        numeric=False,
        wide=True,
    ),
    Column("verdict", lambda one: one.results["status"], key="status", numeric=False),
    *map(_seen, ("loss", "gradient", "weight", "limit")),
    Column("first step above the limit", lambda one: one.results["first"] or None, key="first", numeric=False, wide=True),
]


def _moved(records: Sequence[Record]) -> str:
    """By how much weights were moved for the floors of these records; older ones do not say: it was one unit."""
    units = sorted({record.results.get("floor_units", 1) for record in records})
    return " or ".join("one last place" if unit == 1 else f"{unit} units in the last place" for unit in units)


def _floor_note(parts: Sequence[Record]) -> str:
    if all("floor_units" not in record.results for record in parts):
        held, exact = "float32 and controls: losses only, held against 10 times", ""
    else:
        held = f"float32, and controls that have a floor: losses only, held against {MARGIN:.0f} times"
        exact = ", or rounding in that very run (against the same program in float64)"
    return (
        f"Aligned float64: the limit is 1e-11 at every step. {held} the floor, the largest difference that moving the "
        f"initial weights by {_moved(parts)}{exact} has made up to that step."
    )


def cause_table(records: Sequence[Record]) -> Table | None:
    """One row a cause; None where none was measured. p values are corrected over all p values of the table."""
    causes = [record for record in records if record.task == "cause"]
    if not causes:
        return None
    losses = [_paired_losses(record) for record in causes]
    accuracies = [_paired_accuracies(record) for record in causes]
    corrected = holm([one.p for one in [*losses, *accuracies]])
    ps = corrected[: len(causes)], corrected[len(causes) :]
    measured = [_Measured(*row) for row in zip(causes, losses, accuracies, *ps, strict=True)]
    first, pairs = causes[0], len(causes[0].seeds)
    title = f"One change at a time from the aligned run ({stored_name(first.config['dataset'])}, {pairs} paired seeds)"
    tests = sum(p is not None for p in corrected)
    return Table.of(title, _CAUSES, measured, _cause_notes(causes, tests), _cause_data)


def accuracy_table(records: Sequence[Record]) -> Table | None:
    """Test accuracies at fifths of the run, one row a setting; None where no classifier was trained."""
    causes = [record for record in records if record.task == "cause" and record.results["base"] != "regression"]
    if not causes:
        return None
    of_base = {record.results["base"]: record for record in causes}
    rows = [(f"aligned ({base})", record.results["aligned_accuracy"]) for base, record in of_base.items()]
    rows += [(record.results["title"], record.results["accuracy"]) for record in causes]
    columns: list[Column[tuple[str, list]]] = [
        Column("setting", lambda row: row[0], numeric=False, wide=True),
        *(
            Column(f"epoch {epoch}", lambda row, place=place: row[1][place], _accuracy)
            for place, epoch in enumerate(causes[0].results["epochs_tested"])
        ),
        Column("n", lambda row: len(row[1][-1])),
    ]
    notes = (
        "Mean ± standard deviation (ddof = 0) over seeds; (k of n): the other networks' numbers were no longer finite.",
        "An explosion ends in numbers that are not finite, and is counted as such, not as an accuracy.",
    )
    return Table.of("Test accuracy in percent during the run", columns, rows, notes)


def printed_table(records: Sequence[Record]) -> Table | None:
    """What the course report printed beside what the same settings gave here; None where its settings were not run."""
    causes = {
        record.results["name"]: record
        for record in records
        if record.task == "cause" and record.results["base"] == "convolution"
    }
    if not causes:
        return None
    config = next(iter(causes.values())).config
    wanted = SETTINGS | {"learning_rate": RATES.get(config["dataset"])}
    same = all(config[name] == value for name, value in wanted.items())
    printed = PRINTED.get(config["dataset"], ()) if same else ()
    rows = [_beside(one, causes) for one in printed if not one.ours or one.ours in causes]
    if not rows:
        return None
    notes = (
        f"Printed: report 000, {SOURCE}; {', '.join(dict.fromkeys(one.where for one in printed))}. MATLAB's ten runs "
        "had one seed and are one number. Its subsets are not public; ours are class-balanced and others.",
        "The report does not say outright which reduction its PyTorch rows had: the sum explodes, and what it names "
        "beside it is the mean.",
        f"Ours are at the printed epoch where networks were tested then, else at their last. Epochs here are "
        f"{config['epochs']}, the report's {EPOCHS}: where they differ, so may accuracies.",
    )
    return Table.of("Beside the course report: test accuracy in percent", _PRINTED, rows, notes)


ARITHMETIC = "Report 002: from 0.07 to 0.28 is +300 %, four times as much, not the 400 % more that it says."


def claims_table(records: Sequence[Record]) -> Table | None:
    """What was claimed, beside what was measured; None where no cause with a claim was measured."""
    claimed = [record for record in records if record.task == "cause" and record.results["claim"]]
    if not claimed:
        return None
    sources = {"report 000": (f"Report 000: {SOURCE}.",), "report 002": (f"Report 002: {ANSWER}.", ARITHMETIC)}
    said = [
        sentence
        for name, found in sources.items()
        if any(name in one.results["claim"] for one in claimed)
        for sentence in found
    ]
    note = "Loss as printed: times the aligned run's, in the changed run's own loss, as its user would read it."
    return Table.of("Claims and measurements", _CLAIMS, claimed, (note, *said))


_CLAIMS: list[Column[Record]] = [
    Column("claim", lambda one: one.results["claim"], numeric=False, wide=True),
    Column("measured", lambda one: one.results["title"], numeric=False, wide=True),
    Column("d test loss", lambda one: _stopped(one) or with_error(_paired_losses(one), 1, 4)),
    Column("d accuracy, points", lambda one: with_error(_paired_accuracies(one), 100, 2)),
    Column("loss as printed", lambda one: _ratio(one)),
    Column("what closes it", lambda one: _closed(one), numeric=False, wide=True),
]


@dataclass(frozen=True)
class _Measured:
    """A cause with its paired differences, and their p corrected over all of the table."""

    record: Record
    loss: Paired
    accuracy: Paired
    p_loss: float | None
    p_accuracy: float | None

    @property
    def results(self) -> dict[str, Any]:
        return self.record.results

    @property
    def aligned_loss(self) -> float | None:
        """Mean test loss of the aligned run; None where none stayed finite."""
        known = [value for value in self.results["aligned_test_loss"] if value is not None]
        return fmean(known) if known else None


_CAUSES: list[Column[_Measured]] = [
    Column("cause", lambda one: one.record.results["title"], numeric=False, wide=True),
    Column("base", lambda one: one.results["base"], numeric=False),
    Column("first step above floor", lambda one: _first(one.results["first_steps"])),
    Column("test loss, aligned", lambda one: one.aligned_loss, partial(decimal, digits=4)),
    Column(
        "d test loss", lambda one: _stopped(one.record) or with_error(one.loss, 1, 4), bold=lambda one: _real(one.p_loss)
    ),
    Column("p", lambda one: None if _stopped(one.record) else one.p_loss, p_value),
    Column("d accuracy, points", lambda one: with_error(one.accuracy, 100, 2), bold=lambda one: _real(one.p_accuracy)),
    Column("p", lambda one: one.p_accuracy, p_value),
    Column("loss as printed", lambda one: _ratio(one.record)),
    Column("n", lambda one: one.loss.n),
    Column("what closes it", lambda one: one.results["closes"], numeric=False, wide=True),
    Column(
        "first step above floor then",
        lambda one: one.results["closing"],
        lambda closing: _first(closing["first_steps"]),
        numeric=False,
    ),
]


def _real(p: float | None) -> bool:
    return p is not None and p < LEVEL


def _cause_data(one: _Measured) -> dict[str, Value]:
    loss, accuracy = one.loss, one.accuracy
    steps = [step for step in one.results["first_steps"] if step]
    return {
        "cause": one.record.results["name"],
        "base": one.results["base"],
        "first_step": median(steps) if steps else None,
        "d_loss": loss.mean if loss.n else None,
        "d_loss_error": loss.error,
        "d_loss_p": loss.p,
        "d_loss_p_holm": one.p_loss,
        "d_accuracy": accuracy.mean if accuracy.n else None,
        "d_accuracy_error": accuracy.error,
        "d_accuracy_p": accuracy.p,
        "d_accuracy_p_holm": one.p_accuracy,
        "n": loss.n,
    }


def _paired_losses(record: Record) -> Paired:
    return paired(record.results["aligned_test_loss"], record.results["test_loss"])


def _paired_accuracies(record: Record) -> Paired:
    """Of the last test."""
    return paired(record.results["aligned_accuracy"][-1], record.results["accuracy"][-1])


def _cause_notes(causes: Sequence[Record], tests: int) -> tuple[str, ...]:
    epochs = sorted({record.config["epochs"] for record in causes})
    own = "; the regression: own data, 10 epochs" if any(one.results["base"] == "regression" for one in causes) else ""
    return (
        f"Epochs: {', '.join(map(str, epochs))}; batch {causes[0].config['batch']}{own}.",
        f"First step above floor: median over seeds; the floor is what moving the initial weights by {_moved(causes)} "
        "makes; losses of another reduction are scaled to the aligned run's first.",
        "d: changed minus aligned, mean ± standard error over paired seeds; test loss as the aligned run computes it "
        "(cross-entropy, squared error over the batch, or mean squared error).",
        f"p: Student's paired test, corrected by Holm for all {tests} tests of this table; bold: below {LEVEL}.",
        "Loss as printed: in the changed run's own loss, times the aligned one's (a sum: as of one batch).",
        "What closes it: a setting that leaves the default changed and undoes its effect, run and compared step by step "
        "(losses scaled likewise); 'the default set back' is the aligned run itself, and not run again.",
    )


@dataclass(frozen=True)
class _Beside:
    """What was printed, and ours: the title of its setting, accuracies (fractions) by seed, and the epoch of these."""

    printed: Printed
    setting: str
    ours: list[float | None]
    epoch: int


def _beside(one: Printed, causes: dict[str, Record]) -> _Beside:
    record = causes[one.ours] if one.ours else next(iter(causes.values()))
    tested = record.results["epochs_tested"]
    place = tested.index(one.epoch) if one.epoch in tested else -1
    ours = record.results["accuracy" if one.ours else "aligned_accuracy"][place]
    return _Beside(one, record.results["title"] if one.ours else "aligned with simpleNN", ours, tested[place])


def _runs(runs: Sequence[float]) -> str:
    return _accuracy([value / 100 for value in runs]) if len(runs) > 1 else decimal(runs[0], 2)


_PRINTED: list[Column[_Beside]] = [
    Column("program", lambda one: one.printed.program, numeric=False),
    Column("printed", lambda one: one.printed.runs, _runs),
    Column("n", lambda one: len(one.printed.runs)),
    Column("at epoch", lambda one: one.printed.epoch),
    Column("our setting", lambda one: one.setting, numeric=False),
    Column("ours", lambda one: one.ours, lambda accuracies: _accuracy(accuracies)),
    Column("n", lambda one: len(one.ours)),
    Column("at epoch", lambda one: one.epoch),
]


def _stopped(record: Record) -> str:
    """From which step on losses are not finite, of how many; '' where all stay finite."""
    from_step = record.results["not_finite_from"]
    stopped = [step for step in from_step if step is not None]
    if not stopped:
        return ""
    some = "" if len(stopped) == len(from_step) else f" ({len(stopped)} of {len(from_step)})"
    total = f" of {record.results['steps']}" if "steps" in record.results else ""  # older records do not say
    return f"not finite from step {min(stopped)}{total}{some}"


def _closed(record: Record) -> str:
    """What closes a cause, and where the run that was closed so leaves the floor."""
    closes, closing = record.results["closes"], record.results["closing"]
    if closing is None:
        return closes
    finite = "finite" if closing["largest"] is not None else "not finite"
    return f"{closes}: {finite}, first step above floor {_first(closing['first_steps'])}"


def _accuracy(values: Sequence[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if not known:
        return "not finite"
    some = "" if len(known) == len(values) else f" ({len(known)} of {len(values)})"
    return f"{mean_and_std(mean(known), pstdev(known), 2)}{some}"


def _first(steps: Sequence[int | None]) -> str:
    reached = [step for step in steps if step is not None]
    if not reached:
        return "never"
    some = "" if len(reached) == len(steps) else f" ({len(reached)} of {len(steps)})"
    return f"{median(reached):g}{some}"


def _ratio(record: Record) -> str:
    printed = [value for value in record.results["printed_loss"] if value is not None]
    aligned = [value for value in record.results["aligned_printed_loss"] if value is not None]
    return decimal(mean(printed) / mean(aligned), 2) if printed and aligned else NONE
