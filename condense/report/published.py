"""Published accuracies, only those whose source has been read; every one carries that source.

They stand in `published.toml` beside this file, as their papers' tables have them. Where a paper's number could not be
traced to a text, it is left out: an empty cell in a table is better than a number from memory.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from condense.errors import CondenseError
from condense.report.numbers import NONE
from condense.texts import toml_of

WHOLE_SET = "whole set"
COMPARED_WITH = ("published", "dsa")
"""Protocols of DC, DSA and DM: numbers under these stand beside results under others too, but without a difference."""


@dataclass(frozen=True)
class Published:
    """A published accuracy in percent.

    paper: key of the paper; table: which of its, None where the source is no table of it; ipc: images per class, None of the
    whole set; learned_with, trained_with: networks of stage C (None: there is none, or it is not said) and stage T.
    std is None where only the mean could be sourced; n is what the accuracy was taken over ('5 × 20' means 5 sets with
    20 networks on each), None where the source does not say; protocol: that of stage T it was obtained under.
    """

    paper: str
    method: str
    dataset: str
    trained_with: str
    protocol: str
    mean: float
    std: float | None
    source: str
    n: str | None = None
    table: str | None = None
    ipc: int | None = None
    learned_with: str | None = None

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False, str_min_length=1)

    @property
    def kind(self) -> str:
        """What a table calls it: 'published', or 'reported' of the reproduction report's."""
        return "reported" if self.protocol == "report" else "published"


@dataclass
class _Paper:
    title: str
    read: str
    authors: str = ""
    venue: str = ""

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def citation(self) -> str:
        return f"{self.authors}: {self.title}".removeprefix(": ") + (f", {self.venue}" if self.venue else "")


_PAPERS, _NUMBER = TypeAdapter(dict[str, _Paper]), TypeAdapter(Published)


def parse_published(text: str, where: str) -> tuple[Published, ...]:
    """The numbers of a text in the form of `published.toml`, in order; `where` begins every error.

    Raises `CondenseError` naming what is missing, of another type, or stated twice.
    """
    content = toml_of(text, where)
    try:
        papers = _PAPERS.validate_python(content.pop("papers", {}))
        tables = content.pop("tables", [])
        found = tuple(_NUMBER.validate_python(number) for table in tables for number in _numbers(table, papers))
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CondenseError(f"{where} is not a table of published numbers: {_reason(error)}.") from error
    if content or not found:
        raise CondenseError(f"{where} needs [papers.KEY] and [[tables]], and nothing else.")
    once: dict[tuple[Any, ...], Published] = {}
    for one in found:
        key = one.paper, one.table, one.source, one.protocol, *_cell(one)
        if key in once:
            raise CondenseError(f"{where} has {one.method} on {one.dataset} ({one.ipc} per class) twice in {one.source}.")
        once[key] = one
    return found


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _numbers(table: dict[str, Any], papers: dict[str, _Paper]) -> Iterator[dict[str, Any]]:
    """The entries of each number of a [[tables]]: those of the table, of its line and of its column."""
    entries = dict(table)
    header, *lines = entries.pop("numbers").strip().splitlines()
    citations = {key: paper.citation for key, paper in papers.items()}
    own = "{paper}, Table {table}" if "table" in entries else "{paper}"
    if entries["paper"] not in papers:
        raise ValueError(f"there is no paper '{entries['paper']}'")
    source = entries.get("source", own)
    entries["source"] = source.format(**citations, paper=citations[entries["paper"]], table=entries.get("table"))
    left, right = header.split("|")
    field, values = right.split(":")
    columns = [int(value) if field.strip() == "ipc" else value for value in values.split()]
    for line in lines:
        before, after = line.split("|")
        of_line = dict(zip(left.split(), before.split(), strict=True))
        for column, text in zip(columns, after.split(), strict=True):
            if text != NONE:
                mean, std = _mean_and_std(text)
                yield {**entries, **of_line, field.strip(): column, "mean": mean, "std": std}


def _mean_and_std(text: str) -> tuple[float, float | None]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:±(\d+(?:\.\d+)?))?", text)
    if not found or float(found[1]) > 100:
        raise ValueError(f"'{text}' is no accuracy in percent")
    return float(found[1]), float(found[2]) if found[2] else None


def _cell(one: Published) -> tuple[Any, ...]:
    """What a number is looked up by. Where no network of stage C is named, it is the one that papers learn with."""
    return one.dataset, one.method, one.ipc, one.learned_with or "ConvNet", one.trained_with


@cache
def published_numbers() -> tuple[Published, ...]:
    """All of them, in the order of the file."""
    return parse_published(
        files("condense").joinpath("report", "published.toml").read_text(encoding="utf-8"), "published.toml"
    )


@cache
def _by_cell() -> dict[tuple[Any, ...], list[Published]]:
    found: dict[tuple[Any, ...], list[Published]] = {}
    for one in published_numbers():
        found.setdefault(_cell(one), []).append(one)
    return found


def published_accuracy(
    dataset: str, method: str, ipc: int | None, learn_network: str | None, train_network: str, protocol: str = "published"
) -> Published | None:
    """The published accuracy of a cell, or None where no sourced number exists.

    dataset: name in the catalogue; method: by its name, or `WHOLE_SET`; ipc: images per class, None for the
    whole set; learn_network: the network of stage C (random images and the whole set have none); train_network: the
    network of stage T. A number under the same protocol comes first, else one of DC, DSA or DM under theirs; numbers under
    any other protocol stand beside results under that alone.
    """
    of_cell = _by_cell().get((dataset, method, ipc, learn_network or "ConvNet", train_network), [])
    same = [one for one in of_cell if one.protocol == protocol]
    return next(iter(same or [one for one in of_cell if one.protocol in COMPARED_WITH]), None)
