"""Some hundreds of mutated inputs of each kind, and a harness that sees what is wrong: every kind of failure, planted."""

from pathlib import Path
from random import Random

import fuzz_run
import pytest
from fuzz_judge import unprintable
from fuzz_kinds import KINDS
from fuzz_mutations import json_text, mutated_bytes, mutated_value, toml_text
from fuzz_run import ROOT, report, try_inputs

EACH, FIRST = 60, 20_000
"""Inputs of each kind, and their first seed: always the same here; `scripts/fuzz_test.sh` draws new ones."""


@pytest.mark.slow
def test_every_input_is_read_or_refused_in_a_sentence() -> None:
    tally = try_inputs(list(KINDS), EACH * len(KINDS), FIRST)
    print(report(tally, 60))
    assert tally.tried == EACH * len(KINDS)
    assert not tally.failures, report(tally, 60)
    # Mutations neither leave everything as it was nor destroy it: both sides of every reader are tried.
    for kind, outcomes in tally.outcomes.items():
        assert outcomes["refused"] >= 10, kind
        assert outcomes["accepted"] or kind == "idx", kind  # no small file is a published set


PLANTED = """
import os, sys, time, warnings
from pathlib import Path

import fuzz_kinds
from fuzz_kinds import Kind, catalog
from condense.errors import CondenseError

load = catalog.load


def broken(path, **others):
    found = load(path, **others)
    if Path(path).parent.name == "input":
        raise ZeroDivisionError("planted")
    return found


catalog.load = broken


def make(random, folder, secret):
    (folder / "input.txt").write_text(str(secret))
    return folder / "input.txt"


def raises(error):
    def use(path, random):
        raise error
    return use


def unescaped(message):
    error = CondenseError("")
    error.args = (message,)
    return error


def exits(code, text):
    def use(path, random):
        print(text, file=sys.stderr)
        raise SystemExit(code)
    return use


def takes_memory(path, random):
    bytearray(500 * 2**20)


def unmakeable(random, folder, secret):
    raise OSError("no input")


KINDS = {
    "npz": fuzz_kinds.KINDS["npz"],
    "fine": Kind(make, lambda path, random: None),
    "refuses": Kind(make, raises(CondenseError("The file is damaged."))),
    "refuses by exit": Kind(make, exits(2, "condense: The file is damaged.")),
    "wordy": Kind(make, raises(CondenseError("x" * 700))),
    "many lines": Kind(make, raises(CondenseError("a\\nb\\nc\\nd"))),
    "silent": Kind(make, raises(CondenseError(""))),
    "escape": Kind(make, raises(unescaped("a class \\x1b[2J"))),
    "other error": Kind(make, raises(KeyError("x"))),
    "recursion": Kind(make, raises(RecursionError())),
    "exit 1": Kind(make, exits(1, "condense: failed.")),
    "exit in silence": Kind(make, exits(2, "")),
    "memory": Kind(make, takes_memory),
    "warning": Kind(make, lambda path, random: warnings.warn("careful")),
    "library": Kind(make, lambda path, random: os.write(2, b"libpng: error")),
    "prints": Kind(make, lambda path, random: print("\\x1b[31mred")),
    "secret": Kind(make, lambda path, random: Path(path.read_text(), "secret.bin").read_bytes()),
    "unmakeable": Kind(unmakeable, lambda path, random: None),
    "crash": Kind(make, lambda path, random: os.abort()),
    "leaves": Kind(make, lambda path, random: os._exit(3)),
    "hang": Kind(make, lambda path, random: time.sleep(60)),
}
KINDS = {name.replace(" ", "-"): kind for name, kind in KINDS.items()}
"""

EXPECTED = {
    **{"fine": "accepted", "refuses": "refused", "refuses-by-exit": "refused"},
    **{"wordy": "message", "many-lines": "message", "silent": "message", "escape": "message", "unmakeable": "harness"},
    **{"other-error": "traceback", "recursion": "traceback", "exit-1": "exit", "exit-in-silence": "message"},
    **{"memory": "memory", "warning": "warning", "library": "output", "prints": "output", "secret": "secret"},
    **{"crash": "crash", "leaves": "crash", "hang": "hang"},
}


@pytest.mark.slow
def test_whatever_goes_wrong_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.setattr(fuzz_run, "SECONDS", 4.0)
    tally = try_inputs(list(EXPECTED), len(EXPECTED), 0, "planted")
    found = {kind: outcome for kind, _, outcome, _ in tally.failures}
    assert found == {name: outcome for name, outcome in EXPECTED.items() if outcome not in ("accepted", "refused")}
    assert tally.tried == len(EXPECTED) and tally.outcomes["fine"]["accepted"] == 1
    text = report(tally, 1)
    assert "FAILED --kind crash --seed 0: crash: the process ended with SIGABRT" in text
    assert "FAILED --kind hang --seed 0: hang: more than 4 s" in text


@pytest.mark.slow
def test_a_fault_in_a_reader_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    tally = try_inputs(["npz"], 40, 0, "planted")
    planted = [detail for _, _, outcome, detail in tally.failures if outcome == "traceback"]
    assert any(detail.startswith("ZeroDivisionError: 'planted'") for detail in planted)
    assert tally.outcomes["npz"]["accepted"] == 0 and tally.outcomes["npz"]["refused"] > 5


@pytest.mark.parametrize("name", KINDS)
def test_a_seed_gives_the_same_input_again(name: str, tmp_path: Path) -> None:
    made = []
    for attempt in ("a", "b"):
        folder = tmp_path / "input"
        folder.mkdir()
        KINDS[name].make(Random(f"{name}:5"), folder, tmp_path)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        made.append([(path.relative_to(folder), path.stat().st_size) for path in files])
        folder.rename(tmp_path / attempt)
    assert made[0] == made[1] and made[0]


def test_mutations_change_values_and_texts() -> None:
    base = {"a": 1, "b": [1.5, "x"], "c": {"d": None}}
    texts = {json_text(mutated_value(base, Random(seed))) for seed in range(200)}
    assert len(texts) > 150
    for sign in ("1e999", "NaN", "[" * 3000, "\\u001b", "x" * 100_000):
        assert any(sign in text for text in texts), sign
    assert toml_text({"a": "@raw:1e999", "t": {"x": [1, "y"]}, "rows": [{"n": 1}]}) == (
        'a = 1e999\n[t]\nx = [1, "y"]\n[[rows]]\nn = 1\n'
    )
    changed = [mutated_bytes(b"0123456789" * 9, Random(seed), b"abc") for seed in range(100)]
    assert len(set(changed)) > 90 and {len(each) for each in changed} != {90}


def test_what_a_terminal_obeys_is_found() -> None:
    assert unprintable("plain, ä, 日本, 😀\nnext") == ""
    for character in ("\x1b", "\0", "\r", "\x7f", "\x85", "\u2028", "\u202e", "\udcff"):
        assert unprintable(f"a{character}b") == character
