"""The tables of a parity run, from its records."""

from collections.abc import Sequence
from statistics import mean, median, pstdev

from condense.data.naming import stored_name
from condense.report.numbers import NONE, decimal, mean_and_std, p_value, scientific, with_error
from condense.report.rendering import Table
from condense.statistics import Paired, holm, paired
from condense.studies.parity.comparison import MARGIN
from condense.studies.parity.published import ANSWER, EPOCHS, PRINTED, RATES, SETTINGS, SOURCE, Printed
from condense.studies.parity.records import ParityRecord

LEVEL = 0.05


def parts_table(records: Sequence[ParityRecord]) -> Table | None:
    """One row a part: verdict, largest relative differences, the first step above the limit; None without parts."""
    parts = [record for record in records if record.kind == "part"]
    if not parts:
        return None
    rows, data = [], []
    for record in parts:
        found = record.results
        numbers = [found[name] for name in ("loss", "gradient", "weight", "limit")]
        compared = found["status"] != "NOT RUN"
        texts = [(scientific(value) if value is not None else NONE) if compared else NONE for value in numbers]
        rows.append((record.title, found["status"], *texts, found["first"] or NONE))
        names = ("part", "status", "loss", "gradient", "weight", "limit", "first")
        data.append(dict(zip(names, (record.name, found["status"], *numbers, found["first"]), strict=True)))
    not_run = [
        f"Not run: {record.title}: {record.results['sentence']}" for record in parts if record.results["status"] == "NOT RUN"
    ]
    return Table(
        title="Step by step: largest relative differences of two runs",
        header=("runs", "verdict", "loss", "gradient", "weight", "limit at the end", "first step above the limit"),
        rows=tuple(rows),
        notes=(
            "Relative difference: |a - b| / |b| of a loss, the same of norms for each layer's gradient and weights.",
            _floor_note(parts),
            "A control is a deliberate mistake: it passes when it is seen.",
            *not_run,
        ),
        data=tuple(data),
        numeric=(False, False, True, True, True, True, False),
        wide=frozenset({0, 6}),
    )


def _moved(records: Sequence[ParityRecord]) -> str:
    """By how much weights were moved for the floors of these records; older ones do not say: it was one unit."""
    units = sorted({record.results.get("floor_units", 1) for record in records})
    return " or ".join("one last place" if unit == 1 else f"{unit} units in the last place" for unit in units)


def _floor_note(parts: Sequence[ParityRecord]) -> str:
    if all("floor_units" not in record.results for record in parts):
        held, exact = "float32 and controls: losses only, held against 10 times", ""
    else:
        held = f"float32, and controls that have a floor: losses only, held against {MARGIN:.0f} times"
        exact = ", or rounding in that very run (against the same program in float64)"
    return (
        f"Aligned float64: the limit is 1e-11 at every step. {held} the floor, the largest difference that moving the "
        f"initial weights by {_moved(parts)}{exact} has made up to that step."
    )


def cause_table(records: Sequence[ParityRecord]) -> Table | None:
    """One row a cause; None where none was measured. p values are corrected over all p values of the table."""
    causes = [record for record in records if record.kind == "cause"]
    if not causes:
        return None
    losses = [paired(record.results["aligned_test_loss"], record.results["test_loss"]) for record in causes]
    accuracies = [paired(record.results["aligned_accuracy"][-1], record.results["accuracy"][-1]) for record in causes]
    corrected = holm([one.p for one in [*losses, *accuracies]])
    rows = tuple(
        _cause_row(*row)
        for row in zip(causes, losses, accuracies, corrected[: len(causes)], corrected[len(causes) :], strict=True)
    )
    tests = sum(p is not None for p in corrected)
    first, pairs = causes[0], len(causes[0].results["seeds"])
    return Table(
        title=f"One change at a time from the aligned run ({stored_name(first.config['dataset'])}, {pairs} paired seeds)",
        header=(
            *(
                "cause",
                "base",
                "first step above floor",
                "test loss, aligned",
                "d test loss",
                "p",
                "d accuracy, points",
                "p",
            ),
            *("loss as printed", "n", "what closes it", "first step above floor then"),
        ),
        rows=rows,
        notes=_cause_notes(causes, tests),
        data=tuple(
            _cause_data(*row) for row in zip(causes, losses, accuracies, corrected, corrected[len(causes) :], strict=False)
        ),
        numeric=(False, False, *(True,) * 8, False, False),
        bold=frozenset(
            (row, column)
            for row in range(len(causes))
            for column, offset in ((4, 0), (6, len(causes)))
            if (p := corrected[row + offset]) is not None and p < LEVEL
        ),
        wide=frozenset({0, 10}),
    )


def accuracy_table(records: Sequence[ParityRecord]) -> Table | None:
    """Test accuracies at fifths of the run, one row a setting; None where no classifier was trained."""
    causes = [record for record in records if record.kind == "cause" and record.results["base"] != "regression"]
    if not causes:
        return None
    of_base = {record.results["base"]: record for record in causes}
    rows = [(f"aligned ({base})", record.results["aligned_accuracy"]) for base, record in of_base.items()]
    rows += [(record.title, record.results["accuracy"]) for record in causes]
    return Table(
        title="Test accuracy in percent during the run",
        header=("setting", *(f"epoch {epoch}" for epoch in causes[0].results["epochs_tested"]), "n"),
        rows=tuple((name, *map(_accuracy, tests), str(len(tests[-1]))) for name, tests in rows),
        notes=(
            "Mean ± standard deviation (ddof = 0) over seeds; (k of n): the other networks' numbers were no longer finite.",
            "An explosion ends in numbers that are not finite, and is counted as such, not as an accuracy.",
        ),
        data=(),
        numeric=(False, *(True for _ in causes[0].results["epochs_tested"]), True),
        wide=frozenset({0}),
    )


def printed_table(records: Sequence[ParityRecord]) -> Table | None:
    """What the course report printed beside what the same settings gave here; None where its settings were not run."""
    causes = {
        record.name: record for record in records if record.kind == "cause" and record.results["base"] == "convolution"
    }
    if not causes:
        return None
    config = next(iter(causes.values())).config
    wanted = SETTINGS | {"learning_rate": RATES.get(config["dataset"])}
    same = all(config[name] == value for name, value in wanted.items())
    printed = PRINTED.get(config["dataset"], ()) if same else ()
    rows = [_printed_row(one, causes) for one in printed if not one.ours or one.ours in causes]
    if not rows:
        return None
    return Table(
        title="Beside the course report: test accuracy in percent",
        header=("program", "printed", "n", "at epoch", "our setting", "ours", "n", "at epoch"),
        rows=tuple(rows),
        notes=(
            f"Printed: report 000, {SOURCE}; {', '.join(dict.fromkeys(one.where for one in printed))}. MATLAB's ten runs "
            "had one seed and are one number. Its subsets are not public; ours are class-balanced and others.",
            "The report does not say outright which reduction its PyTorch rows had: the sum explodes, and what it names "
            "beside it is the mean.",
            f"Ours are at the printed epoch where networks were tested then, else at their last. Epochs here are "
            f"{config['epochs']}, the report's {EPOCHS}: where they differ, so may accuracies.",
        ),
        data=(),
        numeric=(False, True, True, True, False, True, True, True),
    )


ARITHMETIC = "Report 002: from 0.07 to 0.28 is +300 %, four times as much, not the 400 % more that it says."


def claims_table(records: Sequence[ParityRecord]) -> Table | None:
    """What was claimed, beside what was measured; None where no cause with a claim was measured."""
    claimed = [record for record in records if record.kind == "cause" and record.results["claim"]]
    if not claimed:
        return None
    rows = []
    for record in claimed:
        loss = paired(record.results["aligned_test_loss"], record.results["test_loss"])
        accuracy = paired(record.results["aligned_accuracy"][-1], record.results["accuracy"][-1])
        differences = _stopped(record) or with_error(loss, 1, 4), with_error(accuracy, 100, 2)
        rows.append((record.results["claim"], record.title, *differences, _ratio(record), _closed(record)))
    sources = {"report 000": (f"Report 000: {SOURCE}.",), "report 002": (f"Report 002: {ANSWER}.", ARITHMETIC)}
    said = [sentence for name, found in sources.items() if any(name in row[0] for row in rows) for sentence in found]
    return Table(
        title="Claims and measurements",
        header=("claim", "measured", "d test loss", "d accuracy, points", "loss as printed", "what closes it"),
        rows=tuple(rows),
        notes=(
            "Loss as printed: times the aligned run's, in the changed run's own loss, as its user would read it.",
            *said,
        ),
        data=(),
        numeric=(False, False, True, True, True, False),
        wide=frozenset({0, 1, 5}),
    )


def _cause_row(
    record: ParityRecord, loss: Paired, accuracy: Paired, p_loss: float | None, p_accuracy: float | None
) -> tuple:
    found = record.results
    base = paired([0.0] * len(found["seeds"]), found["aligned_test_loss"])
    stopped = _stopped(record)
    first = _first(found["first_steps"])
    differences = (with_error(loss, 1, 4), p_value(p_loss), with_error(accuracy, 100, 2), p_value(p_accuracy))
    if stopped:
        differences = (stopped, NONE, *differences[2:])
    closing = found["closing"]
    left = NONE if closing is None else _first(closing["first_steps"])
    return (
        record.title,
        found["base"],
        first,
        decimal(base.mean, 4),
        *differences,
        _ratio(record),
        str(loss.n),
        found["closes"],
        left,
    )


def _cause_data(
    record: ParityRecord, loss: Paired, accuracy: Paired, p_loss: float | None, p_accuracy: float | None
) -> dict:
    steps = [step for step in record.results["first_steps"] if step]
    return {
        "cause": record.name,
        "base": record.results["base"],
        "first_step": median(steps) if steps else None,
        "d_loss": loss.mean if loss.n else None,
        "d_loss_error": loss.error,
        "d_loss_p": loss.p,
        "d_loss_p_holm": p_loss,
        "d_accuracy": accuracy.mean if accuracy.n else None,
        "d_accuracy_error": accuracy.error,
        "d_accuracy_p": accuracy.p,
        "d_accuracy_p_holm": p_accuracy,
        "n": loss.n,
    }


def _cause_notes(causes: Sequence[ParityRecord], tests: int) -> tuple[str, ...]:
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


def _printed_row(one: Printed, causes: dict[str, ParityRecord]) -> tuple[str, ...]:
    record = causes[one.ours] if one.ours else next(iter(causes.values()))
    ours = record.results["accuracy" if one.ours else "aligned_accuracy"]
    tested = record.results["epochs_tested"]
    place = tested.index(one.epoch) if one.epoch in tested else -1
    several = len(one.runs) > 1
    printed = _accuracy([value / 100 for value in one.runs]) if several else decimal(mean(one.runs), 2)
    setting = record.title if one.ours else "aligned with simpleNN"
    return (
        one.program,
        printed,
        str(len(one.runs)),
        str(one.epoch),
        setting,
        _accuracy(ours[place]),
        str(len(ours[place])),
        str(tested[place]),
    )


def _stopped(record: ParityRecord) -> str:
    """From which step on losses are not finite, of how many; '' where all stay finite."""
    from_step = record.results["not_finite_from"]
    stopped = [step for step in from_step if step is not None]
    if not stopped:
        return ""
    some = "" if len(stopped) == len(from_step) else f" ({len(stopped)} of {len(from_step)})"
    total = f" of {record.results['steps']}" if "steps" in record.results else ""  # older records do not say
    return f"not finite from step {min(stopped)}{total}{some}"


def _closed(record: ParityRecord) -> str:
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


def _ratio(record: ParityRecord) -> str:
    printed = [value for value in record.results["printed_loss"] if value is not None]
    aligned = [value for value in record.results["aligned_printed_loss"] if value is not None]
    return decimal(mean(printed) / mean(aligned), 2) if printed and aligned else NONE
