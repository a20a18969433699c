"""Protocols of one's own, from a TOML file or from Python: read and checked, with all mistakes said at once."""

import itertools
import json
import math
import operator
import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from condense.augmentation.laws import OPERATIONS
from condense.checking import sentence_of
from condense.errors import CondenseError, in_any_case, in_sentences, quoted, shortened, unknown_name
from condense.files import check_path
from condense.own import Own, is_own
from condense.stage_t.protocols import BUILT_IN, DEFAULTS, OWN_RATE, Protocol, Where
from condense.texts import toml_file
from condense.training.variation import TOGETHER

SUFFIX = ".toml"
OPERATIONS_OF = {"each": ("crop", "scale", "rotate", "noise"), "single": OPERATIONS, "several": OPERATIONS}
"""What can be drawn by each law of a recipe."""
_ADAPTER = TypeAdapter(Protocol)


class _Mistakes(CondenseError):
    """Several mistakes, all of which are kept."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(str(in_sentences(sentences)))
        self.sentences = sentences


def chosen(value: object) -> str | Protocol:
    """The protocol that is meant: the name proper of a built-in one, in any case; one's own by the path of its TOML file, by
    its name (`OWN`), by its settings, or as it is.

    Raises `CondenseError` with a line for each mistake.
    """
    if isinstance(value, Protocol | dict):
        return _checked(value if isinstance(value, dict) else asdict(value), "")
    if not isinstance(value, str | os.PathLike):
        raise CondenseError(f"{quoted(value)} is no protocol: neither a name, nor the path of a TOML file, nor a Protocol.")
    text = os.fsdecode(value)
    if isinstance(value, os.PathLike) or text.lower().endswith(SUFFIX):
        return _checked(_content(text), f"{shortened(Path(text))}: ")
    if (proper := in_any_case(text, BUILT_IN)) is not None:
        return proper
    if (own := OWN.named(text)) is not None:
        return _checked(asdict(own), "")
    known = [*BUILT_IN, *OWN.registered()]
    raise CondenseError(
        f"{unknown_name('protocol', text, known)} One of your own is a file that ends in {SUFFIX}, or MODULE:NAME."
    )


def register_protocol(protocol: Protocol) -> None:
    """Makes a protocol of one's own known by its name, in this process; one that is registered under it is replaced.

    Raises `CondenseError` with a line for each mistake in it.
    """
    found = chosen(protocol)
    if not isinstance(found, Protocol):
        raise CondenseError(f"That is the built-in protocol {quoted(found)}.")
    OWN.register(found.name, found)


def _fault(found: object) -> str | None:
    return None if isinstance(found, Protocol) else f"{shortened(found)} is no condense.Protocol"


OWN: Own[Protocol] = Own("protocol", _fault, group="condense.protocols")
"""Those that are registered, in modules, or of installed packages: values, which records and studies hold whole."""


def _for_pydantic(value: object) -> str | Protocol:
    """`chosen`, whose every mistake is one to pydantic."""
    try:
        return chosen(value)
    except CondenseError as error:
        sentences = error.sentences if isinstance(error, _Mistakes) else [str(error)]
        lines = [PydanticCustomError("value_error", "{line}", {"line": line}) for line in sentences]
        details = [InitErrorDetails(type=line, input=value) for line in lines]
        raise ValidationError.from_exception_data("protocol", details) from error


ChosenProtocol = Annotated[str | Protocol, PlainValidator(_for_pydantic)]
"""In a configuration: anything that `chosen` takes, and once that is checked the name of a built-in one or a `Protocol`."""


def check_names(protocols: Sequence[str | Protocol]) -> None:
    """Raises `CondenseError` where two different protocols have one name (in any case, as in names of files)."""
    by_name: dict[str, str | Protocol] = {}
    for protocol in protocols:
        if by_name.setdefault(str(protocol).lower(), protocol) != protocol:
            raise CondenseError(f"Two protocols with different settings are called {quoted(str(protocol))}: rename one.")


def _content(text: str) -> dict[str, Any]:
    check_path(text, "the protocol")
    return toml_file(Path(text), "the protocol")


def _checked(values: dict[str, Any], where: str) -> str | Protocol:
    """A protocol from plain values, the name of a built-in one that is just that; each sentence of the error begins with
    `where`.
    """
    try:
        text = json.dumps(values, default=str)
        for name, one in BUILT_IN.items():
            if text == json.dumps(asdict(one)):
                return name
        found = _ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        raise _Mistakes([f"{where}{_sentence(detail)}" for detail in error.errors()]) from error
    except (RecursionError, TypeError, ValueError) as error:  # whole numbers of thousands of digits are a ValueError
        raise CondenseError(f"{where}A value is nested too deeply, or no value of a setting.") from error
    if mistakes := _mistakes(found):
        raise _Mistakes([f"{where}{mistake}" for mistake in mistakes])
    return found


def _mistakes(protocol: Protocol) -> list[str]:
    """What does not go together, for any data set and network: those it names, and others."""
    for_all = [place for place, one in enumerate(protocol.where) if not (one.dataset or one.network)]
    names = [f"where.{place}: it names neither a dataset nor a network." for place in for_all]
    datasets, networks = (
        ["", *dict.fromkeys(name for one in protocol.where for name in getattr(one, kind))]
        for kind in ("dataset", "network")
    )
    found: dict[str, str] = {}
    for dataset, network in itertools.product(datasets, networks):
        there = ", ".join(filter(None, (dataset and f"data set {shortened(dataset)}", network and f"network {network}")))
        for mistake in _contradictions(protocol.settings(dataset, network)):
            found.setdefault(mistake, there and f"for the {there}: ")
    return [*names, *(f"{there}{mistake}" for mistake, there in found.items())]


def _contradictions(values: dict[str, Any]) -> list[str]:
    """What in settings, each right by itself, does not go together: a sentence each, which begins with a setting's name."""
    epochs, law, operations = values["epochs"], values["law"], values["augmentation"]
    adamw, cosine = values["optimiser"] == "adamw", values["schedule"] == "cosine"
    steps, unfit = [done for done, _ in values["steps"]], _unfit(law, operations)
    factors = itertools.accumulate((factor for _, factor in values["steps"]), operator.mul, initial=1.0)
    first = 1.0 if values["learning_rate"] == OWN_RATE else values["learning_rate"]
    rules = [
        (adamw and values["momentum"], "momentum: that is sgd's; the optimiser adamw has betas."),
        (not adamw and values["betas"] != DEFAULTS["betas"], "betas: those are adamw's; the optimiser sgd has a momentum."),
        (cosine and steps, "steps: the schedule cosine has none."),
        (not cosine and values["warm_up"], "warm_up: only the schedule cosine has one."),
        (not cosine and values["end"], "end: only the schedule cosine has one."),
        (
            not cosine and [*steps, epochs] != sorted({*steps, epochs}),
            f"steps: they must be in order, and each before the last of the {epochs} epochs.",
        ),
        (
            not all(0 < first * factor < math.inf for factor in factors),
            "steps: they lead to a learning rate that is no finite number above 0.",
        ),
        (cosine and values["warm_up"] >= epochs, f"warm_up = {values['warm_up']}: must be less than the {epochs} epochs."),
        (len(set(operations)) < len(operations), f"augmentation: {', '.join(operations)} name an operation twice."),
        (unfit, f"augmentation: the law {law} has no {', '.join(unfit)}, but {', '.join(OPERATIONS_OF[law])}."),
    ]
    return [sentence for broken, sentence in rules if broken]


def _unfit(law: str, operations: Sequence[str]) -> list[str]:
    """The operations that a law does not draw; those of one's own are drawn one at a time only."""
    return [one for one in operations if one not in OPERATIONS_OF[law] and not (law == TOGETHER and is_own(one))]


def _sentence(detail: Any) -> str:
    parts = [shortened(str(part), 40) for part in detail["loc"]][:4]
    known = [field.name for field in fields(Where if len(parts) > 1 else Protocol)]
    return sentence_of(detail, ".".join(parts) or "the protocol", known)
