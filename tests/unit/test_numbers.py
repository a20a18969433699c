"""How numbers are printed: rounding, signs, units. And that nothing else writes a minus sign of its own."""

import re
from pathlib import Path

from condense.report import numbers
from condense.report.numbers import (
    decimal,
    difference,
    duration,
    interval,
    mean_and_std,
    memory,
    p_value,
    percent,
    percent_of,
    scientific,
    signed,
    thousands,
    times,
    with_error,
)
from condense.statistics import paired, summarise

PACKAGE = Path(numbers.__file__).parents[1]


def test_rounding_and_signs() -> None:
    assert [decimal(value) for value in (0.25, -0.35, 91.96)] == ["0.2", "\u22120.3", "92.0"]
    assert decimal(-0.04) == "0.0" and decimal(-0.04, 2) == "\u22120.04"
    assert [signed(value) for value in (0.25, -0.35, 0.04, -0.04)] == ["+0.2", "\u22120.3", "+0.0", "+0.0"]
    assert (signed(-0.4, 0, sign_of_zero=True), signed(0.4, 0, sign_of_zero=True)) == ("\u22120", "+0")
    assert (scientific(1.25e-7), thousands(1234567), times(12.34)) == ("1.2e-07", "1,234,567", "12.3 ×")


def test_means_with_their_spread() -> None:
    assert (mean_and_std(91.96, 0.25), mean_and_std(91.96, None), mean_and_std(1, 2, 2)) == (
        *("92.0 ± 0.2", "92.0", "1.00 ± 2.00"),
    )
    assert percent_of(summarise([0.5, 0.7])) == "60.0 ± 10.0"
    assert (difference(0.3, 1.25), difference(-0.3, None)) == ("+0.3 ± 1.2", "\u22120.3")
    assert (interval(89.51, 94.48), interval(0.691, 1.4, 2)) == ("89.5 to 94.5", "0.69 to 1.40")


def test_tiny_differences_are_not_printed_as_zero() -> None:
    assert with_error(paired([1.0 + 1e-7, 2.0 + 3e-7], [1.0, 2.0]), 1, 4) == "−2.0e−07 ± 1.0e−07"
    assert with_error(paired([1.0, 2.0], [1.0, 2.0]), 1, 4) == "+0.0000 ± 0.0000"
    assert with_error(paired([0.5, 1.25], [1.0, 2.0]), 100, 2) == "+62.50 ± 12.50"
    assert with_error(paired([0.01, 0.0], [0.0, 0.009]), 1, 2) == "\u22120.00 ± 0.01"  # the sign is the only thing known
    assert with_error(paired([1.0], [2.0]), 1, 2) == with_error(paired([], []), 1, 2) == "–"


def test_p_values() -> None:
    assert [p_value(p) for p in (None, 0.0004, 0.0015, 1.0)] == ["–", "<0.001", "0.002", "1.000"]


def test_a_percent_sign_is_not_torn_off() -> None:
    assert percent("92.0 ± 0.8") == "92.0\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.8\N{NO-BREAK SPACE}%"


def test_times_and_sizes() -> None:
    assert [duration(value) for value in (0.04, 59.94, 59.96, 973.2, 7509)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "16 min 13 s",
        "2 h 05 min",
    ]
    assert [memory(value) for value in (5 * 2**20, 2**30)] == ["5 MiB", "1.0 GiB"]


def test_minus_signs_are_written_here_alone() -> None:
    """Who needs one calls `numbers`; that LaTeX has a command for it is the only other thing to know."""
    files = [path for folder in ("report", "studies", "cli") for path in sorted((PACKAGE / folder).rglob("*.py"))]
    writing = {path.name for path in files if re.search(r"\"\u2212\"|MINUS SIGN", path.read_text())}
    assert len(files) > 50 and writing == {"numbers.py", "rendering.py", "output.py"}
