"""Experts: networks trained beforehand on the real images, which methods draw from, kept in the user's cache.

An expert is known by all that it follows from: the images, the network, the recipe and its seed. So it is trained once, and
shared by every method and process that needs the same.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condense.data.images import LabelledImages
from condense.errors import CondenseError, Interrupted, RunFailed
from condense.events import Epoch, OfTraining, unheard
from condense.execution import Execution, for_training, warmed_up
from condense.files import check_writable, locked
from condense.machine import Surroundings
from condense.networks.layers import Tensors
from condense.networks.network import Network
from condense.sealed import are_like, damaged, load_sealed, save_sealed
from condense.training.engine import MemberDraws, Members, Standing, fresh_members, train
from condense.training.layout import Layout
from condense.training.optimisers import fresh_state
from condense.training.recipe import Recipe, Stage
from condense.training.sources import TensorSource

FORMAT = "condense expert 1"
CHECKPOINT_SECONDS = 60.0
FOLDER = "CONDENSE_EXPERTS"
"""The environment's name for the folder in place of the user's cache."""


@dataclass(frozen=True)
class Plan:
    """Which experts a method needs: so many of a recipe, with the seeds from `first` on.

    epochs: those after which weights are kept, beside the initial and the final ones.
    """

    recipe: Recipe
    count: int
    epochs: tuple[int, ...] = ()
    first: int = 0

    @property
    def kept(self) -> tuple[int, ...]:
        """All epochs whose weights are kept, ascending, from 0."""
        return tuple(sorted({0, *self.epochs, self.recipe.epochs}))

    def facts(self) -> dict[str, Any]:
        """What it is as plain JSON values."""
        return {"count": self.count, "first": self.first, "recipe": self.recipe.facts(), "epochs": list(self.kept)}


OPERATIONS = ("color", "crop")
"""What changes each real image in training, beside CutMix."""


def recipe_of(epochs: int, *, batch: int = 64) -> Recipe:
    """How IDC and the methods after it train networks on real images: SGD .01 with momentum .9 and weight decay 5e-4, a
    fifth of the rate after 2/3 and after 5/6 of the epochs, colour and crop an image (`laws`: several), CutMix at every
    second batch.
    """
    ends = [0, 2 * epochs // 3, 5 * epochs // 6, epochs]
    stages = tuple(Stage(end - start, 0.01 * 0.2**place) for place, (start, end) in enumerate(pairwise(ends)) if end > start)
    return Recipe(
        stages,
        batch_size=batch,
        momentum=0.9,
        weight_decay=5e-4,
        augmentation=OPERATIONS,
        law="several",
        cutmix=0.5,
        new_optimisers=False,
    )


@dataclass(frozen=True, eq=False)
class Expert:
    """A network that was trained beforehand.

    vectors: parameters (P,) float32 by epochs done, 0 being the initial ones; statistics: BatchNorm's running statistics
    alike; losses: the mean training loss of each epoch; seconds: of training; digest: of the weights; made: where and with
    what it was trained.
    """

    seed: int
    vectors: dict[int, Tensor]
    statistics: dict[int, Tensors]
    losses: tuple[float, ...]
    seconds: float
    digest: str
    made: dict[str, Any]

    @property
    def epochs(self) -> int:
        """Of its training."""
        return len(self.losses)


def experts_folder() -> Path:
    """Where experts are kept: $CONDENSE_EXPERTS, else the user's cache. Raises `CondenseError` for a user without a home."""
    if given := os.environ.get(FOLDER):
        return Path(given)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "condense" / "experts"
    except RuntimeError as error:
        raise CondenseError(f"There is no home folder to keep trained networks in; name a folder as ${FOLDER}.") from error


def identity_of(data: LabelledImages, network: Network, recipe: Recipe, seed: int) -> dict[str, Any]:
    """All that an expert follows from, as plain JSON values."""
    whitening = data.whitening and hashlib.sha256(data.whitening.matrix.cpu().numpy().tobytes()).hexdigest()
    return {
        "images": data.former_fingerprint,  # the one that depends on their order, as batches are drawn by it
        "normalisation": [list(data.mean), list(data.std), whitening],
        "network": network.name,
        "channels_last": Layout.of(network).channels_last,  # the order that the vectors lie in
        "recipe": recipe.facts(),
        "seed": seed,
    }


def obtained(
    plan: Plan,
    data: LabelledImages,
    network: Network,
    *,
    folder: Path | None = None,
    progress: OfTraining = unheard,
) -> tuple[Expert, ...]:
    """The experts of a plan, on the device of the images: those that are kept, and the others trained and kept.

    An expert that another process is training is waited for. Raises `CondenseError` where the folder cannot be written or a
    file in it is damaged, `RunFailed` where training diverges, `Interrupted` on Ctrl-C, after which the next call goes on.
    """
    folder = experts_folder() if folder is None else folder
    found, began = [], time.perf_counter()

    def tell(name: str, done: int, total: int) -> None:
        progress(Epoch(name, done, total, time.perf_counter() - began))

    for number in range(plan.count):
        name = f"expert {number + 1} of {plan.count}"
        found.append(_Work(plan, data, network, plan.first + number, folder).expert(partial(tell, name)))
    return tuple(found)


def together(experts: Sequence[Expert]) -> str:
    """A digest of all of them: sets made with other experts are other sets."""
    return hashlib.sha256("".join(expert.digest for expert in experts).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class _Work:
    """One expert to be had, and its files."""

    plan: Plan
    data: LabelledImages
    network: Network
    seed: int
    folder: Path

    @cached_property
    def identity(self) -> str:
        """All that it follows from, in one text."""
        return json.dumps(identity_of(self.data, self.network, self.plan.recipe, self.seed), sort_keys=True)

    @property
    def path(self) -> Path:
        """Where it is kept."""
        digest = hashlib.sha256(self.identity.encode()).hexdigest()[:24]
        return self.folder / f"{self.network.name[:40]}-{digest}.expert"

    @property
    def checkpoint(self) -> Path:
        """Where its training stands, until it is done."""
        return self.path.with_suffix(".checkpoint")

    def expert(self, progress: Callable[[int, int], None]) -> Expert:
        """It, from its file or from training."""
        check_writable(self.path)
        with locked(self.path.with_suffix(".lock"), wait=True):
            there = self._read() if self.path.exists() else None
            epochs = set(self.plan.kept) | set(there.vectors if there else ())
            if there is None or epochs != set(there.vectors):
                # Trained anew with the epochs of both: to the same weights, as they follow from its identity.
                _Course(self, sorted(epochs)).finish(progress)
                there = self._read()
                self.checkpoint.unlink(missing_ok=True)
        return there

    def _read(self) -> Expert:
        content = load_sealed(self.path, FORMAT, self.data.device)
        if content.get("identity") != self.identity:
            raise damaged(self.path)
        weights = content["weights"]
        return Expert(
            self.seed,
            {epoch: tensors["vector"] for epoch, tensors in weights.items()},
            {epoch: _part(tensors, "statistics ") for epoch, tensors in weights.items()},
            tuple(content["losses"]),
            content["seconds"],
            content["digest"],
            json.loads(content["made"]),
        )


class _Course:
    """The training of an expert; its content is what a checkpoint holds, from which it goes on to the same bytes."""

    def __init__(self, work: _Work, epochs: Sequence[int]) -> None:
        self.work, self.recipe, self.device = work, work.plan.recipe, work.data.device
        self.draws = MemberDraws.of(work.seed, "expert", device=self.device)
        members = fresh_members(work.network, [work.seed], "expert", self.device)
        start = Standing(0, members, fresh_state(self.recipe, members.vector))
        self.content: dict[str, Any] = {
            "identity": work.identity,
            "epochs": list(epochs),
            "surroundings": json.dumps(Surroundings.of(self.device).arithmetic, sort_keys=True),
            "losses": [],
            "seconds": 0.0,
            "draws": self.draws.states,
            "standing": _standing_tensors(start),
            "weights": {0: _weights(members)},
        }
        if work.checkpoint.exists():
            self._go_on_from(load_sealed(work.checkpoint, FORMAT, self.device))
        self.seen = list[Tensor]()
        self.execution = self._execution()
        self.mark = self.saved = time.perf_counter()

    def _go_on_from(self, content: dict[str, Any]) -> None:
        """Takes up a checkpoint, unless it is of another training or surroundings, which begins anew."""
        same = all(content.get(name) == self.content[name] for name in ("identity", "epochs", "surroundings"))
        if not same:
            return
        if set(content) != set(self.content) or not are_like(content["standing"], self.content["standing"]):
            raise damaged(self.work.checkpoint)
        self.draws.restore(content["draws"])
        self.content = content

    def finish(self, progress: Callable[[int, int], None]) -> None:
        """Trains the epochs that are left, and keeps the expert."""
        tensors = self.content["standing"]
        members = Members(tensors["vector"], _part(tensors, "statistics "))
        standing = Standing(len(self.content["losses"]), members, _part(tensors, "optimiser "))

        def after_epoch(reached: Standing) -> None:
            self._keep(reached)
            progress(reached.epoch, self.recipe.epochs)

        try:
            train(
                self.work.network,
                standing,
                self.work.data,
                self.recipe,
                [self.draws],
                execution=self.execution,
                after_step=lambda seen: self.seen.append(seen.losses.mean()),
                keep=after_epoch,
            )
        except KeyboardInterrupt as error:
            save_sealed(self.work.checkpoint, FORMAT, self.content)
            raise Interrupted(
                f"Stopped while training {self.work.network.name} on the real images; {self.work.checkpoint} keeps "
                f"{len(self.content['losses'])} of its {self.recipe.epochs} epochs."
            ) from error
        self._save()

    def _keep(self, reached: Standing) -> None:
        loss = float(torch.stack(self.seen).mean())
        if not math.isfinite(loss):
            raise RunFailed(
                f"Training {self.work.network.name} on the real images came to a loss that is not finite in epoch "
                f"{reached.epoch}: no method can draw from it. Try a smaller learning rate."
            )
        self.seen.clear()
        now = time.perf_counter()
        weights = self.content["weights"]
        if reached.epoch in self.content["epochs"]:
            weights = {**weights, reached.epoch: _weights(reached.members)}
        self.content = {
            **self.content,
            "losses": [*self.content["losses"], loss],
            "seconds": self.content["seconds"] + now - self.mark,
            "draws": self.draws.states,
            "standing": _standing_tensors(reached),
            "weights": weights,
        }
        self.mark = now
        if now - self.saved > CHECKPOINT_SECONDS:
            save_sealed(self.work.checkpoint, FORMAT, self.content)
            self.saved = time.perf_counter()

    def _save(self) -> None:
        digest = hashlib.sha256()
        for tensors in self.content["weights"].values():
            for name in sorted(tensors):
                digest.update(tensors[name].cpu().numpy().tobytes())
        made = {**json.loads(self.content["surroundings"]), "execution": self.execution.facts()}
        content = {name: self.content[name] for name in ("identity", "losses", "seconds", "weights")}
        save_sealed(
            self.work.path, FORMAT, {**content, "digest": digest.hexdigest(), "made": json.dumps(made, sort_keys=True)}
        )

    def _execution(self) -> Execution:
        network, data, recipe = self.work.network, self.work.data, self.recipe
        batch = min(recipe.batch_size, len(data))
        steps = recipe.epochs * -(-len(data) // recipe.batch_size)
        first = torch.arange(batch, device=self.device)
        few = TensorSource(data.inputs(first), data.labels[first])

        def one_step(execution: Execution) -> None:
            members, draws = fresh_members(network, [0], "warm-up", self.device), MemberDraws.of(0, "", device=self.device)
            once = replace(recipe, stages=(Stage(1, recipe.stages[0].learning_rate),))
            train(network, members, few, once, [draws], execution=execution)

        wanted = replace(for_training(network, self.device, batch=batch, steps=steps), stack=1)
        return warmed_up(wanted, one_step, divisible=not network.has_batch_norm)


def _weights(members: Members) -> Tensors:
    """Of the one network among members, in tensors of their own."""
    statistics = {f"statistics {name}": value[0].clone() for name, value in members.statistics.items()}
    return {"vector": members.vector[0].clone(), **statistics}


def _standing_tensors(reached: Standing) -> Tensors:
    """All that training goes on from but the draws, in tensors of their own."""
    statistics = {f"statistics {name}": value.clone() for name, value in reached.members.statistics.items()}
    optimiser = {f"optimiser {name}": value.clone() for name, value in reached.optimiser.items()}
    return {"vector": reached.members.vector.clone(), **statistics, **optimiser}


def _part(tensors: Tensors, prefix: str) -> Tensors:
    """Those whose names begin so, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def kept_experts(folder: Path) -> list[dict[str, Any]]:
    """What each expert in a folder is, by what is kept with it: file, network, seed, epochs, loss, seconds, recipe."""
    found = []
    for path in sorted(folder.glob("*.expert")):
        content = load_sealed(path, FORMAT)
        found.append({"file": path.name, **json.loads(content["identity"]), **_told(content)})
    return found


def _told(content: dict[str, Any]) -> dict[str, Any]:
    return {"kept": sorted(content["weights"]), "loss": content["losses"][-1], "seconds": content["seconds"]}
