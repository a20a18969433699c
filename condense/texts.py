"""JSON and TOML that anyone may have written: read without a traceback, whatever they hold."""

import json
import math
import tomllib
from pathlib import Path
from typing import Any

from condense.errors import CondenseError, shortened


def json_of(data: bytes, where: str) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte-order mark.

    Raises `CondenseError`, which `where` begins, for other bytes, and for numbers that are none: NaN, infinities, 1e999.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_finite, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise CondenseError(f"{where}: nested too deep to be read.") from None
    except ValueError as error:  # of which JSONDecodeError and UnicodeDecodeError are kinds
        raise CondenseError(f"{where}: not complete JSON ({shortened(error)}).") from error


def toml_of(text: str, where: str) -> dict[str, Any]:
    """The content of a TOML text, with or without a byte-order mark; raises `CondenseError`, which `where` begins."""
    try:
        return tomllib.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except RecursionError:
        raise CondenseError(f"{where} is not valid TOML: nested too deep to be read.") from None
    except ValueError as error:  # TOMLDecodeError is one; whole numbers of thousands of digits raise others
        raise CondenseError(f"{where} is not valid TOML: {shortened(str(error), 200)}.") from error


def toml_file(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file; what: 'the configuration', for sentences. Raises `CondenseError` as `toml_of` does."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise CondenseError(f"Cannot read {what} {shortened(path)}: {getattr(error, 'strerror', None) or error}.") from error
    return toml_of(text, f"{what[:1].upper()}{what[1:]} {shortened(path)}")


def _whole(text: str) -> int:
    _finite(text)  # what is computed with numbers is computed with floats
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shortened(text)} is no number that can be read")
    return value
