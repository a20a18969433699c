"""Values as they stand in messages: on one line, never longer than a line, whatever they hold."""

from pathlib import Path

import pytest

from condense.errors import MOST_SENTENCES, CondenseError, RunFailed, in_sentences, quoted, shortened, unknown_name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("fine", "fine"),
        ("Grüße, 数字", "Grüße, 数字"),
        ("two\nlines\x00\x1b[31m", r"two\nlines\x00\x1b[31m"),
        ("caf\udce9", r"caf\udce9"),
        (Path("a/b.h5"), "a/b.h5"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "…"),
        ("\n" * 100_000, r"\n" * 39 + "\\…"),
        (1.5, "1.5"),
        (["a\n"], r"['a\n']"),
    ],
)
def test_shortened(value: object, text: str) -> None:
    assert shortened(value) == text


def test_what_python_cannot_write_is_named_by_its_kind() -> None:
    assert shortened(10**5000) == "<int too large to be shown>"
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert shortened(deep) == "<list too large to be shown>"


def test_a_path_may_be_longer_and_a_limit_be_given() -> None:
    assert shortened(Path("x" * 240)) == "x" * 240 and len(shortened(Path("x" * 241))) == 240
    assert shortened("abcdef", 4) == "abc…"


def test_text_is_told_from_numbers() -> None:
    assert (quoted("1"), quoted(1), quoted("x" * 100)) == ("'1'", "1", f"'{'x' * 79}…'")


def test_an_unknown_name_of_any_length() -> None:
    message = str(unknown_name("network", "MLQ\n" + "x" * 100_000, ["MLP"]))
    assert message.startswith(r"Unknown network 'MLQ\nxxx") and message.endswith("…'. Known: MLP.") and len(message) < 130


def test_whatever_a_message_quotes_it_prints() -> None:
    assert str(CondenseError("a\x1b[2J, \0, \udcff\nand a second line")) == "a\\x1b[2J, \\x00, \\udcff\nand a second line"
    assert str(RunFailed("a\x07")) == "a\\x07"


def test_many_mistakes_are_told_in_few_lines() -> None:
    assert str(in_sentences(["one.", "two."])) == "one.\ntwo."
    told = str(in_sentences([f"{number}." for number in range(500)])).splitlines()
    assert len(told) == MOST_SENTENCES + 1
    assert told[-1] == f"There are {500 - MOST_SENTENCES} more mistakes."
