"""Settings as types that check themselves, and their mistakes as sentences, all at once."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from condense.data.reading import READING_NAMES
from condense.errors import CondenseError, in_any_case, in_sentences, quoted, shortened, unknown_name

LARGEST_COUNT = 10**9
AtLeastOne = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def several(value: object) -> Any:
    """One text as a tuple of it, a list as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Several = BeforeValidator(several)
"""Of a tuple of names: one name stands for itself."""


def one_of(kind: str, known: dict[str, Any]) -> AfterValidator:
    """A check that a name is known, in any case, with the nearest match in its error; what it gives is the name proper."""

    def check(name: str) -> str:
        proper = in_any_case(name, known)
        if proper is None:
            raise ValueError(str(unknown_name(kind, name, known)))
        return proper

    return AfterValidator(check)


Config = TypeVar("Config")


class Varying(ABC):
    """A configuration whose fields depend on one of its values, that of the field `varies_by`."""

    varies_by: ClassVar[str] = "method"

    @classmethod
    @abstractmethod
    def kind_for(cls, values: dict[str, Any]) -> type[Self]:
        """The class of an object with these values. Raises `CondenseError` where there is none."""


def checked(
    kind: type[Config], values: dict[str, Any], *, called: Callable[[str], str] = str, strict: bool = False
) -> Config:
    """A configuration from plain values; raises `CondenseError` with a line for each mistake: place, value, what is right.

    called: the name of a field's value for the user, such as its flag; strict: no conversions, such as of '1' to 1.
    """
    if issubclass(kind, Varying):
        try:
            kind = kind.kind_for(values)
        except CondenseError:  # said by the check of the value that it depends on, with all else that is wrong
            kind = kind.kind_for({})
    adapter = TypeAdapter(kind)
    try:
        return (
            adapter.validate_json(json.dumps(values, default=str), strict=True)
            if strict
            else adapter.validate_python(values)
        )
    except ValidationError as error:
        raise in_sentences([_sentence(detail, called, kind) for detail in error.errors()]) from error
    except RecursionError as error:
        raise CondenseError("A value is a list or table nested too deeply to be one of a setting.") from error


def verified(config: Config) -> Config:
    """A configuration made in Python as its own checks have it: names proper, one network as a tuple.

    Raises `CondenseError` as `checked` does. The data set may be called anything, as its images are given.
    """
    values = as_dict(config)
    named = {name: getattr(config, name) for name in ("dataset",) if values.pop(name, None) is not None}
    return replace(checked(type(config), values), **named)  # type: ignore[type-var]


def sentence_of(detail: Any, place: str, known: Sequence[str]) -> str:
    """One error of pydantic's as a sentence with the place, the value and what is allowed; known: settings there are."""
    if detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place}: {unknown_name('setting', shortened(str(detail['loc'][-1]), 40), known)}"
    if detail["type"] == "missing":
        return f"{place}: It must be given."
    if detail["type"] == "value_error":  # a check of ours, which names the value
        return f"{place}: {detail['msg'].removeprefix('Value error, ')}"
    allowed = detail["msg"].partition(", unable to parse")[0]
    return f"{place} = {quoted(detail['input'])}: {shortened(allowed, 200)}."


def _sentence(detail: Any, called: Callable[[str], str], kind: type) -> str:
    name, *inner = (shortened(str(part), 40) for part in detail["loc"])
    return sentence_of(detail, ".".join([called(name), *inner[:3]]), [one.name for one in fields(kind)])


BEFORE = "before"
"""What the metadata of a setting call its value of all configurations made before there was the setting."""


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values. How images are read is left out as far as nothing is stated on it, so that a
    configuration of before it could be stated is the same configuration now; and so are later settings of methods.
    """
    unstated = {name for name in READING_NAMES if getattr(config, name, None) in (None, False)}
    unstated |= {name for name, before in later_settings(config).items() if getattr(config, name) in (None, before)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(config).items()
        if name not in unstated
    }


def later_settings(config: Any) -> dict[str, Any]:
    """Of settings that methods got later, what held before, by name."""
    return {one.name: one.metadata[BEFORE] for one in fields(config) if BEFORE in one.metadata}
