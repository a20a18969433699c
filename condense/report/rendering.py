"""Tables of columns, and tables as text: Markdown, LaTeX, HTML, CSV, and plain text for a screen."""

import csv
import html
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from condense.errors import CondenseError, unknown_name
from condense.report.numbers import NONE

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports]

Item = TypeVar("Item")
Value = str | int | float | None


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column of a table whose rows are items.

    name: its header; of: what its cell of an item is about, None where there is nothing (`missing` stands there); text: that
    as people read it; key: its name in CSV, where it is in it; value: there that as a plain value, itself by default;
    numeric: whether it holds numbers; wide: whether it holds sentences; bold: of which items it is to stand out.
    """

    name: str
    of: Callable[[Item], Any]
    text: Callable[[Any], str] = str
    key: str = ""
    value: Callable[[Any], Value] | None = None
    numeric: bool = True
    wide: bool = False
    missing: str = NONE
    bold: Callable[[Item], bool] | None = None

    def shown(self, item: Item) -> str:
        """The cell as people read it."""
        about = self.of(item)
        return self.missing if about is None else self.text(about)

    def plain(self, item: Item) -> Value:
        """The cell as a plain value."""
        about = self.of(item)
        return about if about is None or self.value is None else self.value(about)


def plain_values(columns: Sequence[Column[Item]], item: Item) -> dict[str, Value]:
    """The row of an item in CSV: of the columns with a key."""
    return {column.key: column.plain(item) for column in columns if column.key}


@dataclass(frozen=True)
class Table:
    """A table to be rendered.

    header and rows: text as people read it, equally many in each row; notes: sentences under the table;
    data: the same as plain values for CSV, where a value that is missing is empty; numeric: which columns hold numbers (and
    are aligned to the right); bold: (row, column) of the values to stand out; wide: columns of sentences, whose lines HTML
    may break.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    data: tuple[dict[str, Value], ...]
    numeric: tuple[bool, ...]
    bold: frozenset[tuple[int, int]] = frozenset()
    wide: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[Column[Item]],
        items: Iterable[Item],
        notes: Iterable[str] = (),
        data: Callable[[Item], dict[str, Value]] | None = None,
    ) -> "Table":
        """The table with a row for each item. data: what CSV has of an item, where that is not what the columns have."""
        items, places = list(items), list(enumerate(columns))
        in_csv = data or (partial(plain_values, columns) if any(column.key for column in columns) else None)
        return cls(
            title=title,
            header=tuple(column.name for column in columns),
            rows=tuple(tuple(column.shown(item) for column in columns) for item in items),
            notes=tuple(notes),
            data=tuple(map(in_csv, items)) if in_csv else (),
            numeric=tuple(column.numeric for column in columns),
            bold=frozenset((row, at) for row, item in enumerate(items) for at, one in places if one.bold and one.bold(item)),
            wide=frozenset(at for at, column in places if column.wide),
        )

    def to_pandas(self) -> "pandas.DataFrame":
        """A data frame of the plain values that CSV has, None where one is missing; of a table without such, of its text.

        Raises `CondenseError` where pandas is not installed.
        """
        try:
            import pandas  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise CondenseError("A data frame needs pandas, which is not installed: pip install pandas.") from error
        if not self.data:
            return pandas.DataFrame(list(self.rows), columns=list(self.header))
        names = list(dict.fromkeys(name for row in self.data for name in row))
        return pandas.DataFrame([[row.get(name) for name in names] for row in self.data], columns=names)


def render(table: Table, format: str) -> str:
    """The table as text: 'markdown', 'latex' (booktabs), 'html' (a fragment), 'csv' (plain values, no notes) or 'text'.

    Ends with a line break. Raises `CondenseError` for any other format.
    """
    if format not in _RENDERERS:
        raise unknown_name("table format", format, _RENDERERS)
    return _RENDERERS[format](table)


def _markdown(table: Table) -> str:
    def line(values: Iterable[str]) -> str:
        return "| " + " | ".join(values) + " |"

    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    rows = [line(row) for row in _marked(table, _escape_markdown, "**{}**")]
    notes = [f"- {_escape_markdown(note)}" for note in table.notes]
    title, header = _escape_markdown(table.title), map(_escape_markdown, table.header)
    return "\n".join([f"**{title}**", "", line(header), line(rule), *rows, "", *notes]) + "\n"


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_|\[\]<>~])", r"\\\1", _one_line(text))


def _latex(table: Table) -> str:
    def line(values: Iterable[str]) -> str:
        return " & ".join(values) + r" \\"

    notes = [rf"\par\footnotesize {_escape_latex(note)}" for note in table.notes]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escape_latex(table.title)}}}",
            rf"\begin{{tabular}}{{{''.join('r' if numeric else 'l' for numeric in table.numeric)}}}",
            r"\toprule",
            line(map(_escape_latex, table.header)),
            r"\midrule",
            *map(line, _marked(table, _escape_latex, r"\textbf{{{}}}")),
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


def _html(table: Table) -> str:
    kinds = [' class="number"' if numeric else "" for numeric in table.numeric]
    for column in table.wide:
        kinds[column] = ' class="wide"'

    def line(tag: str, values: Iterable[str]) -> str:
        cells = "".join(f"<{tag}{kind}>{value}</{tag}>" for kind, value in zip(kinds, values, strict=True))
        return f"<tr>{cells}</tr>"

    notes = "".join(f"<li>{html.escape(note)}</li>\n" for note in table.notes)
    listed = f'\n<ul class="notes">\n{notes}</ul>' if notes else ""
    title = html.escape(table.title)
    return "\n".join(
        [
            # A table too wide for its page is moved to and fro by itself, without its notes.
            f'<div class="scroll" role="region" tabindex="0" aria-label="{title}" style="overflow-x: auto">',
            f"<table>\n<caption>{title}</caption>",
            f"<thead>{line('th', map(html.escape, table.header))}</thead>\n<tbody>",
            *(line("td", row) for row in _marked(table, _escape_html_cell, "<b>{}</b>", html.escape)),
            f"</tbody>\n</table>\n</div>{listed}\n",
        ]
    )


def _escape_html_cell(text: str) -> str:
    """Where a column is narrow, what is in brackets goes to the next line; nothing else that holds a number is broken."""
    escaped = html.escape(text)
    return re.sub(r" (?![(\[])", "\u00a0", escaped) if re.search(r"\d", text) else escaped


def _marked(
    table: Table, escape: Callable[[str], str], bold: str, sentence: Callable[[str], str] | None = None
) -> Iterator[list[str]]:
    """The rows, escaped (sentence: how wide columns are, if otherwise), with the values to be set in bold marked."""
    for row, values in enumerate(table.rows):
        texts = [(sentence or escape if column in table.wide else escape)(text) for column, text in enumerate(values)]
        yield [bold.format(text) if (row, column) in table.bold else text for column, text in enumerate(texts)]


def _csv(table: Table) -> str:
    buffer = io.StringIO()
    names = dict.fromkeys(name for row in table.data for name in row)
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_no_formula, names))
    writer.writerows([_no_formula(row.get(name)) for name in names] for row in table.data)
    return buffer.getvalue()


_FORMULA = re.compile(r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")


def _no_formula(value: Value) -> Value:
    """Text that spreadsheets would compute, behind an apostrophe, by which they take it for text; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = "\n".join(map(printable, value.split("\n")))
    return f"'{text}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else text


_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


def _text(table: Table) -> str:
    lines = [tuple(map(_one_line, row)) for row in (table.header, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(values: Iterable[str]) -> str:
        cells = zip(values, widths, table.numeric, strict=True)
        return "  ".join(v.rjust(width) if numeric else v.ljust(width) for v, width, numeric in cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    notes = map(_one_line, table.notes)
    return "\n".join([_one_line(table.title), "", line(lines[0]), rule, *map(line, lines[1:]), "", *notes]) + "\n"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Text with all escaped that moves a terminal's cursor, colours it, breaks lines or turns the direction of writing."""
    return "".join(letter.encode("unicode_escape").decode() if _controls(letter) else letter for letter in text)


def _controls(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and letter not in "\u200c\u200d")


_RENDERERS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "html": _html,
    "csv": _csv,
    "text": _text,
}
