"""Tables of accuracies, made from records."""

from collections.abc import Iterable, Sequence
from functools import partial

from condense.errors import CondenseError
from condense.records import Record
from condense.report.cells import Cell, cells, distinguishing_settings, protocol_notes
from condense.report.numbers import interval, mean_and_std, percent_of, signed
from condense.report.published import Published
from condense.report.rendering import Column, Table, Value

_FIXED = ("data set", "images/class", "method", "learned with", "trained with", "protocol")
_NUMERIC = {"images/class"}

_STATISTICS = (
    "Accuracy: percent of the test images classified correctly, mean ± standard deviation over all networks (ddof = 0, "
    "as published).",
    "95 % interval: of the mean, by Student's t (ddof = 1), within 0 to 100; over networks for one set, over sets and "
    "networks for several; none for fewer than three.",
    "n: networks trained from scratch, each with its own seed; '3 × 20' means 3 sets with 20 networks on each.",
)
_LOST = "Diverged: networks whose training ended in numbers that are not finite; they are left out of all else."
_DIFFERENCE = "Difference: own minus {} mean in percentage points, where both are under the same protocol."


def accuracy_table(records: Iterable[Record]) -> Table:
    """One row for each setting evaluated: accuracy with spread and interval, n, and the published number beside it.

    Settings that differ between rows which otherwise look the same (such as iterations) get a column of their own.
    Raises `CondenseError` when there is no evaluation among the records or one lacks a needed key.
    """
    found, remarks = cells(records)
    if not found:
        raise CondenseError("There are no evaluations among the records, so there is no table of accuracies.")
    extra = distinguishing_settings(found)
    notes = (*_STATISTICS, *_notes(found), *remarks)
    difference: Column[Cell] = Column("difference", lambda cell: cell.difference, signed, missing="")
    columns = [*_columns(extra), *map(_of_kind, _kinds(found, "published")), difference]
    return Table.of("Test accuracy of networks trained from scratch", columns, found, notes, partial(cell_data, extra=extra))


def _columns(extra: Sequence[str]) -> list[Column[Cell]]:
    """What a row is of, and what was measured."""
    return [
        *(
            Column(name, lambda cell, place=place: cell.fixed[place], numeric=name in _NUMERIC)
            for place, name in enumerate(_FIXED)
        ),
        *(Column(name, lambda cell, name=name: cell.settings.get(name), numeric=False) for name in extra),
        Column("accuracy %", own_accuracy),
        Column("95 % interval", _interval),
        Column("n", lambda cell: cell.size),
    ]


def _interval(cell: Cell) -> str | None:
    low, high = (cell.summary.low, cell.summary.high) if cell.networks else (None, None)
    return None if low is None or high is None else interval(100 * low, 100 * high)


def _of_kind(kind: str) -> Column[Cell]:
    """The numbers of others that are called so."""

    def number(cell: Cell) -> Published | None:
        return cell.published if cell.published and cell.published.kind == kind else None

    return Column(f"{kind} %", number, lambda published: mean_and_std(published.mean, published.std), missing="")


def _kinds(found: Sequence[Cell], *always: str) -> list[str]:
    """What the numbers of others beside ours are called: 'published', 'reported', both or neither; and those of `always`."""
    kinds = {*always, *(cell.published.kind for cell in found if cell.published)}
    return [kind for kind in ("published", "reported") if kind in kinds]


def own_accuracy(cell: Cell) -> str:
    """The mean and standard deviation of a cell in percent, as text; 'diverged' where no network came through."""
    return percent_of(cell.summary) if cell.networks else "diverged"


def cell_data(cell: Cell, extra: Sequence[str] = ()) -> dict[str, Value]:
    """A cell as plain values for CSV; accuracies in percent with four decimals, empty where all networks diverged."""
    summary, published = cell.summary if cell.networks else None, cell.published
    learning = dict.fromkeys(("schedule", "iterations", "init", "distance", "precision", *extra))
    names = ("mean", "std", "low", "high", "minimum", "maximum")
    measured = {name: getattr(summary, name) if summary else None for name in names}
    return {
        "dataset": cell.dataset,
        **({} if cell.subset is None else {"train_size": cell.subset}),
        "images_per_class": cell.images_per_class,
        "method": cell.method,
        **({"labels": "soft"} if cell.soft else {}),
        **({"classes": "unequal"} if cell.unequal else {}),
        **({"form": ", ".join(cell.form)} if cell.form else {}),
        "learned_with": cell.learned_with,
        "trained_with": cell.trained_with,
        "protocol": cell.protocol,
        **{name: cell.settings.get(name) for name in learning},
        **{f"{name}_percent": None if value is None else round(100 * value, 4) for name, value in measured.items()},
        "n": len(cell.networks),
        "sets": len(cell.accuracies),
        **({"diverged": cell.lost} if cell.lost else {}),
        **_of_others(published),
        "difference_points": None if cell.difference is None else round(cell.difference, 4),
    }


def _of_others(published: Published | None) -> dict[str, str | float | None]:
    """The numbers of others for CSV: the published ones, or under names of their own those of the reproduction report."""
    names = ("mean_percent", "std_percent", "n", "source", "protocol")
    empty: dict[str, str | float | None] = {f"published_{name}": None for name in names}
    if published is None:
        return empty
    values = (published.mean, published.std, published.n, published.source, published.protocol)
    return empty | {f"{published.kind}_{name}": value for name, value in zip(names, values, strict=True)}


def _notes(found: Sequence[Cell]) -> list[str]:
    """Protocols, how the sets were learned, and the sources of the published numbers, as far as this table has them."""
    notes = protocol_notes(found)
    notes += dict.fromkeys(_learning(cell) for cell in found if {"iterations", "schedule"} & cell.settings.keys())
    published = dict.fromkeys((p.kind.capitalize(), p.n, p.source) for p in (cell.published for cell in found) if p)
    notes += [f"{kind}{f' (n = {n})' if n else ''}: {source}." for kind, n, source in published]
    compared = _kinds([cell for cell in found if cell.difference is not None])
    notes += [_DIFFERENCE.format(" or ".join(compared))] if compared else []
    return [*notes, _LOST] if any(cell.lost for cell in found) else notes


def _learning(cell: Cell) -> str:
    """How the sets of a cell were made, in a sentence; a selection has no iterations."""
    iterations = [f"{cell.settings['iterations']} iterations"] if "iterations" in cell.settings else []
    names = ("schedule", "init", "distance", "precision")
    parts = [*iterations, *(f"{name} {cell.settings[name]}" for name in names if name in cell.settings)]
    return f"{'Learned' if iterations else 'Selected'} by {cell.method}: {', '.join(parts)}."
