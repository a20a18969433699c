"""Where a synthetic set comes from: what its file states beside images and labels, and which statements cannot be."""

from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from condense.errors import CondenseError

UNKNOWN = "unknown"
"""Network, device or precision of a set that does not say it, as one of another program."""
IMPORTED = "imported"
"""Where the configuration of a set of another program says what it was, and its method where nothing else is known."""


@dataclass(frozen=True)
class Provenance:
    """Where a synthetic set comes from; every field is an attribute of the file.

    mean, std: the normalisation of the images (per channel, of pixels in [0, 1]); images_per_class: of each class, or where
    classes are unequal of the largest; seed: of the whole stage C; iterations: image-update rounds done; config: the
    resolved configuration of stage C.
    """

    dataset: str
    dataset_fingerprint: str
    class_names: list[str]
    mean: list[float]
    std: list[float]
    images_per_class: int
    method: str
    network: str
    seed: int
    iterations: int
    config: dict[str, Any]
    code_version: str
    library_versions: dict[str, str]
    device: str
    precision: str

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012, as pydantic takes it


FIELDS = tuple(field.name for field in fields(Provenance))
JSON_FIELDS = ("class_names", "config", "library_versions")
"""Those that a file holds as JSON texts."""


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # imported where it is used, as `load_set` does without it

    return TypeAdapter(Provenance)


def provenance_of(attributes: dict[str, Any], where: object) -> Provenance:
    """The provenance that attributes of a file state. Raises `CondenseError`, naming `where`, for values of other types."""
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(attributes)
    except ValidationError as error:
        first = error.errors()[0]
        raise CondenseError(f"{where} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def check_provenance(facts: Provenance, name: str) -> None:
    """Raises `CondenseError` for statements that no file can hold, or that cannot be."""
    for key, value in asdict(facts).items():
        if isinstance(value, str) and not _storable(value):
            raise CondenseError(f"{name} cannot hold the {key} {value!r:.80}: texts are UTF-8 without zero bytes.")
    for key, least, most in (("seed", 0, 2**63 - 1), ("iterations", 0, 2**63 - 1), ("images_per_class", 1, 10**9)):
        value = getattr(facts, key)
        if not least <= value <= most:
            raise CondenseError(f"{name} states {key} {value!r:.80}, which must be from {least} to {most}.")


def check_agreement(facts: Provenance, name: str) -> None:
    """Raises `CondenseError` where the configuration says otherwise; of it nothing else is looked at."""
    for key, stated in (("seed", "seed"), ("images_per_class", "ipc"), ("network", "network"), ("method", "method")):
        value = getattr(facts, key)
        if facts.config.get(stated, value) != value:
            found = f"{value!r:.80} and in its configuration {facts.config[stated]!r:.80}"
            raise CondenseError(f"{name} contradicts itself: {key} is {found}.")


def _storable(text: str) -> bool:
    return "\0" not in text and text == text.encode(errors="ignore").decode()
