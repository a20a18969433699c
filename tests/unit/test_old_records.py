"""Lines of version 0.1 are read as what they are in format 2, and nothing of them is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from condense.errors import CondenseError
from condense.records import Record, append_record, config_hash, read_records

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
RELEASED = sorted(path for path in ARTIFACTS.rglob("*.jsonl") if path.parent.name != "benchmarks")
ALL: dict[str, Any] = {
    "config": {"dataset": "mnist", "network": "MLP"},
    "wall_seconds": 2.5,
    "threads": 2,
    "code_version": "0.1.0+g0123456789ab.dirty",
    "library_versions": {"torch": "2.15.0"},
    "started_at": "2026-01-02T03:04:05+00:00",
}
TRAINED = {**ALL, "kind": "whole", "seeds": [3, 4], "accuracies": [0.5, 0.25], "peak_memory_bytes": 7, "device": "cuda (X)"}
SWEEP = {
    **TRAINED,
    "kind": "sweep",
    "training_accuracies": [1.0, 0.1],
    "training_losses": [0.5, None],
    "training_seconds": 2.0,
    "estimated_seconds": 1.5,
    "estimated_memory_bytes": 8,
    "estimate": {"members": 2.0},
}
PARITY = {**ALL, "kind": "part", "name": "float64", "title": "In float64", "results": {"status": "PASS"}}


def written(path: Path, *contents: dict[str, Any]) -> Path:
    lines = [json.dumps({**content, "config_hash": config_hash(content["config"])}) for content in contents]
    path.write_text("\n".join(lines) + "\n")
    return path


def one(tmp_path: Path, content: dict[str, Any]) -> Record:
    (record,) = read_records(written(tmp_path / "records.jsonl", content))
    return record


def in_version_0_1(record: Record) -> dict[str, Any]:
    """The fields that its line had then, but those that were empty or 0."""
    cost, code, results = record.cost, record.code, dict(record.results)
    estimate = dict(cost.estimate)
    commit = f"+g{code.commit}" if code.commit else ""
    fields = {
        "kind": record.task,
        "config": record.config,
        "config_hash": record.config_hash,
        "seeds": record.seeds,
        "accuracies": record.metrics.get("accuracy"),
        "held_out_accuracies": record.metrics.get("held_out_accuracy"),
        "training_accuracies": record.metrics.get("training_accuracy"),
        "training_losses": record.metrics.get("training_loss"),
        "losses": record.series.get("loss"),
        "series": {name: values for name, values in record.series.items() if name != "loss"},
        "wall_seconds": cost.wall_seconds,
        "warm_up_seconds": cost.warm_up_seconds,
        "training_seconds": cost.training_seconds,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "estimated_seconds": estimate.pop("estimated_seconds", None),
        "estimated_memory_bytes": estimate.pop("estimated_memory_bytes", None),
        "estimate": estimate,
        "device": cost.device,
        "threads": cost.threads,
        "started_at": cost.started_at,
        "code_version": f"{code.version}{commit}{'.dirty' * (code.clean is False)}",
        "library_versions": code.libraries,
        "notes": record.notes,
        "diverged": record.diverged,
        "execution": record.execution,
    }
    if record.task in ("part", "cause"):  # always on the processor
        fields |= {name: results.pop(name) for name in ("name", "title")} | {"device": None, "seeds": None}
        fields["results"] = {**results, "seeds": record.seeds} if record.task == "cause" else results
    return {name: value for name, value in fields.items() if value}


def test_released_records_are_found() -> None:
    assert len(RELEASED) > 150


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: str(path.relative_to(ARTIFACTS)))
def test_nothing_of_a_released_line_is_lost(path: Path, tmp_path: Path) -> None:
    lines, records = path.read_text().splitlines(), read_records(path)
    for line, record in zip(lines, records, strict=True):
        if "format" in json.loads(line):  # of this version, which would write it as it is
            assert record.to_json() == line
            append_record(tmp_path / "records.jsonl", record)
            continue
        before = {name: value for name, value in json.loads(line).items() if value}
        now = in_version_0_1(record)
        if "diverged" not in before:  # it was in the notes, or in a loss that is not there
            now.pop("diverged", None)
        assert now == before
        append_record(tmp_path / "records.jsonl", record)
    assert read_records(tmp_path / "records.jsonl") == records


def test_networks_and_their_cost(tmp_path: Path) -> None:
    record = one(tmp_path, TRAINED | {"notes": ["slow"], "diverged": [4], "execution": {"path": "eager"}})
    assert (record.task, record.seeds, record.metrics) == ("whole", [3, 4], {"accuracy": [0.5, 0.25]})
    assert (record.cost.wall_seconds, record.cost.peak_memory_bytes, record.cost.device) == (2.5, 7, "cuda (X)")
    assert (record.cost.warm_up_seconds, record.cost.training_seconds, record.cost.estimate) == (0, None, {})
    assert (record.code.version, record.code.commit, record.code.clean) == ("0.1.0", "0123456789ab", False)
    assert record.code_version == ALL["code_version"] and record.code.driver is None
    assert (record.notes, record.diverged, record.execution) == (["slow"], [4], {"path": "eager"})


def test_matching_losses_are_a_series(tmp_path: Path) -> None:
    learned = TRAINED | {"kind": "learn", "seeds": [], "accuracies": []}
    record = one(tmp_path, learned | {"losses": [2.0, 1.0], "series": {"loss": [3.0], "penalty": [4.0]}})
    assert record.series == {"loss": [2.0, 1.0], "loss of a step": [3.0], "penalty": [4.0]} and record.metrics == {}
    assert one(tmp_path, learned | {"losses": []}).series == {}


def test_what_diverged_is_read_of_notes(tmp_path: Path) -> None:
    notes = ["seed 3: training diverged", "seed 4 was slow", f"seed {'9' * 5000}: training diverged"]
    record = one(tmp_path, TRAINED | {"notes": notes})
    assert record.diverged == [3] and record.notes == notes


def test_a_row_of_a_sweep(tmp_path: Path) -> None:
    record = one(tmp_path, SWEEP)
    fit = {"training_accuracy": [1.0, 0.1], "training_loss": [0.5, None]}
    assert record.metrics == {"accuracy": [0.5, 0.25], **fit} and record.diverged == [4]
    assert record.cost.training_seconds == 2.0
    assert record.cost.estimate == {"members": 2.0, "estimated_seconds": 1.5, "estimated_memory_bytes": 8}
    held_out = one(tmp_path, SWEEP | {"held_out_accuracies": [0.4, 0.3]})
    assert held_out.metrics["held_out_accuracy"] == [0.4, 0.3]


def test_parity(tmp_path: Path) -> None:
    part = one(tmp_path, PARITY)
    assert (part.task, part.seeds, part.metrics) == ("part", [], {})
    assert part.results == {"status": "PASS", "name": "float64", "title": "In float64"}
    assert (part.device, part.peak_memory_bytes) == ("cpu", None)
    cause = one(tmp_path, PARITY | {"kind": "cause", "results": {"seeds": [0, 1], "test_loss": [0.5, None]}})
    assert cause.seeds == [0, 1] and cause.results["test_loss"] == [0.5, None] and "seeds" not in cause.results


@pytest.mark.parametrize(
    ("line", "changes", "message"),
    [
        (TRAINED, {"kind": "guess"}, "damaged record (kind: Input should be 'learn', 'evaluate', 'whole' or 'fit')"),
        (TRAINED, {"kind": ["learn"]}, "damaged record (kind: Input should be"),
        (TRAINED, {"accuracies": [0.5]}, "2 seeds but 1 accuracies"),
        (TRAINED, {"accuracies": [0.5, 1.5]}, "an accuracy is not a fraction between 0 and 1"),
        (TRAINED, {"accuracies": [True, 0.5]}, "damaged record (accuracies.0: Input should be a valid number)"),
        (TRAINED, {"kind": "learn", "accuracies": []}, "2 seeds but 0 accuracies"),
        (TRAINED, {"diverged": [7]}, "diverged names seeds that are not among the record's"),
        (TRAINED, {"threads": 1.5}, "damaged record (threads: Input should be a valid integer"),
        (TRAINED, {"colour": "red"}, "damaged record (colour: Unexpected keyword argument)"),
        (TRAINED, {"training_losses": []}, "damaged record (training_losses: Unexpected keyword argument)"),
        (TRAINED, {"config": {"network": 3}}, "damaged record (config.network: Input should be a valid string)"),
        (TRAINED, {"format": 1}, "a record of format 1; this condense reads them up to 2"),
        (TRAINED, {"format": 2}, "damaged record (task: Field required)"),
        (SWEEP, {"training_losses": [0.5]}, "2 seeds but 1 training losses"),
        (SWEEP, {"held_out_accuracies": [0.5]}, "2 seeds but 1 held out accuracies"),
        (SWEEP, {"config": {"held_out_images": 5}}, "2 seeds but 0 held out accuracies"),
        (SWEEP, {"training_seconds": -1}, "times, memory and threads must be"),
        (PARITY, {"accuracies": []}, "damaged record (accuracies: Unexpected keyword argument)"),
        (PARITY, {"name": 3}, "damaged record (name: Input should be a valid string)"),
        (
            PARITY,
            {"config": {"framework": "none"}},
            "damaged record (config.framework: Input should be 'simplenn' or 'keras')",
        ),
        (PARITY, {"kind": "cause"}, "damaged record (seeds: Input should be a valid array)"),
        (PARITY, {"kind": "cause", "results": {"seeds": [0, 0]}}, "seeds must be from 0 to"),
    ],
)
def test_lines_that_no_version_wrote(tmp_path: Path, line: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "records.jsonl", line, line | changes)
    with pytest.raises(CondenseError) as caught:
        read_records(path)
    assert str(caught.value).startswith(f"{path}, line 2: {message}")


def test_a_changed_configuration_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "records.jsonl", PARITY)
    path.write_text(path.read_text().replace("mnist", "digits"))
    with pytest.raises(CondenseError, match="line 1: the configuration does not match its hash"):
        read_records(path)
