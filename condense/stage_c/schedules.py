"""Schedules of stage C: the settings that a method has by name, and what of a stored configuration is not so."""

from collections.abc import Mapping
from typing import Any

from condense.checking import as_dict, later_settings
from condense.errors import CondenseError, quoted
from condense.stage_c.answers import answering, refuse
from condense.stage_c.method import Method, Occasion
from condense.stage_c.methods import DEFAULT, is_known, method_class

SCHEDULES = {
    "published": "each method's own: its settings as published",
    "fast": "each method's own: fewer, larger steps on fewer real images (docs/methods.md says how they were chosen)",
}
BEFORE_SETTINGS = {"image_decay": "constant", "image_clip": "none"}
"""What held before these were settings of dc: records and sets made then do not name them."""


def schedule(name: str, method: str, occasion: Occasion) -> Method:
    """A method with the settings of a schedule, one of `SCHEDULES`."""
    kind = method_class(method)
    with answering(kind):
        found = kind.fast(occasion) if name == "fast" else kind.published(occasion)
    if not isinstance(found, kind):
        refuse(kind, f"gives {quoted(found)} for its schedule {name}, which must be settings of its own")
    return found


def occasion_of(settings: Mapping[str, Any]) -> Occasion:
    """The occasion of a resolved configuration."""
    return Occasion(settings["dataset"], settings["ipc"], settings["network"])


def schedule_name(settings: Mapping[str, Any], occasion: Occasion) -> str:
    """The schedule whose values a resolved configuration has in every respect; 'own' where it is none's."""
    if not _is_readable(settings, occasion):
        return str(settings.get("schedule", "own"))
    return next((name for name in SCHEDULES if not overridden(settings, name, occasion)), "own")


def schedule_text(settings: Mapping[str, Any], occasion: Occasion) -> str:
    """The schedule of a resolved configuration as people read it: its name, or that of the one asked for (else of the
    nearest) with the settings that were not its own: 'published with iterations 3'.
    """
    name = schedule_name(settings, occasion)
    if name != "own" or not _is_readable(settings, occasion):
        return name
    found = {name: overridden(settings, name, occasion) for name in SCHEDULES}
    asked = settings.get("schedule")
    nearest = asked if asked in found else min(found, key=lambda name: len(found[name]))
    return with_settings(nearest, found[nearest])


def with_settings(name: str, settings: Mapping[str, Any]) -> str:
    """The name of a schedule with the settings that stand in place of its own: 'published with iterations 3'."""
    texts = [f"{key} {_text(value)}" for key, value in settings.items()]
    return f"{name} with {', '.join(texts)}" if texts else name


def overridden(settings: Mapping[str, Any], name: str, occasion: Occasion) -> dict[str, Any]:
    """The settings of a resolved configuration that are not those of a schedule; None for those it does not state."""
    method = schedule(name, str(settings.get("method", DEFAULT)), occasion)
    later = later_settings(method)
    stated, values = BEFORE_SETTINGS | later | dict(settings), later | as_dict(method)
    return {key: stated.get(key) for key, value in values.items() if stated.get(key) != value}


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(map(str, value)) or "none"
    return "not known" if value is None else str(value)


def _is_readable(settings: Mapping[str, Any], occasion: Occasion) -> bool:
    """Whether the method of a configuration is one that can be asked for its schedules here."""
    method = str(settings.get("method", DEFAULT))
    if not is_known(method):
        return False
    try:
        for name in SCHEDULES:
            schedule(name, method, occasion)
    except CondenseError:  # of a package that cannot be used; what it made can be read all the same
        return False
    return True
