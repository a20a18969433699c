"""Checkpoints with a right digest and another content: one sentence, no code run, nothing absurd gone on with."""

import hashlib
import io
import json
import math
import pickle
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from condense.config import LearnConfig
from condense.errors import CondenseError, Interrupted
from condense.events import Step
from condense.networks.registry import build
from condense.records import config_hash
from condense.sealed import load_sealed, save_sealed
from condense.stage_c.checkpoint import FORMAT
from condense.stage_c.learn import learn
from condense.stage_t import checkpoint as stage_t_checkpoint
from condense.stage_t.checkpoint import load_tested, save_tested
from condense.studies.generalization import checkpoint as fitting
from condense.studies.generalization.course import Course
from condense.training.engine import MemberDraws
from condense.training.recipe import Recipe, Stage

DAMAGED = "is damaged and cannot be resumed; delete it to start anew"
CONFIG = LearnConfig(network="ConvNetW8BN", ipc=2, iterations=3, outer_loop=2, inner_loop=1, real_batch=5)


def sealed(path: Path, data: bytes, format: str = FORMAT) -> Path:
    path.write_bytes(f"{format} {hashlib.sha256(data).hexdigest()}\n".encode() + data)
    return path


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


class Code:
    """What runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def bomb() -> bytes:
    """An archive of 100 MB of zeros in some hundred KB."""
    buffer, whole = io.BytesIO(), zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(25_000_000)})))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in whole.infolist():
            archive.writestr(member.filename, whole.read(member))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        pickle.dumps({"state": 1}),
        saved([1, 2]),
        saved(torch.zeros(3)),
        saved(3),
        saved({"a": 1})[:-20],
        zipfile.ZipFile.__name__.encode() * 1000,
        bomb(),
    ],
    ids=["nothing", "text", "pickle", "list", "tensor", "number", "cut", "words", "bomb"],
)
def test_what_is_no_dictionary_of_tensors(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(CondenseError) as caught:
        load_sealed(sealed(tmp_path / "c", data), FORMAT)
    assert str(caught.value) == f"The checkpoint {tmp_path / 'c'} {DAMAGED}."


def test_no_code_is_run_and_none_is_advised(tmp_path: Path) -> None:
    for data in (saved({"a": Code(tmp_path / "ran")}), pickle.dumps(Code(tmp_path / "ran"))):
        with pytest.raises(CondenseError) as caught:
            load_sealed(sealed(tmp_path / "c", data), FORMAT)
        assert DAMAGED in str(caught.value) and "weights_only" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


# Stage C


@pytest.fixture
def unfinished(small_images, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A checkpoint in mid-iteration, and its content."""

    def stop(event: Step) -> None:
        if event.step == 3:
            raise KeyboardInterrupt

    path = tmp_path / "run.checkpoint"
    with pytest.raises(Interrupted):
        learn(CONFIG, small_images(), checkpoint=path, progress=stop)
    content = load_sealed(path, FORMAT)
    assert content["step"] == 3 and content["state"]["statistics"]
    return path, content


def put(*keys: str, to: object) -> Callable[[dict[str, Any]], None]:
    """A change of one value of a content."""

    def change(content: dict[str, Any]) -> None:
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to(inner.get(keys[-1])) if callable(to) else to

    return change


CHANGES = {
    "step 10**9": put("step", to=10**9),
    "step one more than all": put("step", to=7),
    "step -1": put("step", to=-1),
    "step 1.5": put("step", to=1.5),
    "step True": put("step", to=True),
    "step text": put("step", to="1"),
    "step between iterations": put("step", to=4),
    "losses too many": put("series", "distance", to=[1.0, 2.0, 3.0, 4.0]),
    "losses too few": put("series", "distance", to=[1.0]),
    "losses text": put("series", "distance", to=["1"] * 3),
    "losses nan": put("series", "distance", to=[1.0, math.nan, 1.0]),
    "losses inf": put("series", "distance", to=[1.0, math.inf, 1.0]),
    "losses a number": put("series", "distance", to=1.0),
    "losses of another name": put("series", to={"loss": [1.0] * 3}),
    "losses of two names": put("series", "more", to=[1.0] * 3),
    "losses of no name": put("series", to={}),
    "losses by number": put("series", to={1: [1.0] * 3}),
    "series a list": put("series", to=[[1.0] * 3]),
    "images of another shape": put("state", "images", to=lambda images: images[:1]),
    "images of another type": put("state", "images", to=lambda images: images.double()),
    "images of one number": put("state", "images", to=lambda images: torch.zeros(()).expand(images.shape)),
    "images nan": put("state", "images", to=lambda images: images * math.nan),
    "images a list": put("state", "images", to=lambda images: images.tolist()),
    "images sparse": put("state", "images", to=lambda images: images.to_sparse()),
    "no velocity": put("state", "velocity", to=None),
    "vector too short": put("state", "vector", to=lambda vector: vector[:-1]),
    "vector huge": put("state", "vector", to=torch.zeros(1).expand(10**12)),
    "statistics gone": put("state", "statistics", to={}),
    "statistics a list": put("state", "statistics", to=[]),
    "statistics more": put("state", "statistics", "more", to=torch.zeros(3)),
    "another field": put("state", "more", to=1),
    "state a list": put("state", to=[1]),
    "seconds nan": put("seconds", to=math.nan),
    "seconds negative": put("seconds", to=-1.0),
    "seconds text": put("seconds", to="1"),
    "another key": put("more", to=1),
    "identity no JSON": put("identity", to="{"),
    "identity a number": put("identity", to=3),
    "identity a list": put("identity", to="[]"),
    "identity deep": put("identity", to="[" * 100_000),
    "surroundings no JSON": put("surroundings", to="{"),
    "surroundings a list": put("surroundings", to="[]"),
    "execution no JSON": put("execution", to="{"),
    "execution a list": put("execution", to="[]"),
    "execution of nothing": put("execution", to="{}"),
    "execution on another device": put("execution", to=lambda text: text.replace('"cpu"', '"tpu"')),
    "execution of no images": put("execution", to=lambda text: text.replace('"part": 5', '"part": 0')),
    "execution of many images": put("execution", to=lambda text: text.replace('"part": 5', '"part": 1e9')),
    "execution with text for a flag": put("execution", to=lambda text: text.replace("false", '"no"')),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_forged_state_of_stage_c(name: str, unfinished: tuple[Path, dict[str, Any]], small_images) -> None:
    path, content = unfinished
    content = deepcopy(content)
    CHANGES[name](content)
    save_sealed(path, FORMAT, content)
    with pytest.raises(CondenseError, match=DAMAGED):
        learn(CONFIG, small_images(), checkpoint=path, resume=True)


@pytest.mark.parametrize("key", ["state", "step", "series", "seconds", "identity", "surroundings", "execution"])
def test_a_content_without_a_part(key: str, unfinished: tuple[Path, dict[str, Any]], small_images) -> None:
    path, content = unfinished
    save_sealed(path, FORMAT, {name: value for name, value in content.items() if name != key})
    with pytest.raises(CondenseError, match=DAMAGED):
        learn(CONFIG, small_images(), checkpoint=path, resume=True)


@pytest.mark.parametrize("precision", ["bf16", 3, None])
def test_a_precision_that_is_none(precision: object, unfinished: tuple[Path, dict[str, Any]], small_images) -> None:
    path, content = unfinished
    content["identity"] = json.dumps({**json.loads(content["identity"]), "precision": precision})
    save_sealed(path, FORMAT, content)
    with pytest.raises(CondenseError, match=r"belongs to another run \(precision: .* there, 'fp32' now\)"):
        learn(CONFIG, small_images(), checkpoint=path, resume=True)


def test_settings_of_another_run_are_not_repeated_at_length(unfinished: tuple[Path, dict[str, Any]], small_images) -> None:
    path, content = unfinished
    there = json.loads(content["identity"]) | {"network": "x" * 100_000, "y" * 100_000: 1, "seed": "\x1b[31m"}
    save_sealed(path, FORMAT, {**content, "identity": json.dumps(there)})
    with pytest.raises(CondenseError, match="belongs to another run") as caught:
        learn(CONFIG, small_images(), checkpoint=path, resume=True)
    assert len(str(caught.value)) < 900 and "\x1b" not in str(caught.value)


# Stage T

IDENTITY = {"set": "a"}
TESTED = stage_t_checkpoint.Tested({0: 0.5, 1: 0.25}, {0: 1.0, 1: 2.0}, [1], {}, 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"accuracies": {"0": 1.5, "1": 0.0}},
        {"accuracies": {"0": -0.5, "1": 0.0}},
        {"accuracies": {"0": "0.5", "1": 0.0}},
        {"accuracies": {"-1": 0.5, "1": 0.0}},
        {"accuracies": {"0": 0.5}},
        {"accuracies": [0.5]},
        {"seconds": {"0": 1.0}},
        {"seconds": {"0": -1.0, "1": 1.0}},
        {"diverged": [7]},
        {"diverged": "1"},
        {"execution": "yes"},
        {"execution": {"part": 1}},
        {"warm_up_seconds": -1.0},
        {"more": 1},
    ],
    ids=str,
)
def test_a_forged_content_of_stage_t(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_tested(path, TESTED, IDENTITY)
    assert load_tested(path, IDENTITY) == TESTED
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "tested": {**content["tested"], **change}}))
    with pytest.raises(CondenseError, match=DAMAGED):
        load_tested(path, IDENTITY)


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"[]", b"3", b"{}", b"[" * 100_000, b'{"identity": "%s", "tested": 3}', b"1" * 5000]
)
def test_what_is_no_content_of_stage_t(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(text.replace(b"%s", config_hash(IDENTITY).encode()))
    with pytest.raises(CondenseError, match=DAMAGED):
        load_tested(tmp_path / "c", IDENTITY)


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_tested(path, TESTED, IDENTITY)
    for number in ("1e999", "-1e999", "NaN", "Infinity"):
        for before in ('"0": 0.5', '"0": 1.0', '"warm_up_seconds": 0.0'):
            save_tested(path, TESTED, IDENTITY)
            text = path.read_text()
            path.write_text(text.replace(before, before.rpartition(" ")[0] + " " + number))
            assert path.read_text() != text
            with pytest.raises(CondenseError, match=DAMAGED):
                load_tested(path, IDENTITY)


# Generalization

RECIPE = Recipe((Stage(10, 0.1),), momentum=0.9)


@pytest.fixture
def halfway(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    network = build("ConvNetW8BN", (1, 28, 28), 3)
    vector = torch.zeros(network.parameter_count)
    series = {"train_loss": [1.0, 2.0], "train_accuracy": [0.5, 0.5]}
    fitted = fitting.Saved(
        *(
            2,
            vector,
            {"velocity": vector.clone()},
            network.initial_statistics(),
            MemberDraws.of(0, "test").states,
            Course(series=series),
        )
    )
    path = tmp_path / "c"
    fitting.save(path, fitted)
    assert fitting.load(path, network, RECIPE, torch.device("cpu")) is not None
    return path, load_sealed(path, fitting.FORMAT)


@pytest.mark.parametrize(
    "change",
    [
        put("epoch", to=0),
        put("epoch", to=RECIPE.epochs),
        put("epoch", to=10**12),
        put("epoch", to="2"),
        put("vector", to=torch.zeros(3)),
        put("vector", to=lambda vector: vector.double()),
        put("optimiser", "velocity", to=lambda vector: torch.zeros(1).expand(vector.shape)),
        put("optimiser", "velocity", to=None),
        put("optimiser", "more", to=torch.zeros(1)),
        put("optimiser", to={}),
        put("optimiser", to=None),
        put("statistics", to={}),
        put("statistics", "more", to=torch.zeros(1)),
        put("draws", to=[]),
        put("draws", to=lambda draws: draws[:2]),
        put("draws", to=lambda draws: [torch.zeros_like(draw) for draw in draws]),
        put("draws", to=lambda draws: [draw[:-1] for draw in draws]),
        put("draws", to="abc"),
        put("course", to={}),
        put("course", to=3),
        put("course", "outcome", to=3),
        put("course", "ended", to=True),
        put("course", "seconds", to=math.inf),
        put("course", "final_test", to=7.0),
        put("course", "epochs_at_chance", to=10**9),
        put("course", "series", "train_loss", to=[1.0]),
        put("course", "series", "train_loss", to=[1.0, math.nan]),
        put("course", "series", "train_accuracy", to=["a", "b"]),
        put("more", to=1),
    ],
)
def test_a_forged_run_of_generalization(
    change: Callable[[dict[str, Any]], None], halfway: tuple[Path, dict[str, Any]]
) -> None:
    path, content = halfway
    change(content)
    save_sealed(path, fitting.FORMAT, content)
    with pytest.raises(CondenseError, match=DAMAGED):
        fitting.load(path, build("ConvNetW8BN", (1, 28, 28), 3), RECIPE, torch.device("cpu"))


def test_a_checkpoint_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for read in (lambda path: load_sealed(path, FORMAT), lambda path: load_tested(path, IDENTITY)):
        with pytest.raises(CondenseError, match=r"Cannot read the checkpoint .*: Is a directory"):
            read(tmp_path / "c")
