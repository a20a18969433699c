"""Grids: TOML files of rows, or of a space whose every combination is a row; built-in ones are read like users' own."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from condense.checking import Positive, one_of
from condense.data.images import DataSet
from condense.errors import CondenseError, in_sentences, quoted, shortened, unknown_name
from condense.networks.convnet import ACTIVATIONS, NORMS, POOLINGS
from condense.networks.registry import check_name, names
from condense.randomness import generator
from condense.studies.hyperparameters.config import SweepConfig
from condense.studies.hyperparameters.rows import FAMILIES, OBJECTIVES, Reported, Row, Whole, network_name
from condense.texts import toml_of

BUILT_IN = {
    "report-fashion-mnist": "ten networks with one hidden layer on Fashion-MNIST, as a report trained them",
    "report-cifar10": "ten networks with one hidden layer on CIFAR-10, as a report trained them",
    "convnets": "720 ConvNets over width, depth, norm, activation and pooling",
    "small-convnets": "36 of them, for two cores",
    "mlps": "36 MLPs over learning rate, momentum, width and depth, for two cores",
}
DEFAULT_GRIDS = {"fashion-mnist": "report-fashion-mnist", "cifar10": "report-cifar10"}

MOST, COMPARED = 10_000, 1_000
"""Rows that a grid may have, and of which so many may be trained in one sweep: every pair of them is compared."""

NAMED = 5
"""Rows named in a sentence on many."""

Decay = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, lt=1)]


def _known(name: str) -> str:
    """A network's name or family; a ValueError, as pydantic takes it, for any other."""
    try:
        return name if name in FAMILIES else check_name(name)
    except CondenseError as error:
        unknown = unknown_name("network", name, {*names(), *FAMILIES})  # the registry has no families to suggest
        raise ValueError(str(unknown if str(error).startswith("Unknown network") else error)) from error


def _value_of(tokens: dict[str, str], kind: str) -> Any:
    return Annotated[str, one_of(kind, dict.fromkeys(tokens.values()))]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a row, the defaults or a space may say; every key may be left out. The units are those of `Row`."""

    name: Annotated[str, Field(min_length=1)] | None = None
    network: Annotated[str, AfterValidator(_known)] | None = None
    width: Annotated[int, Field(ge=1, le=99_999)] | None = None
    depth: Annotated[int, Field(ge=1, le=99)] | None = None
    norm: _value_of(NORMS, "norm") | None = None  # type: ignore[valid-type]
    activation: _value_of(ACTIVATIONS, "activation") | None = None  # type: ignore[valid-type]
    pooling: _value_of(POOLINGS, "pooling") | None = None  # type: ignore[valid-type]
    learning_rate: Positive | None = None
    momentum: Probability | None = None
    batch_size: Whole | None = None
    epochs: Whole | None = None
    weight_decay: Decay | None = None
    dropout: Probability | None = None
    objective: Annotated[str, one_of("objective", OBJECTIVES)] | None = None
    reported: Reported | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class GridFile:
    """A grid as it is written: what holds for all rows, rows, and a space of lists."""

    title: str = ""
    source: str = ""
    dataset: str = ""
    defaults: dict[str, Any] | None = None
    rows: list[dict[str, Any]] | None = None
    space: dict[str, list[Any]] | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Grid:
    """Rows to train; source: where they, and the numbers reported beside them, come from; dataset: of those numbers."""

    title: str
    source: str
    dataset: str
    rows: tuple[Row, ...]

    def sample(self, size: int, seed: int) -> "Grid":
        """So many of its rows, drawn without replacement with `seed`, in the grid's order."""
        if size > len(self.rows):
            raise CondenseError(f"--sample {size}: the grid has only {len(self.rows)} rows.")
        chosen = torch.randperm(len(self.rows), generator=generator(seed, "grid sample"))[:size].sort().values
        return replace(self, rows=tuple(self.rows[index] for index in chosen.tolist()))

    def check_on(self, data: DataSet, where: str, held_out: int = 0) -> None:
        """Raises `CondenseError` with a line for each cause for which rows, named in it, cannot be trained on the data.

        held_out: how many images were held out of it.
        """
        besides = f" besides the {held_out:,} held out" if held_out else ""
        if len(self.rows) > COMPARED:
            raise CondenseError(
                f"{where}: {len(self.rows):,} rows are more than the {COMPARED:,} of which a sweep compares every pair; "
                "draw some of them by --sample."
            )
        causes: dict[str, list[str]] = {}
        for row in self.rows:
            if row.batch_size > len(data.train):
                cause = f"batch_size = {row.batch_size}: {data.name} has {len(data.train)} training images{besides}."
                causes.setdefault(cause, []).append(row.name)
            try:
                row.build(data.train.shape, data.train.classes)
            except CondenseError as error:
                cause = f"the network {str(error).removeprefix(row.network).lstrip()}"
                causes.setdefault(cause, []).append(f"{row.name} ({row.network})")
        if causes:
            raise in_sentences([f"{where}: {_listed(rows)}: {cause}" for cause, rows in causes.items()])


def _listed(rows: list[str]) -> str:
    """'row 1', 'rows 1, 2', 'rows 1, 2, 3, 4, 5 and 715 more'."""
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(rows[:NAMED])}{more}"


def chosen_grid(config: SweepConfig, dataset: str) -> Grid:
    """The grid a configuration names, or the report's of the data set.

    Raises `CondenseError` as `load_grid` does, and where there is no grid for the data set.
    """
    name = config.grid or DEFAULT_GRIDS.get(dataset)
    if name is None:
        known = ", ".join(BUILT_IN)
        raise CondenseError(f"There is no report's grid for {shortened(dataset)}: name one by --grid ({known}, or a file).")
    return load_grid(name)


def load_grid(name_or_path: str) -> Grid:
    """The built-in grid of that name, or the one in that file.

    Raises `CondenseError` with a line for each mistake, which names the file and the place, such as rows[3].batch_size.
    """
    if name_or_path in BUILT_IN:
        text = (
            files("condense")
            .joinpath("studies", "hyperparameters", "grids", f"{name_or_path}.toml")
            .read_text(encoding="utf-8")
        )
        return parse_grid(text, name_or_path)
    try:
        path = Path(name_or_path).expanduser()
        if not path.exists() and path.suffix != ".toml":
            raise unknown_name("grid", name_or_path, BUILT_IN)
        text = path.read_text(encoding="utf-8")
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise CondenseError(f"Cannot read the grid {shortened(name_or_path, 240)}: {shortened(reason)}.") from error
    return parse_grid(text, shortened(path))


def parse_grid(text: str, where: str) -> Grid:
    """The grid a TOML text describes; `where` begins every error."""
    content = toml_of(text, f"The grid {where}")
    mistakes: list[str] = []
    rows_stated = _count(content)
    if rows_stated > MOST:
        raise CondenseError(f"{where}: the grid has {_large(rows_stated)} rows; {MOST:,} can be read at most.")
    right = {key: value for key, value in content.items() if _checked(GridFile, {key: value}, "", mistakes)}
    written = GridFile(**right)
    rows = list(_rows(written, mistakes))
    if not mistakes and not rows:
        mistakes.append("the grid is empty: it needs [[rows]], or a [space] of lists.")
    if mistakes:
        raise in_sentences([f"{where}: {mistake}" for mistake in mistakes])
    return Grid(written.title or Path(where).stem, written.source, written.dataset, tuple(rows))


def _count(content: dict[str, Any]) -> int:
    """How many rows a grid states, as far as it is written in the form of one; nothing is expanded."""
    rows, space = content.get("rows"), content.get("space")
    lists = [values for values in space.values() if isinstance(values, list)] if isinstance(space, dict) else []
    return (len(rows) if isinstance(rows, list) else 0) + (math.prod(map(len, lists)) if lists else 0)


def _large(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"about 1e{int(math.log10(count))}"


def _rows(written: GridFile, mistakes: list[str]) -> Iterator[Row]:
    """The rows of a grid, as far as they are right; what is wrong is added to `mistakes`.

    Where something of the file itself was not read, or its defaults are wrong, nothing is said of what rows lack.
    """
    unread = bool(mistakes)
    defaults = _checked(Settings, written.defaults or {}, "defaults", mistakes)
    listed = [
        (f"rows[{index}]", _checked(Settings, row, f"rows[{index}]", mistakes))
        for index, row in enumerate(written.rows or [])
    ]
    combinations = _combinations(written.space or {}, mistakes)
    seen: dict[str, str] = {}
    called: set[str] = set()
    if defaults is None or unread:
        return
    for position, (place, settings) in enumerate([*listed, *combinations], 1):
        if settings is None:
            continue
        given = _given(defaults) | _given(settings)
        given.setdefault("name", str(position))
        row = _row(given, place, mistakes)
        if row is None:
            continue
        key = json.dumps(row.settings, sort_keys=True)
        if key in seen:
            mistakes.append(f"{place} is the same configuration as {seen[key]}.")
        if row.name in called:
            mistakes.append(f"{place}.name: {shortened(row.name)} is the name of another row too.")
        seen.setdefault(key, place)
        called.add(row.name)
        yield row


def _combinations(space: dict[str, list[Any]], mistakes: list[str]) -> list[tuple[str, Settings]]:
    """Every combination of the lists of a space, with its place."""
    before = len(mistakes)
    for key, values in space.items():
        if not values:
            mistakes.append(f"space.{key}: an empty list leaves no combination.")
        for index, value in enumerate(values):
            _checked(Settings, {key: value}, "space", mistakes, called=lambda name, index=index: f"space.{name}[{index}]")
    if not space or len(mistakes) > before:
        return []
    every = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    # Read as rows are: 0 and 0.0 are one learning rate.
    found = [
        ("space: " + ", ".join(f"{k} = {shortened(v)}" for k, v in one.items()), _checked(Settings, one, "", []))
        for one in every
    ]
    return found


def _row(given: dict[str, Any], place: str, mistakes: list[str]) -> Row | None:
    """The row of what was given; None, with what is wrong added to `mistakes`."""
    before = len(mistakes)
    missing = [key for key in ("network", "learning_rate", "batch_size", "epochs") if key not in given]
    if missing:
        mistakes.append(f"{place}: {', '.join(missing)} must be given, here or in [defaults].")
        return None
    allowed = FAMILIES.get(given["network"], ())
    parts = [key for key in FAMILIES["ConvNet"] if key in given]
    for key in parts:
        if key not in allowed:
            having = " and ".join(family for family, keys in FAMILIES.items() if key in keys)
            mistakes.append(f"{place}.{key}: the network {given['network']} has none to set; {having} can have one.")
    if given["network"] == "mlp" and "width" not in given:
        mistakes.append(f"{place}.width: the network mlp needs a width.")
    if len(mistakes) > before:
        return None
    name = network_name(given) if allowed else given["network"]
    try:
        check_name(name)
    except CondenseError as error:
        mistakes.append(f"{place}.network: {error}")
        return None
    own = {field.name for field in fields(Row)}
    values = {key: value for key, value in given.items() if key in own}
    return Row(**{**values, "network": name})


def _given(settings: Settings | None) -> dict[str, Any]:
    return {field.name: value for field in fields(Settings) if (value := getattr(settings, field.name)) is not None}


def _checked(
    kind: type[Any], values: dict[str, Any], place: str, mistakes: list[str], *, called: Callable[[str], str] | None = None
) -> Any:
    """The values as a dataclass; None, with a sentence for each mistake, where some are wrong."""
    try:
        return _adapter(kind).validate_json(json.dumps(values, default=str), strict=True)
    except (RecursionError, ValueError) as error:
        if not isinstance(error, ValidationError):  # which is a ValueError too
            mistakes.append(f"{place or shortened(next(iter(values)))}: nested too deep, or a number too large, to be read.")
            return None
        if error.errors()[0]["type"] == "json_invalid":  # its parser has a limit of its own
            mistakes.append(f"{place or shortened(next(iter(values)))}: nested too deep to be read.")
            return None
        mistakes += [_sentence(detail, place, kind, called) for detail in error.errors()]
    return None


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _sentence(detail: Any, place: str, kind: type[Any], called: Callable[[str], str] | None) -> str:
    """One error of pydantic's with its path, such as rows[3].batch_size, its value and what is right."""
    name, *inner = detail["loc"]
    name = shortened(name)
    path = called(name) if called else f"{place}.{name}" if place else name
    path += "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in inner)
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = Reported if inner else kind
        return f"{path}: {unknown_name('key', str((inner or [name])[-1]), [field.name for field in fields(known)])}"
    if detail["type"] == "value_error":
        return f"{path}: {detail['msg'].removeprefix('Value error, ')}"
    if detail["type"] == "missing":
        return f"{path} is missing."
    return f"{path} = {quoted(detail['input'])}: {detail['msg'].partition(', unable to parse')[0]}."
