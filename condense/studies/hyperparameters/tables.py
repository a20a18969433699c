"""Tables of a sweep: accuracies and losses, costs with their estimates, real differences, the ratio rule, the proxies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from condense.report.html import machine
from condense.report.numbers import decimal, duration, memory, percent_of, scientific, signed, thousands
from condense.report.rendering import Column, Table, plain_values
from condense.statistics import Summary
from condense.studies.hyperparameters.difference_table import difference_table
from condense.studies.hyperparameters.proxy_study import ProxyResult
from condense.studies.hyperparameters.proxy_table import proxy_table
from condense.studies.hyperparameters.results import RowResult, Sweep, Trained
from condense.studies.hyperparameters.rows import OBJECTIVES, Reported


def sweep_tables(sweep: Sweep, found: Sequence[ProxyResult]) -> list[Table]:
    """All tables there is something to say in; found: what `studied` says of the proxies."""
    if not sweep.full.done and not any(proxy.done for proxy in sweep.proxies):
        return []
    tables = [accuracy_table(sweep), cost_table(sweep)] if sweep.full.done else []
    if len(sweep.full.comparable) > 1:
        tables.append(difference_table(list(sweep.full.comparable.values()), sweep.asked.compared_on))
    if any(_ratio(base) != _ratio(result) for base, result in ratio_pairs(sweep.full)):
        tables.append(ratio_table(sweep))
    if found:
        tables.append(proxy_table(found, sweep))
    return [*tables, *([set_table(sweep)] if any(proxy.done for proxy in sweep.proxies) else [])]


def _settings(results: Sequence[RowResult]) -> list[Column[RowResult]]:
    """What rows set: always the network, rate, batch and epochs; the rest where a row has it other than by default."""
    optional = [
        ("momentum", "momentum", 0.0, True),
        ("weight decay", "weight_decay", 0.0, True),
        ("dropout", "dropout", 0.0, True),
        ("objective", "objective", "mean", False),
    ]
    columns: list[Column[RowResult]] = [
        Column("row", lambda result: result.row.name, key="row", numeric=False),
        Column("network", lambda result: result.row.network, key="network", numeric=False),
        Column("learning rate", lambda result: result.row.learning_rate, _plain, key="learning_rate"),
        Column("batch", lambda result: result.row.batch_size, key="batch_size"),
        Column("epochs", lambda result: result.row.epochs, key="epochs"),
    ]
    for header, key, default, numeric in optional:
        if any(getattr(result.row, key) != default for result in results):
            columns.append(
                Column(header, lambda result, key=key: getattr(result.row, key), _plain, key=key, numeric=numeric)
            )
    return columns


def accuracy_table(sweep: Sweep) -> Table:
    """One row a configuration: parameters, fit to the training images, test accuracy; beside it what was reported."""
    results = list(sweep.full.done.values())
    columns: list[Column[RowResult]] = [
        *_settings(results),
        Column("parameters", lambda result: result.parameters, thousands, key="parameters"),
        Column("training accuracy %", _training_accuracy, _decimals(1), key="training_accuracy"),
        Column("training loss", lambda result: result.training_loss, _loss, key="training_loss"),
        Column("× batch / classes", lambda r: _summed_loss(r, sweep), _loss, key="training_loss_as_reported"),
        *(_mean_columns("held-out", lambda result: result.score) if sweep.asked.held_out is not None else []),
        *_mean_columns("test", lambda result: result.summary),
        Column("n", lambda result: len(result.accuracies), key="n"),
    ]
    if any(result.diverged for result in results):
        columns.append(Column("diverged", lambda result: len(result.diverged), key="diverged"))
    if sweep.reported:
        columns += [
            Column("reported training %", _reported("training_accuracy"), _decimals(1), key="reported_training_accuracy"),
            Column("reported loss", _reported("training_loss"), _decimals(3), key="reported_training_loss"),
            Column("reported test %", _reported("test_accuracy"), _decimals(2), key="reported_test_accuracy"),
        ]
    notes = [
        "Training accuracy and loss: of the trained networks on the images they were trained on; the loss is the mean "
        "cross-entropy per image, without the penalty. Means over n networks; ±: standard deviation (ddof = 0).",
        "× batch / classes: the same loss summed over a batch (at most all images there are) and divided by the number of "
        "classes, which exceeds 1 where the loss exceeds classes / batch: the larger the batch, the better the fit may be.",
    ]
    if any(result.row.objective == "summed" for result in results):
        notes.append(
            f"Objective summed: {OBJECTIVES['summed']}; learning rate and weight decay (d / 2 |w|² is added) belong to it. "
            "In steps on the mean, the rate is so many times batch / classes, the decay as many times smaller."
        )
    notes += [f"Reported: {sweep.asked.grid.source}."] if sweep.reported else []
    notes += _compared_on(sweep)
    if any(result.diverged for result in results):
        notes.append("Networks whose training diverged are counted apart, and are in no mean and no comparison.")
    title = f"{sweep.asked.grid.title}: accuracy{_on(sweep)}"
    return _without_constants(title, results, columns, notes + _remarks(results))


def set_table(sweep: Sweep) -> Table:
    """One row a configuration: its test accuracy, trained on all images and on each small set."""
    sources = [one for one in (sweep.full, *sweep.proxies) if one.done]
    done = [result for results in zip(*(one.rows for one in sources), strict=True) if (result := _first(results))]

    def trained_on(one: Trained) -> Column[RowResult]:
        def mean(result: RowResult) -> float | None:
            return _mean_of(result.score)

        return Column(_set_name(sweep, one), lambda row: one.done.get(row.row.name), _mean_text, key=one.label, value=mean)

    title = f"{sweep.asked.grid.title}: {sweep.asked.compared_on} accuracy (%) on {sweep.full.label} and on small sets"
    return _without_constants(title, done, [*_settings(done), *map(trained_on, sources)], _set_notes(sweep))


def cost_table(sweep: Sweep) -> Table:
    """Memory and time of every row: estimated before it ran, measured after, and the error."""
    results = list(sweep.full.done.values())
    columns: list[Column[RowResult]] = [
        Column("row", lambda result: result.row.name, key="row", numeric=False),
        Column("parameters", lambda result: result.parameters, thousands, key="parameters"),
        Column("n", lambda result: result.networks, key="n"),
        Column("steps", lambda result: result.steps, thousands, key="steps"),
        Column("memory estimated", lambda result: result.memory[0], memory, key="memory_estimated"),
        Column("measured", lambda result: result.memory[1], memory, key="memory_measured"),
        Column("error", lambda result: _error(result.memory), _percentage, key="memory_error"),
        Column("time estimated", lambda result: result.seconds[0], duration, key="seconds_estimated"),
        Column("measured", lambda result: result.seconds[1], duration, key="seconds_measured"),
        Column("error", lambda result: _error(result.seconds), _percentage, key="seconds_error"),
    ]
    if sweep.reported:
        columns += [
            Column("reported memory", _reported("memory_mib"), lambda mib: f"{mib:.0f} MiB", key="reported_memory_mib"),
            Column("reported time", _reported("seconds"), duration, key="reported_seconds"),
        ]
    memory_errors, time_errors = ([abs(_error(pair)) for pair in found] for found in _pairs(results))
    first = results[0].records[0]
    notes = [
        f"Errors: (estimated − measured) / measured. Memory within 15 % in {sum(e <= 0.15 for e in memory_errors)} of "
        f"{len(results)} rows, time within 25 % in {sum(e <= 0.25 for e in time_errors)}.",
        "Time: of training all n networks of a row (steps are those of one), on "
        f"{machine(first.device, first.threads)}; estimated as networks × (steps × "
        "constant + images × multiply-adds / rate), constant and rate probed for each network before the run.",
        "Memory: peak of the process while the row trains and tests (of the allocator on a GPU); estimated as context "
        "(the process before it trains) + data + weights, gradients, optimiser state + activations.",
    ]
    if sweep.reported:
        notes.append("Reported memory and time are of one network on an NVIDIA T4.")
    return Table.of(f"{sweep.asked.grid.title}: cost{_on(sweep)}", columns, results, notes)


def ratio_pairs(trained: Trained) -> list[tuple[RowResult, RowResult]]:
    """(A network's row of the smallest batch, another of its rows): what the ratio of epochs to batch size can be tested on.

    From the smallest, so that where arithmetic costs, the rule's error has the same sign for all.
    """
    base: dict[str, RowResult] = {}
    for result in sorted(trained.done.values(), key=lambda result: result.row.batch_size):
        base.setdefault(result.row.network, result)
    others = [result for result in trained.done.values() if base[result.row.network] is not result]
    return [(base[result.row.network], result) for result in others]


@dataclass(frozen=True)
class _Ratio:
    """The rule's answer for two rows of a network, and what was measured and reported: one's time over the other's."""

    row: RowResult
    base: RowResult

    @property
    def ruled(self) -> float:
        return _ratio(self.row) / _ratio(self.base)

    @property
    def measured(self) -> float:
        seconds, of_base = (one.seconds[1] / one.networks for one in (self.row, self.base))
        return seconds / of_base

    @property
    def reported(self) -> float | None:
        ours, of_base = self.row.row.reported, self.base.row.reported
        return ours.seconds / of_base.seconds if ours and of_base else None

    def error(self, time: float | None) -> float | None:
        """Of the rule, against a ratio of times."""
        return None if time is None else self.ruled / time - 1


def ratio_table(sweep: Sweep) -> Table:
    """The rule 'time goes with epochs / batch size' on measured and reported times, from each network's smallest batch."""
    columns: list[Column[_Ratio]] = [
        Column("row", lambda one: one.row.row.name, key="row", numeric=False),
        Column("against row", lambda one: one.base.row.name, key="base", numeric=False),
        Column("epochs / batch", lambda one: one.ruled, _decimals(2), key="ratio"),
        Column("time measured", lambda one: one.measured, _decimals(2), key="measured"),
        Column("error of the rule", lambda one: one.error(one.measured), _percentage),
    ]
    if sweep.reported:
        reported: list[Column[_Ratio]] = [
            Column("time reported", lambda one: one.reported, _decimals(2), key="reported"),
            Column("error of the rule", lambda one: one.error(one.reported), _percentage),
        ]
        columns += reported
    note = (
        "The rule: of one network's times, one is to the other as epochs / batch size, here from its smallest batch. It "
        "holds where a step costs the same whatever its batch; where arithmetic costs, larger batches take longer than it "
        "says (a negative error)."
    )
    pairs = [_Ratio(result, base) for base, result in ratio_pairs(sweep.full)]
    return Table.of("Time by the ratio of epochs to batch size", columns, pairs, [note])


_MAY_BE_CONSTANT = ("learning rate", "batch", "epochs", "momentum", "weight decay", "dropout", "objective")


def _without_constants(
    title: str, results: Sequence[RowResult], columns: Sequence[Column[RowResult]], notes: Sequence[str]
) -> Table:
    """The table with settings that all rows share in a note instead of columns; the data for CSV stay whole."""
    texts = {at: {column.shown(result) for result in results} for at, column in enumerate(columns)}
    same = [at for at, one in enumerate(columns) if one.name in _MAY_BE_CONSTANT and len(texts[at]) == 1 < len(results)]
    kept = [column for at, column in enumerate(columns) if at not in same]
    shared = ", ".join(f"{columns[at].name} {next(iter(texts[at]))}" for at in same)
    notes = [*([f"In all rows: {shared}."] if shared else []), *notes]
    return Table.of(title, kept, results, notes, partial(plain_values, columns))


def _on(sweep: Sweep) -> str:
    """What a title says of the images where they are not all there are."""
    return f", trained on {sweep.full.label}" if sweep.asked.subset else ""


def _first(results: Sequence[RowResult | None]) -> RowResult | None:
    return next((result for result in results if result is not None), None)


def _mean_text(result: RowResult) -> str:
    return percent_of(result.score) if result.score else "diverged"


def _mean_of(summary: Summary | None) -> float | None:
    return 100 * summary.mean if summary else None


def _training_accuracy(result: RowResult) -> float | None:
    return None if result.training_accuracy is None else 100 * result.training_accuracy


def _mean_columns(on: str, of: Callable[[RowResult], Summary | None]) -> list[Column[RowResult]]:
    """Mean and standard deviation of accuracies on the held-out or the test images."""
    key = f"{on.replace('-', '_')}_accuracy"

    def std(result: RowResult) -> float | None:
        summary = of(result)
        return 100 * summary.std if summary else None

    deviation: Column[RowResult] = Column("± ", std, _decimals(2), key=f"{key}_std")
    return [Column(f"{on} accuracy %", lambda result: _mean_of(of(result)), _decimals(2), key=key), deviation]


def _compared_on(sweep: Sweep) -> list[str]:
    """On which images rows are compared."""
    held_out, more = sweep.asked.held_out, ""
    if held_out is None:
        return ["Rows are compared, and small sets judged, on the test images."]
    if sweep.reported:
        more = f" What was reported is of networks trained on all {sweep.asked.whole_images or 0:,}."
    return [
        f"Rows are compared, and small sets judged, on {held_out:,} training images held out for it (a fifth of a class); "
        f"the test images give the final number.{more}"
    ]


def _set_name(sweep: Sweep, one: Trained) -> str:
    """A number for a small set, as its label is long."""
    return sweep.full.label if one is sweep.full else f"set {sweep.proxies.index(one) + 1}"


def _set_notes(sweep: Sweep) -> list[str]:
    shown = [one for one in sweep.proxies if one.done]
    named = "; ".join(f"{_set_name(sweep, one)}: {one.label}" for one in shown)
    remarks = [
        f"On {_set_name(sweep, one)}, {said[0].lower()}{said[1:]}"
        for one in shown
        for said in _remarks(list(one.done.values()))
    ]
    counts = sorted({len(result.compared) for one in (sweep.full, *shown) for result in one.comparable.values()})
    return [
        f"{named[0].upper()}{named[1:]}.",
        f"Mean ± standard deviation (ddof = 0) over networks ({' or '.join(map(str, counts))} a row).",
        *remarks,
    ]


def _summed_loss(result: RowResult, sweep: Sweep) -> float | None:
    loss, classes = result.training_loss, sweep.asked.classes
    batch = min(result.row.batch_size, result.records[0].config["train_images"])
    return None if loss is None else loss * batch / classes


def _reported(name: str) -> Callable[[RowResult], float | None]:
    def value(result: RowResult) -> float | None:
        found: Reported | None = result.row.reported
        return getattr(found, name) if found else None

    return value


def _pairs(results: Sequence[RowResult]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    return [result.memory for result in results], [result.seconds for result in results]


def _ratio(result: RowResult) -> float:
    return result.row.epochs / result.row.batch_size


def _error(pair: tuple[float, float]) -> float:
    """(Estimated - measured) / measured."""
    return pair[0] / pair[1] - 1


def _percentage(value: float) -> str:
    return f"{signed(100 * value, 0, sign_of_zero=True)} %"


def _decimals(count: int) -> Callable[[float], str]:
    return partial(decimal, digits=count)


def _loss(value: float) -> str:
    """Three decimals, but of a loss that has exploded without becoming infinite its magnitude."""
    return decimal(value, 3) if value < 1e4 else scientific(value)


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _remarks(results: Sequence[RowResult]) -> list[str]:
    """Remarks of the records, with their row."""
    return [f"Row {result.row.name}: {note}." for result in results for record in result.records for note in record.notes]
