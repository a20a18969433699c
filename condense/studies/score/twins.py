"""A protocol, and its twins that differ in one thing: labels taken as hard, augmentation as DSA's, none at all."""

from dataclasses import dataclass
from typing import Any

from condense.augmentation.laws import siamese_operations
from condense.stage_t.protocols import LONGEST_NAME, Protocol, named

AnyProtocol = str | Protocol


@dataclass(frozen=True)
class Twins:
    """Protocols for networks of one name on sets of one data set; those that come to the same settings are the same.

    own: labels as they are; hard: the likeliest class of each soft label; augmented: own with the augmentation of DSA;
    plain: own without augmentation.
    """

    own: AnyProtocol
    hard: AnyProtocol
    augmented: AnyProtocol
    plain: AnyProtocol


def twins_of(protocol: AnyProtocol, dataset: str, network: str, *, soft: bool) -> Twins:
    """The twins of a protocol (dataset: name in the catalogue; soft: whether the labels are); CutMix counts as augmentation.

    Raises `CondenseError` for an unknown protocol.
    """
    settings = named(protocol).settings(dataset, network)
    own = _twin(protocol, settings, "soft", {"loss": "soft"} if soft else {})
    hard = _twin(protocol, settings, "hard", {"loss": "hard"} if soft else {})
    settings = settings | ({"loss": "soft"} if soft else {})
    augmentation = siamese_operations(dataset)
    augmented = {"law": "single", "augmentation": augmentation, "cutmix": 0.0}
    plain = {"augmentation": (), "cutmix": 0.0}
    return Twins(own, hard, _twin(own, settings, "siamese", augmented), _twin(own, settings, "plain", plain))


def _twin(protocol: AnyProtocol, settings: dict[str, Any], called: str, changes: dict[str, Any]) -> AnyProtocol:
    """The protocol itself where it has these settings already, else one of them all, under its name with one word more."""
    if all(settings[name] == value for name, value in changes.items()):
        return protocol
    name = f"{str(protocol)[: LONGEST_NAME - len(called) - 1]}-{called}"
    return Protocol(name=name, **(settings | changes))
