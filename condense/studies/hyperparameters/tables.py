"""Tables of a sweep: accuracies and losses, costs with their estimates, real differences, the ratio rule, the proxies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from condense.report.html import machine
from condense.report.numbers import NONE, decimal, duration, memory, percent_of, scientific, signed, thousands
from condense.report.rendering import Table
from condense.statistics import Summary
from condense.studies.hyperparameters.difference_table import difference_table
from condense.studies.hyperparameters.proxy_study import ProxyResult
from condense.studies.hyperparameters.proxy_table import proxy_table
from condense.studies.hyperparameters.results import RowResult, Sweep, Trained
from condense.studies.hyperparameters.rows import OBJECTIVES, Reported

Value = str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column: its header, its value of a row for CSV, and that value as people read it."""

    header: str
    key: str
    value: Callable[[RowResult], Value]
    text: Callable[[Any], str] = str
    numeric: bool = True


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


def _settings(results: Sequence[RowResult]) -> list[Column]:
    """What rows set: always the network, rate, batch and epochs; the rest where a row has it other than by default."""
    optional = [
        ("momentum", "momentum", 0.0, True),
        ("weight decay", "weight_decay", 0.0, True),
        ("dropout", "dropout", 0.0, True),
        ("objective", "objective", "mean", False),
    ]
    columns = [
        Column("row", "row", lambda result: result.row.name, numeric=False),
        Column("network", "network", lambda result: result.row.network, numeric=False),
        Column("learning rate", "learning_rate", lambda result: result.row.learning_rate, _plain),
        Column("batch", "batch_size", lambda result: result.row.batch_size),
        Column("epochs", "epochs", lambda result: result.row.epochs),
    ]
    for header, key, default, numeric in optional:
        if any(getattr(result.row, key) != default for result in results):
            columns.append(Column(header, key, lambda result, key=key: getattr(result.row, key), _plain, numeric))
    return columns


def accuracy_table(sweep: Sweep) -> Table:
    """One row a configuration: parameters, fit to the training images, test accuracy; beside it what was reported."""
    results = list(sweep.full.done.values())
    columns = [
        *_settings(results),
        Column("parameters", "parameters", lambda result: result.parameters, thousands),
        Column("training accuracy %", "training_accuracy", _training_accuracy, _decimals(1)),
        Column("training loss", "training_loss", lambda result: result.training_loss, _loss),
        Column("× batch / classes", "training_loss_as_reported", lambda r: _summed_loss(r, sweep), _loss),
        *(_mean_columns("held-out", lambda result: result.score) if sweep.asked.held_out is not None else []),
        *_mean_columns("test", lambda result: result.summary),
        Column("n", "n", lambda result: len(result.accuracies)),
    ]
    if any(result.diverged for result in results):
        columns.append(Column("diverged", "diverged", lambda result: len(result.diverged)))
    if sweep.reported:
        columns += [
            Column("reported training %", "reported_training_accuracy", _reported("training_accuracy"), _decimals(1)),
            Column("reported loss", "reported_training_loss", _reported("training_loss"), _decimals(3)),
            Column("reported test %", "reported_test_accuracy", _reported("test_accuracy"), _decimals(2)),
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
    return _without_constants(_table(title, results, columns, notes + _remarks(results)))


def set_table(sweep: Sweep) -> Table:
    """One row a configuration: its test accuracy, trained on all images and on each small set."""
    sources = [one for one in (sweep.full, *sweep.proxies) if one.done]
    done = [result for results in zip(*(one.rows for one in sources), strict=True) if (result := _first(results))]
    plain = _table(
        f"{sweep.asked.grid.title}: {sweep.asked.compared_on} accuracy (%) on {sweep.full.label} and on small sets",
        done,
        _settings(done),
        _set_notes(sweep),
    )
    found = [[one.done.get(result.row.name) for one in sources] for result in done]
    return _without_constants(
        replace(
            plain,
            header=(*plain.header, *(_set_name(sweep, one) for one in sources)),
            rows=tuple((*row, *map(_mean_text, own)) for row, own in zip(plain.rows, found, strict=True)),
            data=tuple(
                {
                    **row,
                    **{one.label: result and _mean_of(result.score) for one, result in zip(sources, own, strict=True)},
                }
                for row, own in zip(plain.data, found, strict=True)
            ),
            numeric=(*plain.numeric, *(True for _ in sources)),
        )
    )


def cost_table(sweep: Sweep) -> Table:
    """Memory and time of every row: estimated before it ran, measured after, and the error."""
    results = list(sweep.full.done.values())
    columns = [
        Column("row", "row", lambda result: result.row.name, numeric=False),
        Column("parameters", "parameters", lambda result: result.parameters, thousands),
        Column("n", "n", lambda result: result.networks),
        Column("steps", "steps", lambda result: result.steps, thousands),
        Column("memory estimated", "memory_estimated", lambda result: result.memory[0], memory),
        Column("measured", "memory_measured", lambda result: result.memory[1], memory),
        Column("error", "memory_error", lambda result: _error(result.memory), _percentage),
        Column("time estimated", "seconds_estimated", lambda result: result.seconds[0], duration),
        Column("measured", "seconds_measured", lambda result: result.seconds[1], duration),
        Column("error", "seconds_error", lambda result: _error(result.seconds), _percentage),
    ]
    if sweep.reported:
        columns += [
            Column("reported memory", "reported_memory_mib", _reported("memory_mib"), lambda mib: f"{mib:.0f} MiB"),
            Column("reported time", "reported_seconds", _reported("seconds"), duration),
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
    return _table(f"{sweep.asked.grid.title}: cost{_on(sweep)}", results, columns, notes)


def ratio_pairs(trained: Trained) -> list[tuple[RowResult, RowResult]]:
    """(A network's row of the smallest batch, another of its rows): what the ratio of epochs to batch size can be tested on.

    From the smallest, so that where arithmetic costs, the rule's error has the same sign for all.
    """
    base: dict[str, RowResult] = {}
    for result in sorted(trained.done.values(), key=lambda result: result.row.batch_size):
        base.setdefault(result.row.network, result)
    others = [result for result in trained.done.values() if base[result.row.network] is not result]
    return [(base[result.row.network], result) for result in others]


def ratio_table(sweep: Sweep) -> Table:
    """The rule 'time goes with epochs / batch size' on measured and reported times, from each network's smallest batch."""
    rows, data = [], []
    for base, result in ratio_pairs(sweep.full):
        ratio = _ratio(result) / _ratio(base)
        per_network = [one.seconds[1] / one.networks for one in (base, result)]
        measured = per_network[1] / per_network[0]
        texts = [result.row.name, base.row.name, decimal(ratio, 2), decimal(measured, 2), _percentage(ratio / measured - 1)]
        values = {"row": result.row.name, "base": base.row.name, "ratio": ratio, "measured": measured}
        if sweep.reported:
            ours = (result.row.reported, base.row.reported)
            reported = ours[0].seconds / ours[1].seconds if ours[0] and ours[1] else None
            error = None if reported is None else ratio / reported - 1
            texts += [NONE if reported is None else decimal(reported, 2), NONE if error is None else _percentage(error)]
            values["reported"] = reported
        rows.append(tuple(texts))
        data.append(values)
    header = ("row", "against row", "epochs / batch", "time measured", "error of the rule")
    header += ("time reported", "error of the rule") if sweep.reported else ()
    notes = (
        "The rule: of one network's times, one is to the other as epochs / batch size, here from its smallest batch. It "
        "holds where a step costs the same whatever its batch; where arithmetic costs, larger batches take longer than it "
        "says (a negative error).",
    )
    numeric = (False, False, *(True for _ in header[2:]))
    return Table("Time by the ratio of epochs to batch size", header, tuple(rows), notes, tuple(data), numeric)


def _table(title: str, results: Sequence[RowResult], columns: Sequence[Column], notes: Sequence[str]) -> Table:
    values = [[column.value(result) for column in columns] for result in results]
    return Table(
        title=title,
        header=tuple(column.header for column in columns),
        rows=tuple(
            tuple(NONE if value is None else column.text(value) for column, value in zip(columns, row, strict=True))
            for row in values
        ),
        notes=tuple(notes),
        data=tuple({column.key: value for column, value in zip(columns, row, strict=True)} for row in values),
        numeric=tuple(column.numeric for column in columns),
    )


_MAY_BE_CONSTANT = ("learning rate", "batch", "epochs", "momentum", "weight decay", "dropout", "objective")


def _without_constants(table: Table) -> Table:
    """The table with settings that all rows share in a note instead of columns; the data for CSV stay whole."""
    values = list(zip(*table.rows, strict=True))
    same = {i for i, name in enumerate(table.header) if name in _MAY_BE_CONSTANT and len(set(values[i])) == 1}
    if len(table.rows) < 2 or not same:
        return table
    kept = [index for index in range(len(table.header)) if index not in same]
    note = f"In all rows: {', '.join(f'{table.header[index]} {values[index][0]}' for index in sorted(same))}."
    return replace(
        table,
        header=tuple(table.header[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
        notes=(note, *table.notes),
        numeric=tuple(table.numeric[index] for index in kept),
    )


def _on(sweep: Sweep) -> str:
    """What a title says of the images where they are not all there are."""
    return f", trained on {sweep.full.label}" if sweep.asked.subset else ""


def _first(results: Sequence[RowResult | None]) -> RowResult | None:
    return next((result for result in results if result is not None), None)


def _mean_text(result: RowResult | None) -> str:
    if result is None:
        return NONE
    return percent_of(result.score) if result.score else "diverged"


def _mean_of(summary: Summary | None) -> float | None:
    return 100 * summary.mean if summary else None


def _training_accuracy(result: RowResult) -> float | None:
    return None if result.training_accuracy is None else 100 * result.training_accuracy


def _mean_columns(on: str, of: Callable[[RowResult], Summary | None]) -> list[Column]:
    """Mean and standard deviation of accuracies on the held-out or the test images."""
    key = f"{on.replace('-', '_')}_accuracy"

    def std(result: RowResult) -> float | None:
        summary = of(result)
        return 100 * summary.std if summary else None

    deviation = Column("± ", f"{key}_std", std, _decimals(2))
    return [Column(f"{on} accuracy %", key, lambda result: _mean_of(of(result)), _decimals(2)), deviation]


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
