"""Stage C as a whole: same bytes for the same seed, resumed or not; baselines; failures that keep what was done."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from condense import execution, machine
from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.events import Step
from condense.sealed import load_sealed
from condense.stage_c import learn as module
from condense.stage_c.checkpoint import FORMAT
from condense.stage_c.learn import learn
from condense.stage_c.methods.dc import published_loops

QUICK = LearnConfig(network="ConvNetW8BN", ipc=2, iterations=3, outer_loop=2, inner_loop=2, real_batch=5, seed=1)


def test_same_seed_same_bytes(small_images, tmp_path: Path) -> None:
    for name in ("first.h5", "second.h5"):
        learn(QUICK, small_images()).set.save(tmp_path / name)
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


def test_another_seed_gives_other_images(small_images) -> None:
    other = LearnConfig(**{**vars(QUICK), "seed": 2})
    assert learn(QUICK, small_images()).set.sha256 != learn(other, small_images()).set.sha256


@pytest.mark.parametrize("stop_after", range(1, 6))
def test_interrupted_at_any_step_and_resumed_gives_the_same_bytes(small_images, tmp_path: Path, stop_after: int) -> None:
    checkpoint = tmp_path / "run.checkpoint"

    def stop(event: Step) -> None:
        assert event.steps == 6
        if event.step == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"run\.checkpoint keeps it\.$"):
        learn(QUICK, small_images(), checkpoint=checkpoint, progress=stop)
    seen = []
    resumed = learn(QUICK, small_images(), checkpoint=checkpoint, resume=True, progress=seen.append)
    whole = learn(QUICK, small_images())
    assert len(seen) == 6 - stop_after
    assert resumed.set.sha256 == whole.set.sha256
    assert resumed.record.losses == whole.record.losses


def test_a_run_in_automatic_precision_is_resumed_in_the_one_it_began_with(
    small_images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choosing(found: str) -> Callable[..., str]:
        return lambda asked, *_, **__: found if asked == "auto" else asked

    config = replace(QUICK, network="ConvNetW16")
    monkeypatch.setattr(module, "choose_precision", choosing("mixed"))
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Interrupted):
        learn(config, small_images(), checkpoint=checkpoint, progress=raise_interrupt)
    monkeypatch.setattr(module, "choose_precision", choosing("fp32"))
    resumed = learn(config, small_images(), checkpoint=checkpoint, resume=True)
    whole = learn(replace(config, precision="mixed"), small_images())
    assert resumed.record.config["precision"] == "mixed" and bool((resumed.set.images == whole.set.images).all())


def test_a_checkpoint_of_another_run_is_refused(small_images, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Interrupted):
        learn(QUICK, small_images(), checkpoint=checkpoint, progress=raise_interrupt)
    other = LearnConfig(**{**vars(QUICK), "real_batch": 4})
    with pytest.raises(CondenseError, match=r"another run .*real_batch: 5 there, 4 now"):
        learn(other, small_images(), checkpoint=checkpoint, resume=True)
    with pytest.raises(CondenseError, match="dataset_fingerprint"):
        learn(QUICK, small_images(seed=9), checkpoint=checkpoint, resume=True)


def test_a_checkpoint_is_of_the_images_in_their_order(small_images, tmp_path: Path) -> None:
    """Draws depend on the order, so the same images in another one give other bytes."""
    checkpoint, images = tmp_path / "run.checkpoint", small_images()
    mixed = LabelledImages.from_arrays(images.pixels.flip(0), images.labels.flip(0), name="noise")
    assert mixed.fingerprint == images.fingerprint
    with pytest.raises(Interrupted):
        learn(QUICK, images, checkpoint=checkpoint, progress=raise_interrupt)
    identity = json.loads(load_sealed(checkpoint, FORMAT)["identity"])
    assert identity["dataset_fingerprint"] == images.former_fingerprint  # as earlier versions have it
    with pytest.raises(CondenseError, match="dataset_fingerprint"):
        learn(QUICK, mixed, checkpoint=checkpoint, resume=True)
    assert learn(QUICK, images, checkpoint=checkpoint, resume=True).set.provenance.dataset_fingerprint == images.fingerprint


def raise_interrupt(event: Step) -> None:
    raise KeyboardInterrupt


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(small_images, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    wild = LearnConfig(**{**vars(QUICK), "image_learning_rate": 1e30, "iterations": 50})
    with pytest.raises(RunFailed, match="no longer finite"):
        learn(wild, small_images(), checkpoint=checkpoint)
    kept = torch.load(io.BytesIO(checkpoint.read_bytes().partition(b"\n")[2]), weights_only=True)["state"]
    assert torch.isfinite(kept["images"]).all()


def test_zero_iterations_save_the_start(small_images) -> None:
    config = LearnConfig(network="MLP", iterations=0, init="real", ipc=3)
    data = small_images()
    result = learn(config, data).set
    assert result.provenance.iterations == 0
    real = data.inputs(torch.arange(len(data)))
    for image, label in zip(result.images, result.labels, strict=True):
        match = (real == image).flatten(1).all(1).nonzero().flatten()
        assert len(match) == 1 and data.labels[match] == label


def test_random_selection_takes_distinct_real_images_of_the_class(small_images) -> None:
    data = small_images()
    result = learn(LearnConfig(network="MLP", method="random", ipc=4), data)
    real = data.inputs(torch.arange(len(data)))
    found = [int((real == image).flatten(1).all(1).nonzero()) for image in result.set.images]
    assert len(set(found)) == 8
    assert data.labels[found].tolist() == result.set.labels.tolist() == [0] * 4 + [1] * 4
    assert result.record.config["path"] == "selection" and result.record.losses == []


def test_a_class_smaller_than_ipc_is_refused_where_real_images_are_needed(small_images) -> None:
    data = small_images(counts=(9, 2))
    with pytest.raises(CondenseError, match="Class 1 of noise has 2 images, fewer than the 3 images per class"):
        learn(LearnConfig(network="MLP", method="random", ipc=3), data)
    with pytest.raises(CondenseError, match="fewer than the 3"):
        learn(LearnConfig(network="MLP", init="real", ipc=3, iterations=1), data)
    assert len(learn(LearnConfig(network="MLP", ipc=3, iterations=1, inner_loop=1), data).set.images) == 6


def test_compiled_path_equals_the_eager_one(small_images, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_images(counts=(40, 40))
    config = LearnConfig(network="ConvNetW8", ipc=2, iterations=2, outer_loop=1, real_batch=33)
    monkeypatch.setattr("condense.execution.images_at_once", lambda network, device: 16)
    eager = learn(config, data)
    monkeypatch.setattr(execution, "LONG_FROM", 0)
    compiled = learn(config, data)
    assert (eager.record.config["path"], compiled.record.config["path"]) == ("eager", "compiled")
    torch.testing.assert_close(compiled.set.images, eager.set.images, rtol=1e-3, atol=1e-4)


def test_where_the_network_does_not_compile_the_eager_path_is_taken_and_that_is_said(
    small_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments):
        raise TorchDynamoException("no such operation\nand more")

    monkeypatch.setattr(execution, "LONG_FROM", 0)
    monkeypatch.setattr("condense.stage_c.matching.compiled_function", lambda function, device: broken)
    with pytest.warns(UserWarning, match=r"torch.compile fails on this network \(no such operation\)"):
        result = learn(LearnConfig(network="MLP", iterations=1), small_images())
    assert result.record.config["path"] == "eager" and result.record.losses


def test_where_compiling_fails_the_eager_path_is_taken_and_that_is_said(
    small_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(function):
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(execution, "LONG_FROM", 0)
    monkeypatch.setattr(torch, "compile", broken)
    machine.can_compile.cache_clear()
    with pytest.warns(UserWarning, match=r"torch.compile does not work here \(no compiler\)"):
        result = learn(LearnConfig(network="MLP", iterations=1), small_images())
    machine.can_compile.cache_clear()
    assert result.record.config["path"] == "eager"


def test_the_compiled_path_resumes_to_the_same_bytes_and_runs_whole_batches(
    small_images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LONG_FROM", 0)
    config, checkpoint = LearnConfig(network="MLP", iterations=3, real_batch=5), tmp_path / "run.checkpoint"
    whole = learn(config, small_images())
    with pytest.raises(Interrupted):
        learn(config, small_images(), checkpoint=checkpoint, progress=raise_interrupt)
    resumed = learn(config, small_images(), checkpoint=checkpoint, resume=True)
    assert whole.record.config["path"] == "compiled"
    assert resumed.set.sha256 == whole.set.sha256
    # A batch of the usual size is one chunk of the compiled function, not a remainder of the eager one.
    assert whole.record.config["execution"]["part"] == 5


def test_another_number_of_threads_is_refused(small_images, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Interrupted):
        learn(QUICK, small_images(), checkpoint=checkpoint, progress=raise_interrupt)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with pytest.raises(CondenseError, match=f"threads: {before} there, {before + 1} now"):
            learn(QUICK, small_images(), checkpoint=checkpoint, resume=True)
    finally:
        torch.set_num_threads(before)


def test_published_loops_and_the_rule_between_them() -> None:
    published = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
    assert {ipc: published_loops(ipc) for ipc in published} == published
    assert [published_loops(ipc) for ipc in (2, 5, 15, 25, 45, 100)] == [
        (2, 50),
        (5, 50),
        (15, 38),
        (25, 22),
        (45, 12),
        (50, 10),
    ]
