"""What is measured of the machine is measured once, and kept."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from condense import calibration as module
from condense.calibration import calibration, has_bfloat16, takes_classes_in_turn

CPU = torch.device("cpu")
WHERE = module.cache_file


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Where answers go; a new process begins with the fixture."""
    path = tmp_path / "cache" / "calibration.json"
    monkeypatch.setattr(module, "cache_file", lambda: path)
    module._kept.cache_clear()
    yield path
    module._kept.cache_clear()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Answers of measurements, the last first; none left is a failure."""
    answers = [False, True]
    monkeypatch.setattr(module, "convolves_bfloat16_faster", lambda device: answers.pop())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    return answers


def in_a_new_process() -> bool:
    module._kept.cache_clear()
    return has_bfloat16(CPU)


def test_an_answer_is_kept_for_all_processes(kept: Path, measured: list[bool]) -> None:
    assert calibration(CPU) == {}
    assert [has_bfloat16(CPU), has_bfloat16(CPU), in_a_new_process()] == [True] * 3 and measured == [False]
    assert calibration(CPU) == {"bfloat16": True}
    (entry,) = json.loads(kept.read_text())["machines"]
    assert entry["machine"]["device"] == "cpu" and entry["machine"]["threads"] == torch.get_num_threads()
    assert entry["machine"]["torch"] == torch.__version__ and entry["machine"]["processor"]
    module.forget()
    assert not has_bfloat16(CPU) and not kept.read_text().count("true")


def test_another_machine_has_answers_of_its_own(kept: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_bfloat16(CPU)
    monkeypatch.setattr(module, "_processor", lambda: "another")
    assert not in_a_new_process()
    assert len(json.loads(kept.read_text())["machines"]) == 2


def test_what_is_known_without_measuring_is_not_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert not has_bfloat16(CPU) and has_bfloat16(torch.device("cuda")) and not kept.exists()


def test_answers_to_other_questions_stay(kept: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_in_turn_is_faster", lambda device: False)
    assert has_bfloat16(CPU) and not takes_classes_in_turn(CPU)
    assert calibration(CPU) == {"bfloat16": True, "classes in turn": False}


def of(answer: Any, form: str = module.FORMAT) -> str:
    return json.dumps({"format": form, "machines": [{"machine": {}, "found": answer}]})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[" * 10**5, of({"bfloat16": 1}), of([True]), of({}, "another"), of(None)],
    ids=list("01234567"),
)
def test_a_damaged_file_is_measured_anew_with_a_word(text: str, kept: Path, measured: list[bool]) -> None:
    kept.parent.mkdir()
    kept.write_text(text)
    with pytest.warns(UserWarning, match="is damaged; this machine is measured anew"):
        assert has_bfloat16(CPU)
    assert in_a_new_process() and measured == [False]


def test_a_cache_that_cannot_be_written_is_no_error(
    kept: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.parent.write_text("a file in the place of the folder")
    assert has_bfloat16(CPU) and not in_a_new_process()
    measured += [False, True]
    monkeypatch.setattr(module, "cache_file", lambda: None)
    assert in_a_new_process() and not in_a_new_process()


def test_a_cache_that_cannot_be_looked_at_is_no_error(
    kept: Path, measured: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a home that is another user's; here by a name that is too long for any."""
    monkeypatch.setattr(module, "cache_file", lambda: tmp_path / ("x" * 300) / "calibration.json")
    assert calibration(CPU) == {} and has_bfloat16(CPU) and not in_a_new_process()


def test_of_two_processes_that_measure_at_once_the_first_answer_holds(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    asked: list[str] = []

    def slowly(device: torch.device) -> bool:
        if asked:
            return True
        asked.append("by the first, while whose measurement another process asks, and answers both questions")
        assert in_a_new_process() and not takes_classes_in_turn(CPU)
        return False

    monkeypatch.setattr(module, "convolves_bfloat16_faster", slowly)
    monkeypatch.setattr(module, "_in_turn_is_faster", lambda device: False)
    assert has_bfloat16(CPU) and in_a_new_process()
    assert calibration(CPU) == {"bfloat16": True, "classes in turn": False}


def test_where_the_compiler_fails_on_it_classes_do_not_go_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: Any) -> Any:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(module, "compiled_function", lambda function, device: failing)
    monkeypatch.setattr(module, "CHANNELS", 4)
    with pytest.warns(UserWarning, match="no such kernel"):
        assert not module._in_turn_is_faster(CPU)


def test_the_cache_lies_where_the_platform_has_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert WHERE() == tmp_path / "condense" / "calibration.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert WHERE() == tmp_path / ".cache" / "condense" / "calibration.json"


@pytest.mark.parametrize("in_turn", [True, False])
def test_classes_are_timed_in_turn_and_together(in_turn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.5 if in_turn else 0.95, 1.0] * module.READINGS)

    def timed(work: Callable[[], object], device: torch.device) -> float:
        work()
        return next(seconds)

    monkeypatch.setattr(module, "_seconds", timed)
    monkeypatch.setattr(module, "compiled_function", lambda function, device: function)
    monkeypatch.setattr(module, "CHANNELS", 4)
    assert module._in_turn_is_faster(CPU) is in_turn


def test_both_ways_compute_the_same() -> None:
    images, weight = torch.randn(3, 2, 4, 6, 6, dtype=torch.float64), torch.randn(4, 4, 3, 3, dtype=torch.float64)
    one = torch.func.grad_and_value(module._of_a_gradient)
    together, values = torch.func.vmap(one, (0, None))(images, weight)
    for own, gradient, value in zip(images, together, values, strict=True):
        torch.testing.assert_close(one(own, weight), (gradient, value))
    assert 0 < module._seconds(lambda: os.getpid(), CPU) < 1
