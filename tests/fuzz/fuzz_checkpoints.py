"""Checkpoints of stage C, of stage T and of the generalization experiments, their seals right where that is wanted."""

import contextlib
import hashlib
import io
import json
import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from fuzz_mutations import RAW, hostile_value, json_text, mutated_bytes, mutated_value
from fuzz_studies import changed

from condense.config import LearnConfig
from condense.data.images import DataSet, LabelledImages
from condense.errors import Interrupted
from condense.events import Step
from condense.stage_c.learn import learn
from condense.stage_t.checkpoint import Tested, save_tested
from condense.studies.generalization import fit
from condense.studies.generalization.checkpoint import checkpoint_path
from condense.studies.generalization.fit import ordered_key
from condense.studies.generalization.runs import Run

TESTED_IDENTITY = {"config": {"seeds": 2}}

FITTED = Run(network="mlp-1x2", epochs=4, learning_rate=0.001)

LEARNED = LearnConfig(network="mlp-1x2", iterations=2, real_batch=2, precision="fp32")


@cache
def tiny_images() -> LabelledImages:
    """Eight 2x2 images of two classes, to learn a set from in no time."""
    pixels = torch.arange(32, dtype=torch.uint8).reshape(8, 1, 2, 2) * 7
    return LabelledImages.from_arrays(pixels, torch.arange(8) % 2, name="tiny")


@cache
def stage_c_checkpoint() -> bytes:
    """A checkpoint of `LEARNED` after one of its steps."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"

        def stop(event: Step) -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(Interrupted):
            learn(LEARNED, tiny_images(), checkpoint=path, progress=stop)
        return path.read_bytes()


def make_checkpoint(random: Random, folder: Path, secret: Path) -> Path:
    """A checkpoint of stage C, its seal right."""
    path = folder / "stage-c"
    path.write_bytes(_resealed(stage_c_checkpoint(), random))
    return path


def make_tested(random: Random, folder: Path, secret: Path) -> Path:
    """A checkpoint of stage T."""
    path = folder / "stage-t"
    data = stage_t_checkpoint()
    path.write_bytes(changed("tested.json", data, random) if random.random() < 0.9 else data)
    return path


@cache
def stage_t_checkpoint() -> bytes:
    """A checkpoint of an evaluation of `TESTED_IDENTITY`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        save_tested(path, Tested({0: 0.5, 1: 0.25}, {0: 1.0, 1: 2.0}, [1], {}, 0.5), TESTED_IDENTITY)
        return path.read_bytes()


def make_generalization(random: Random, folder: Path, secret: Path) -> Path:
    """A folder with a checkpoint of a run of the generalization experiments, its seal right."""
    path = generalization_path(folder / "checkpoints")
    path.parent.mkdir()
    path.write_bytes(_resealed(generalization_checkpoint(), random))
    return path.parent


def generalization_path(folder: Path) -> Path:
    """Where the checkpoint of `FITTED` lies in a folder of checkpoints."""
    data = standard_images()
    return checkpoint_path(folder, ordered_key(FITTED, data), torch.device("cpu"))


@cache
def standard_images() -> DataSet:
    """Eight images of two classes as these experiments take them."""
    pixels = torch.arange(8 * 784).reshape(8, 1, 28, 28).mul(37).remainder(256).to(torch.uint8)
    images = LabelledImages.from_arrays(pixels, torch.arange(8) % 2, name="tiny")
    return DataSet("tiny", images, images)


@cache
def generalization_checkpoint() -> bytes:
    """A checkpoint of `FITTED` after its first epoch."""
    before, fit.SECONDS = fit.SECONDS, -1.0  # else a run of less than a minute has none
    try:
        with tempfile.TemporaryDirectory() as folder:

            def stop(epoch: int, epochs: int, loss: float) -> None:
                if epoch == 2:
                    raise KeyboardInterrupt

            with contextlib.suppress(KeyboardInterrupt, Interrupted):
                fit.fit([FITTED], standard_images(), stop, checkpoints=Path(folder))
            return generalization_path(Path(folder)).read_bytes()
    finally:
        fit.SECONDS = before


def _sealed(form: bytes, content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    return form + b" " + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


class _Calls:
    """What calls a function where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("unpickled",)


def _resealed(data: bytes, random: Random) -> bytes:
    """A sealed file whose content is mutated, with the digest it then has four times in five."""
    header, _, body = data.partition(b"\n")
    form = header.rpartition(b" ")[0]
    if random.random() < 0.1:
        return data
    kind = random.randrange(5)
    if kind == 0:
        return mutated_bytes(data, random)
    if kind == 1:
        changed = mutated_bytes(body, random)
        return form + b" " + hashlib.sha256(changed).hexdigest().encode() + b"\n" + changed
    content = torch.load(io.BytesIO(body), weights_only=True)
    for _ in range(random.choice([1, 1, 2])):
        content = _mutated_content(content, random)
    return _sealed(form, content)


def _mutated_content(content: Any, random: Random) -> Any:
    """A nested dictionary with one of its values, or itself, replaced."""
    if isinstance(content, dict) and content and random.random() < 0.95:
        name = random.choice(list(content))
        action = random.randrange(12)
        if action == 0:
            return {key: value for key, value in content.items() if key != name}
        if action == 1:
            return {**content, random.choice(["extra", 3, ""]): 1}
        return {**content, name: _mutated_content(content[name], random)}
    if isinstance(content, str) and content.startswith("{") and random.random() < 0.7:
        return json_text(mutated_value(json.loads(content), random, most=1))
    if isinstance(content, torch.Tensor) and random.random() < 0.7:
        return _other_tensor(content, random)
    value = random.choice(
        [hostile_value(random), hostile_value(random), _Calls(), OrderedDict(), torch.zeros(3), (1, 2), b"x"]
    )
    return value.removeprefix(RAW) if isinstance(value, str) else value


def _other_tensor(tensor: torch.Tensor, random: Random) -> torch.Tensor:
    kinds = (
        lambda: tensor.double(),
        lambda: tensor.long() if tensor.is_floating_point() else tensor.float(),
        lambda: tensor[:-1] if tensor.dim() else tensor[None],
        lambda: tensor.reshape(-1),
        lambda: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor,
        lambda: torch.empty(10**9, device="meta"),
        lambda: torch.zeros(1).expand(10**9),
        lambda: tensor.to_sparse() if tensor.dim() and tensor.numel() else tensor,
        lambda: tensor.to(torch.complex64) if tensor.is_floating_point() else tensor,
        lambda: tensor.new_empty(0),
        lambda: tensor.clone().requires_grad_() if tensor.is_floating_point() else tensor,
        lambda: tensor.bool(),
    )
    return random.choice(kinds)()
