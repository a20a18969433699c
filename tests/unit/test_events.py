"""What callbacks are told, and what TensorBoard is given of it."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from condense import CondenseError, EvaluateConfig, LearnConfig, SyntheticSet, TensorBoard, evaluate, learn, load
from condense.data.images import DataSet
from condense.events import Epoch, NetworkTested, Step
from condense.pipeline import evaluate_into, learn_and_save
from condense.tracking import STAGE_C

DC = LearnConfig(network="MLP", ipc=2, iterations=3, outer_loop=2, inner_loop=1, real_batch=8)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits", train_size=200)


def test_steps_are_told_with_their_losses_and_the_set_as_it_stands(digits: DataSet) -> None:
    heard = list[Step]()
    learned = learn(DC, digits.train, progress=heard.append)
    assert [event.step for event in heard] == list(range(1, 7)) and {event.steps for event in heard} == {6}
    # An iteration of dc is as many steps as its outer loop has; its loss is told once it is done.
    assert [event.loss for event in heard[1::2]] == learned.record.losses
    (name,) = {name for event in heard for name in event.losses}
    assert all(event.losses[name] > 0 for event in heard)
    seconds = [event.seconds for event in heard]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert heard[-1].made() == learned.set and torch.equal(heard[-1].images(), learned.set.images)
    assert heard[-1].images().data_ptr() != heard[-1].made().images.data_ptr()
    first = heard[1].made()
    assert first.provenance.iterations == 1 and not torch.equal(first.images, learned.set.images)
    shorter = learn(LearnConfig(network="MLP", ipc=2, iterations=1, outer_loop=2, inner_loop=1, real_batch=8), digits.train)
    assert torch.equal(first.images, shorter.set.images)


def test_all_losses_of_a_method_are_told(digits: DataSet) -> None:
    heard = list[Step]()
    config = LearnConfig(method="idc", network="ConvNetW4D1", iterations=1, inner_loop=2, real_batch=4)
    record = learn(config, digits.train, progress=heard.append).record
    for name, values in list(record.series.items())[1:]:
        assert [event.losses[name] for event in heard] == values


def test_what_a_callback_raises_comes_out_and_the_run_goes_on_from_there(digits: DataSet, tmp_path: Path) -> None:
    def fails(event: Step) -> None:
        if event.step == 3:
            raise ValueError("enough")

    path, heard = tmp_path / "run.checkpoint", list[Step]()
    with pytest.raises(ValueError, match="enough"):
        learn(DC, digits.train, checkpoint=path, progress=fails)
    resumed = learn(DC, digits.train, checkpoint=path, resume=True, progress=heard.append)
    assert [event.step for event in heard] == [4, 5, 6] and resumed.set == learn(DC, digits.train).set


def test_networks_are_told_as_they_are_tested(digits: DataSet, tmp_path: Path) -> None:
    chosen, heard = learn(LearnConfig(method="random", network="MLP"), digits.train).set, list[Any]()
    (record,) = evaluate(EvaluateConfig(network=("MLP",), seeds=3), chosen, digits, progress=heard.append)
    told = [event for event in heard if isinstance(event, NetworkTested)]
    assert [event.seed for event in told] == [0, 1, 2] and [event.accuracy for event in told] == record.metrics["accuracy"]
    assert {(event.network, event.protocol) for event in told} == {("MLP", "published")}
    epochs = [event for event in heard if isinstance(event, Epoch)]
    assert epochs[-1].done == epochs[-1].total and epochs[-1].seconds > 0


@pytest.fixture
def board() -> Any:
    return pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def shown(board: Any, folder: Path) -> Any:
    found = board.EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def test_tensorboard_has_losses_images_and_accuracies(board: Any, digits: DataSet, tmp_path: Path) -> None:
    out, records, folder = tmp_path / "a.h5", tmp_path / "a.jsonl", tmp_path / "board"
    with TensorBoard(folder) as tracked:
        made = learn_and_save(DC, digits, out, records, progress=tracked)
        found = evaluate_into(records, EvaluateConfig(network=("MLP",), seeds=3), made, digits, progress=tracked)
    assert out.read_bytes() == learn_and_save(DC, digits, tmp_path / "b.h5", tmp_path / "b.jsonl").to_bytes()
    steps = shown(board, folder / STAGE_C)
    assert [one.step for one in steps.Scalars("loss")] == list(range(1, 7)) == [one.step for one in steps.Images("images")]
    assert steps.Images("images")[0].encoded_image_string.startswith(b"\x89PNG")
    assert b'"iterations": 3' in steps.Tensors("settings/text_summary")[0].tensor_proto.string_val[0]
    networks = shown(board, folder / "MLP, published")
    accuracies = [one for one in found[0].metrics["accuracy"] if one is not None]
    assert [one.value for one in networks.Scalars("accuracy")] == pytest.approx(accuracies)
    assert networks.Scalars("mean accuracy so far")[-1].value == pytest.approx(sum(accuracies) / 3)


def test_a_resumed_run_is_shown_once(board: Any, digits: DataSet, tmp_path: Path) -> None:
    path, folder = tmp_path / "run.checkpoint", tmp_path / "board"

    def fails(event: Step) -> None:
        first(event)
        if event.step == 3:
            raise ValueError

    with TensorBoard(folder) as first, pytest.raises(ValueError):
        learn(DC, digits.train, checkpoint=path, progress=fails)
    with TensorBoard(folder) as second:
        learn(DC, digits.train, checkpoint=path, resume=True, progress=second)
    with TensorBoard(folder) as third:  # all of it once more
        learn(DC, digits.train, progress=third)
    assert [one.step for one in shown(board, folder / STAGE_C).Scalars("loss")] == list(range(1, 7))


def test_a_long_run_is_shown_by_a_thousand_points_and_ten_pictures(
    board: Any, monkeypatch: pytest.MonkeyPatch, digits: DataSet, tmp_path: Path
) -> None:
    drawn, made = list[int](), learn(LearnConfig(method="random", network="MLP"), digits.train).set

    def at(step: int) -> SyntheticSet:
        drawn.append(step)
        return made

    with TensorBoard(tmp_path) as tracked:
        for step in range(1, 20_001):
            tracked(Step(step, 20_000, 1 / step, {"loss": 1 / step}, 0.1, lambda step=step: at(step)))
    assert drawn == [1, *range(2_000, 20_001, 2_000)]
    points = shown(board, tmp_path / STAGE_C).Scalars("loss")
    assert [one.step for one in points] == [1, *range(20, 20_001, 20)]


def test_what_is_no_folder_is_said_before_anything_is_done(board: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CondenseError, match="Cannot write to"):
        TensorBoard(tmp_path / "file")
    with pytest.raises(CondenseError, match="Cannot write to"):
        TensorBoard(tmp_path / "file" / "below")


def test_without_tensorboard_it_is_said_what_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    monkeypatch.delattr("torch.utils.tensorboard", raising=False)
    with pytest.raises(CondenseError, match=r"pip install 'dataset-condensation\[track\]'"):
        TensorBoard(tmp_path)


def test_a_run_goes_on_where_nothing_can_be_written_any_more(
    board: Any, digits: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(self: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordWriter, "write", full)
    hook = threading.excepthook
    with TensorBoard(tmp_path) as tracked:
        learned = learn(DC, digits.train, progress=tracked)
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no longer written to: OSError: [Errno 28] No space left on device. The run goes on." in line
    assert threading.excepthook is hook and learned.set == learn(DC, digits.train).set
