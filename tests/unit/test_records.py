"""Records survive the file, and a changed, damaged or foreign line is named."""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_samples import CODE, COST, evaluated, learned, on_whole_set

from condense.checking import as_dict
from condense.config import LearnConfig
from condense.errors import CondenseError
from condense.records import Record, append_record, check_appendable, config_hash, read_records
from condense.report.cells import cells
from condense.report.page import render_page
from condense.report.rendering import render
from condense.report.tables import accuracy_table

RECORDS = [learned(notes=["ünïcode"]), evaluated([0.5, 0.25]), evaluated([1.0, 0.0], network="MLP")]


def accuracies(*values: float | None, **more: list[float | None]) -> dict[str, Any]:
    """Metrics, as a line has them."""
    return {"metrics": {"accuracy": values, **more}}


def cost(**changes: Any) -> dict[str, Any]:
    """The cost of the samples, as a line has it, with other values."""
    return {"cost": vars(COST) | changes}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "records.jsonl"
    for record in RECORDS:
        append_record(path, record)
    return path


def message_of(path: Path) -> str:
    with pytest.raises(CondenseError) as caught:
        read_records(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewritten(path: Path, number: int, **changes: Any) -> Path:
    """The file with fields of one line changed as a text editor would, the stored hash left as it is."""
    lines = path.read_text().splitlines()
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | changes)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_records_are_read_as_they_were_appended(path: Path) -> None:
    assert read_records(path) == RECORDS
    content = path.read_text()
    append_record(path, RECORDS[0])
    assert path.read_text().startswith(content)
    assert read_records(path) == [*RECORDS, RECORDS[0]]


def test_a_line_is_json_with_the_hash_of_its_configuration(path: Path) -> None:
    for line, record in zip(path.read_text().splitlines(), RECORDS, strict=True):
        content = json.loads(line)
        assert content["config_hash"] == record.config_hash == config_hash(content["config"])
        assert line.isascii() and list(content) == sorted(content)


def test_the_hash_ignores_the_order_of_settings_and_no_value() -> None:
    assert config_hash({"a": 1, "b": [2, 3]}) == config_hash({"b": [2, 3], "a": 1})
    assert len({config_hash(config) for config in ({"a": 1}, {"a": 2}, {"a": "1"}, {"a": [1]}, {"b": 1})}) == 5


def test_empty_lines_and_other_line_breaks_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n\n"))
    assert read_records(path) == RECORDS


def test_a_number_that_is_not_finite_is_never_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError):
        append_record(path, replace(RECORDS[0], series={"loss": [float("nan")]}))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (accuracies(0.5, 1.5), "an accuracy is not a fraction between 0 and 1"),
        (accuracies(0.5, -0.1), "an accuracy is not a fraction between 0 and 1"),
        (accuracies(0.5, None), "an accuracy is not a fraction between 0 and 1"),
        (accuracies(0.5), "2 seeds but 1 accuracies"),
        ({"seeds": []}, "0 seeds but 2 accuracies"),
        (accuracies(0.5, 0.5, held_out_accuracy=[0.5, 1.5]), "an accuracy is not a fraction between 0 and 1"),
        (accuracies(0.5, 0.5, training_loss=[0.5]), "2 seeds but 1 training losses"),
        ({"metrics": {}}, "networks without an accuracy"),
        (accuracies(0.5, float("nan")), "not a complete line of JSON (NaN is no JSON number)"),
        ({"cost": {"wall_seconds": float("inf")}}, "not a complete line of JSON (Infinity is no JSON number)"),
        ({"config": {}}, "the configuration does not match its hash; the record was changed"),
        ({"config_hash": "0" * 64}, "the configuration does not match its hash; the record was changed"),
        ({"config_hash": None}, "the configuration does not match its hash; the record was changed"),
        ({"task": "guess"}, "damaged record (task: Input should be 'learn', 'evaluate', 'whole', "),
        ({"method": "dm"}, "method and protocol do not match the configuration; the record was changed"),
        ({"protocol": None}, "method and protocol do not match the configuration; the record was changed"),
        ({"format": 3}, "a record of format 3; this condense reads them up to 2"),
        ({"format": "\x1b[2J"}, "a record of format \\x1b[2J; this condense reads them up to 2"),
        ({"format": True}, "a record of format True; this condense reads them up to 2"),
        ({"seeds": ["0", 1]}, "damaged record (seeds.0: Input should be a valid integer)"),
        (accuracies(True, 0.5), "damaged record (metrics.accuracy.0: Input should be a valid number)"),
        ({"results": {"first": 10**400}}, "is larger than any number that can be kept"),
        (cost(threads=1.5), "damaged record (cost.threads: Input should be a valid integer"),
        (cost(colour="red"), "damaged record (cost.colour: Unexpected keyword argument)"),
        ({"code": {**vars(CODE), "clean": True}}, "of the code, commit and clean must both be stated, or neither"),
        ({"code": {"version": "0.1.0"}}, "damaged record (code.commit: Field required)"),
        ({"config": [1]}, "damaged record (config: Input should be an object)"),
        ({"colour": "red"}, "damaged record (colour: Unexpected keyword argument)"),
    ],
)
def test_changed_records(path: Path, changes: dict, message: str) -> None:
    said = message_of(rewritten(path, 2, **changes))
    assert said.startswith(f"{path}, line 2: ") and message in said


def test_an_edited_setting_is_found(path: Path) -> None:
    path.write_text(path.read_text().replace('"iterations": 1000', '"iterations": 2000', 1))
    assert f"{path}, line 2: the configuration does not match its hash" in message_of(path)


@pytest.mark.parametrize("name", sorted(json.loads(RECORDS[1].to_json())))
def test_every_field_is_needed(path: Path, name: str) -> None:
    lines = path.read_text().splitlines()
    content = json.loads(lines[0])
    del content[name]
    path.write_text(json.dumps(content))
    if name == "protocol":  # there is none of learning
        assert read_records(path) == RECORDS[:1]
    else:
        assert f"{path}, line 1: " in message_of(path)


def test_what_is_empty_is_not_in_the_line() -> None:
    content = json.loads(on_whole_set([0.5]).to_json())
    assert content.keys() == {
        "format",
        "task",
        "method",
        "protocol",
        "config",
        "config_hash",
        "seeds",
        "metrics",
        "cost",
        "code",
    }
    assert (content["format"], content["method"], content["protocol"]) == (2, None, "whole")
    assert json.loads(RECORDS[1].to_json())["method"] == json.loads(RECORDS[0].to_json())["method"] == "dc"


@pytest.mark.parametrize("line", ["[]", "3", '"text"', "null"])
def test_json_that_is_no_record(path: Path, line: str) -> None:
    path.write_text(line)
    assert message_of(path) == f"{path}, line 1: not a record of condense, which is a JSON object."


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_no_records(path: Path, content: str) -> None:
    path.write_text(content)
    assert message_of(path) == f"{path} holds no records."


def test_a_truncated_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines)[:-20])
    assert f"{path}, line 3: not a complete line of JSON" in message_of(path)
    before = path.read_bytes()
    with pytest.raises(CondenseError, match="line 3: not a complete line of JSON"):
        check_appendable(path)
    assert path.read_bytes() == before


def test_a_line_without_its_line_break_is_read_but_not_appended_to(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    assert read_records(path) == RECORDS
    with pytest.raises(CondenseError, match="the last line lacks its line break, so nothing can be appended"):
        check_appendable(path)


def test_foreign_files(path: Path) -> None:
    path.write_bytes(os.urandom(1000) + b"\xff")
    assert message_of(path).startswith(f"Cannot read records from {path}: 'utf-8' codec")
    path.write_text("[" * 100_000)
    assert "line 1: not a complete line of JSON" in message_of(path)
    assert message_of(path.parent) == f"Cannot read records from {path.parent}: Is a directory."
    assert message_of(path / "more") == f"Cannot read records from {path / 'more'}: Not a directory."
    assert message_of(path.with_name("other")).endswith("other: No such file or directory.")


def test_where_records_can_be_appended(path: Path, tmp_path: Path) -> None:
    check_appendable(path)
    check_appendable(tmp_path / "new" / "records.jsonl")
    (tmp_path / "empty").touch()
    check_appendable(tmp_path / "empty")
    (tmp_path / "set.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for wrong in (tmp_path, tmp_path / "set.h5", path / "below"):
        with pytest.raises(CondenseError):
            check_appendable(wrong)


def test_lines_of_concurrent_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records = [evaluated([0.5] * 50, sha256=f"{writer}") for writer in range(8)]

    def write(record: Record) -> None:
        for _ in range(20):
            append_record(path, record)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, records))
    found = read_records(path)
    assert all(found.count(record) == 20 for record in records) and len(found) == 160


# Right hashes and wrong values


def written(path: Path, content: dict[str, Any]) -> Path:
    """One line whose hash belongs to its configuration, whatever that is."""
    canonical = json.dumps(content["config"], sort_keys=True, separators=(",", ":"))
    content["config_hash"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(content) + "\n")
    return path


def places(value: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        yield (*before, name)
        if isinstance(inner, dict):
            yield from places(inner, (*before, name))


FULL_CONFIG = as_dict(LearnConfig(precision="fp32").resolved())
FULL = [
    learned(**{**FULL_CONFIG, "set": "a" * 64, "path": "eager"}),
    evaluated([0.5, 0.25], config=FULL_CONFIG),
    on_whole_set([0.5, 0.75]),
]
WRONG = [None, True, -1, 2.5, "text", [], {}, [[1]], {"a": {}}, 10**400, "\x1b[2J"]


@pytest.mark.parametrize("record", FULL, ids=lambda record: record.task)
def test_values_of_another_type_are_refused_or_do_no_harm(path: Path, record: Record) -> None:
    """Each value by each other: one sentence, or a table, page and figure."""
    tried = 0
    for place in places(json.loads(record.to_json())):
        for wrong in WRONG:
            content = json.loads(record.to_json())
            inner = content
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = wrong
            tried += 1
            try:
                records = read_records(written(path, content))
                if record.task != "learn":
                    render(accuracy_table(records), "text")
                    render(accuracy_table(records), "csv")
                    cells(records)
                if tried % 7 == 0:  # drawn, which takes longer
                    render_page("A page", records)
            except CondenseError as error:
                assert "\n" not in str(error) and "\x1b" not in str(error) and len(str(error)) < 400, place
    assert tried > 200


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1" * 5000])
@pytest.mark.parametrize("name", ["wall_seconds", "iterations", "peak_memory_bytes"])
def test_numbers_that_cannot_be_kept(path: Path, name: str, number: str) -> None:
    content = json.loads(FULL[0].to_json())
    changed = {"cost": content["cost"] | {name: "HERE"}} if name in content["cost"] else {"config": {name: "HERE"}}
    marked = json.dumps(content | changed)
    path.write_text(marked.replace('"HERE"', number))
    assert message_of(path).startswith(f"{path}, line 1: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [0, 0]}, "seeds must be from 0 to"),
        ({"seeds": [-1, 1]}, "seeds must be from 0 to"),
        ({"diverged": [7]}, "diverged names seeds that are not among the record's"),
        (cost(wall_seconds=-1), "times, memory and threads must be"),
        (cost(training_seconds=-1), "times, memory and threads must be"),
        (cost(peak_memory_bytes=10**30), "times, memory and threads must be"),
    ],
)
def test_numbers_that_cannot_be(path: Path, changes: dict, message: str) -> None:
    assert message in message_of(rewritten(path, 2, **changes))


def test_a_byte_order_mark_is_passed_over(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_records(path) == RECORDS
    check_appendable(path)


def test_seeds_that_diverged_are_kept(path: Path) -> None:
    new = replace(RECORDS[1], diverged=[1])
    append_record(path, new)
    assert read_records(path)[-1].diverged == [1]
