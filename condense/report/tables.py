"""Tables of accuracies, made from records, in Markdown, LaTeX, CSV and plain text."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from condense.errors import CondenseError, unknown_name
from condense.records import Record
from condense.report.cells import NONE, Cell, cells, distinguishing_settings
from condense.stage_t.protocols import PROTOCOLS

_FIXED = ("data set", "images/class", "method", "learned with", "trained with", "protocol")
_MEASURED = ("accuracy %", "95 % interval", "n", "published %", "difference")
_NUMERIC = {"images/class", *_MEASURED}

_STATISTICS = (
    "Accuracy: percent of the test images classified correctly, mean ± standard deviation over all networks (ddof = 0, "
    "as published).",
    "95 % interval: of the mean, by Student's t (ddof = 1); over networks for one set, over sets for several.",
    "n: networks trained from scratch, each with its own seed; '3 × 20' means 3 sets with 20 networks on each.",
)
_DIFFERENCE = "Difference: own minus published mean in percentage points, under the protocol 'published' only."


@dataclass(frozen=True)
class Table:
    """A table to be rendered.

    header and rows: text as people read it, equally many in each row; notes: sentences under the table;
    data: the same rows as plain values for CSV, equal keys in each; accuracies in percent with four decimals.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    data: tuple[dict[str, str | int | float | None], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers (and are aligned to the right)."""
        return tuple(name in _NUMERIC for name in self.header)


def accuracy_table(records: Iterable[Record]) -> Table:
    """One row for each setting evaluated: accuracy with spread and interval, n, and the published number beside it.

    Settings that differ between rows which otherwise look the same (such as iterations) get a column of their own.
    Raises `CondenseError` when there is no evaluation among the records or one lacks a needed key.
    """
    found, remarks = cells(records)
    if not found:
        raise CondenseError("There are no evaluations among the records, so there is no table of accuracies.")
    extra = distinguishing_settings(found)
    return Table(
        title="Test accuracy of networks trained from scratch",
        header=(*_FIXED, *extra, *_MEASURED),
        rows=tuple((*cell.fixed, *(cell.settings.get(name, NONE) for name in extra), *_measured(cell)) for cell in found),
        notes=(*_STATISTICS, *_notes(found), *remarks),
        data=tuple(_data(cell, extra) for cell in found),
    )


def mean_and_std(mean: float, std: float | None) -> str:
    """'91.9 ± 0.3' (percent), or '91.9' where the deviation is not known."""
    return f"{mean:.1f}" if std is None else f"{mean:.1f} ± {std:.1f}"


def own_accuracy(cell: Cell) -> str:
    """The mean and standard deviation of a cell in percent, as text."""
    return mean_and_std(100 * cell.summary.mean, 100 * cell.summary.std)


def _measured(cell: Cell) -> tuple[str, ...]:
    summary, published, difference = cell.summary, cell.published, cell.difference
    interval = NONE
    if summary.low is not None and summary.high is not None:
        interval = f"{100 * summary.low:.1f}–{100 * summary.high:.1f}"
    return (
        own_accuracy(cell),
        interval,
        cell.size,
        "" if published is None else mean_and_std(published.mean, published.std),
        # Adding zero turns a rounded -0.0 into 0.0.
        "" if difference is None else f"{round(difference, 1) + 0:+.1f}".replace("-", "−"),
    )


def _data(cell: Cell, extra: Sequence[str]) -> dict[str, str | int | float | None]:
    summary, published = cell.summary, cell.published
    learning = dict.fromkeys(("schedule", "iterations", "init", "distance", "precision", *extra))
    measured = {
        "mean": summary.mean,
        "std": summary.std,
        "low": summary.low,
        "high": summary.high,
        "minimum": summary.minimum,
        "maximum": summary.maximum,
    }
    return {
        "dataset": cell.dataset,
        "images_per_class": cell.images_per_class,
        "method": cell.method,
        "learned_with": cell.learned_with,
        "trained_with": cell.trained_with,
        "protocol": cell.protocol,
        **{name: cell.settings.get(name) for name in learning},
        **{f"{name}_percent": None if value is None else round(100 * value, 4) for name, value in measured.items()},
        "n": summary.n,
        "sets": len(cell.groups),
        "published_mean_percent": published.mean if published else None,
        "published_std_percent": published.std if published else None,
        "published_n": published.n if published else None,
        "published_source": published.source if published else None,
        "difference_points": None if cell.difference is None else round(cell.difference, 4),
    }


def _notes(found: Sequence[Cell]) -> list[str]:
    """Protocols, how the sets were learned, and the sources of the published numbers, as far as this table has them."""
    protocols = [name for name in dict.fromkeys(cell.protocol for cell in found) if name in PROTOCOLS]
    notes = [f"Protocol '{name}': {PROTOCOLS[name]}." for name in protocols]
    learning = dict.fromkeys(_learning(cell) for cell in found if "iterations" in cell.settings)
    notes += [f"Learned by {text}." for text in learning]
    published = dict.fromkeys((p.n, p.source) for p in (cell.published for cell in found) if p)
    notes += [f"Published{f' (n = {n})' if n else ''}: {source}." for n, source in published]
    return [*notes, _DIFFERENCE] if any(cell.difference is not None for cell in found) else notes


def _learning(cell: Cell) -> str:
    parts = [f"{cell.settings['iterations']} iterations"]
    names = ("schedule", "init", "distance", "precision")
    parts += [f"{name} {cell.settings[name]}" for name in names if name in cell.settings]
    return f"{cell.method}: {', '.join(parts)}"


def render(table: Table, format: str) -> str:
    """The table as text in 'markdown', 'latex' (booktabs), 'csv' (plain values, no notes) or 'text' (for a screen).

    Ends with a line break. Raises `CondenseError` for any other format.
    """
    if format not in _RENDERERS:
        raise unknown_name("table format", format, _RENDERERS)
    return _RENDERERS[format](table)


def _markdown(table: Table) -> str:
    def line(values: Iterable[str]) -> str:
        return "| " + " | ".join(values) + " |"

    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    rows = [line(map(_escape_markdown, row)) for row in table.rows]
    notes = [f"- {_escape_markdown(note)}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", line(table.header), line(rule), *rows, "", *notes]) + "\n"


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|\[\]<>~])", r"\\\1", _one_line(text))


def _latex(table: Table) -> str:
    def line(values: Iterable[str]) -> str:
        return " & ".join(map(_escape_latex, values)) + r" \\"

    notes = [rf"\par\footnotesize {_escape_latex(note)}" for note in table.notes]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{{''.join('r' if numeric else 'l' for numeric in table.numeric)}}}",
            r"\toprule",
            line(table.header),
            r"\midrule",
            *map(line, table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
}


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def _csv(table: Table) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(table.data[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.data)
    return buffer.getvalue()


def _text(table: Table) -> str:
    lines = [table.header, *(tuple(map(_one_line, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(values: Iterable[str]) -> str:
        cells = zip(values, widths, table.numeric, strict=True)
        return "  ".join(v.rjust(width) if numeric else v.ljust(width) for v, width, numeric in cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([table.title, "", line(lines[0]), rule, *map(line, lines[1:]), "", *table.notes]) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_RENDERERS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "text": _text,
}
