"""Stage T: fresh networks, trained on a set from scratch, tested on the real test images."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from condense.checking import verified
from condense.config import EvaluateConfig
from condense.data.images import DataSet
from condense.data.naming import shareable
from condense.decoding import IDENTITY
from condense.errors import CondenseError, Interrupted, RunFailed, quoted
from condense.events import Epoch, NetworkTested, OfTraining, unheard
from condense.execution import Execution, for_training, stacks, warmed_up
from condense.machine import Surroundings, can_compile, reproducible
from condense.memory import start_peak
from condense.networks.network import Network
from condense.networks.own import NETWORKS
from condense.networks.registry import build
from condense.provenance import UNKNOWN
from condense.records import AT_CHANCE, Cost, Record
from condense.stage_c.method import Occasion
from condense.stage_c.schedules import schedule_name
from condense.stage_t.checkpoint import Tested, load_tested, save_tested
from condense.stage_t.own_protocols import chosen
from condense.stage_t.protocols import WHOLE, Protocol, recipe, whole_recipe
from condense.statistics import best_by_chance
from condense.synthetic_set import SyntheticSet
from condense.training.accuracy import accuracies
from condense.training.engine import AfterEpoch, MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe
from condense.training.sources import Source, TensorSource


def evaluate(
    config: EvaluateConfig, synthetic: SyntheticSet, data: DataSet, *, progress: OfTraining = unheard
) -> Iterator[Record]:
    """Trains `config.seeds` networks of each architecture on a synthetic set; one record an architecture, as it finishes.

    Raises `CondenseError` as `evaluate_network` does, before anything is trained.
    """
    config = verified(config)
    for name in networks_of(config, synthetic):
        build(name, data.test.shape, data.test.classes)
        recipe_on(synthetic, config.protocol, name)
    for name in networks_of(config, synthetic):
        yield evaluate_network(name, config.protocol, synthetic, data, range(config.seeds), progress=progress)


def networks_of(config: EvaluateConfig, synthetic: SyntheticSet | None) -> tuple[str, ...]:
    """The networks to train, each once: those named, else the one the set was learned with; without a set, and for one of
    another program that does not say it, ConvNet.

    Raises `CondenseError` where that one is code of a module: what a file names is not imported.
    """
    default = UNKNOWN if synthetic is None else synthetic.provenance.network
    default = "ConvNet" if default == UNKNOWN else default
    if not config.network and NETWORKS.is_named_by_file(default):
        raise CondenseError(
            f"The set was learned with the network {quoted(default)}, which is code that a file is not to choose: name it, "
            "or another, with --network."
        )
    return tuple(dict.fromkeys(config.network)) or (default,)


def recipe_on(synthetic: SyntheticSet, protocol: str | Protocol, network: str) -> Recipe:
    """The recipe of a protocol for networks of this name on a set; raises `CondenseError` as `recipe` does."""
    return recipe(protocol, synthetic.provenance.dataset, network, synthetic.learning_rate)


def evaluate_network(
    name: str,
    protocol: str | Protocol,
    synthetic: SyntheticSet,
    data: DataSet,
    seeds: Sequence[int],
    *,
    checkpoint: Path | str | None = None,
    progress: OfTraining = unheard,
) -> Record:
    """Trains one network a seed on a synthetic set under a protocol, and tests each on the real test images.

    Seed s gives the same initial network in every protocol and for every set, and for sets of one size the same batch order
    and augmentation too, so that comparisons can be paired. checkpoint: where to keep the networks tested so far; those
    found there are not trained again, and it is removed by whoever has kept the record.
    Raises `CondenseError` when `data` is not what the set was learned from, the network cannot take its images, or the
    protocol is wrong or takes the set's own learning rate and there is none.
    """
    protocol, data = chosen(protocol), data_as_learned(synthetic, data)
    device = data.test.device
    source = source_of(synthetic, device)
    described = {"set": describe_made(synthetic), "protocol": str(protocol)}
    network, own = build(name, data.test.shape, data.test.classes), recipe_on(synthetic, protocol, name)
    return _Evaluation("evaluate", network, source, own, data, described).record(seeds, checkpoint, progress)


def source_of(synthetic: SyntheticSet, device: torch.device) -> TensorSource:
    """What networks are trained on: the decoded images of a set with their labels, on the device."""
    images, labels = synthetic.decoded()
    return TensorSource(images.to(device), labels.to(device))


def evaluate_whole(config: EvaluateConfig, data: DataSet, *, progress: OfTraining = unheard) -> Iterator[Record]:
    """The same on all real training images: the upper bound."""
    config = verified(config)
    for name in networks_of(config, None):
        build(name, data.train.shape, data.train.classes)
    for name in networks_of(config, None):
        yield evaluate_network_whole(name, data, range(config.seeds), progress=progress)


def evaluate_network_whole(
    name: str,
    data: DataSet,
    seeds: Sequence[int],
    *,
    checkpoint: Path | str | None = None,
    progress: OfTraining = unheard,
) -> Record:
    """One network a seed on all real training images; checkpoint as for `evaluate_network`."""
    network = build(name, data.train.shape, data.train.classes)
    described = {"dataset": data.name, "dataset_fingerprint": data.train.fingerprint, "protocol": WHOLE}
    whole = _Evaluation("whole", network, data.train, whole_recipe(), data, described)
    return whole.record(seeds, checkpoint, progress)


def describe_set(synthetic: SyntheticSet) -> dict[str, Any]:
    """What identifies a synthetic set in the records of what was trained on it."""
    facts = synthetic.provenance
    names = ("dataset", "dataset_fingerprint", "method", "network", "images_per_class", "seed", "iterations")
    own = {name: getattr(facts, name) for name in names}
    learned = {name: facts.config.get(name) for name in ("init", "distance")}
    if facts.iterations:
        schedule = schedule_name(facts.config, Occasion(facts.dataset, facts.images_per_class, facts.network))
        learned |= {"schedule": schedule, "precision": facts.precision}
    return {"sha256": synthetic.sha256, **own, **learned, **_more_than_usual(synthetic)}


def describe_made(synthetic: SyntheticSet) -> dict[str, Any]:
    """The same with the configuration that it was made by."""
    return {**describe_set(synthetic), "config": shareable(synthetic.provenance.config)}


def _more_than_usual(synthetic: SyntheticSet) -> dict[str, Any]:
    """What a set states that has soft labels, or that format 1 has no place for."""
    facts = {
        "labels": "soft" if synthetic.soft else None,
        "counts": list(synthetic.counts) if synthetic.unequal else None,
        "decoder": None if synthetic.decoder == IDENTITY else str(synthetic.decoder),
        "preprocessing": None if synthetic.preprocessing is None else str(synthetic.preprocessing),
        "learning_rate": synthetic.learning_rate,
    }
    return {name: value for name, value in facts.items() if value is not None}


def check_same_data(synthetic: SyntheticSet, data: DataSet) -> None:
    """Raises `CondenseError` unless the set was learned from the training images of `data`."""
    facts = synthetic.provenance
    if len(facts.class_names) != data.train.classes:
        raise CondenseError(
            f"The set has {len(facts.class_names)} classes, but the {data.name} given here has {data.train.classes}."
        )
    if not data.train.is_known_as(facts.dataset_fingerprint):
        raise CondenseError(
            f"The set was learned from other images: its {facts.dataset} has fingerprint {facts.dataset_fingerprint[:12]}, "
            f"the {data.name} found here {data.train.fingerprint[:12]}."
        )


def data_as_learned(synthetic: SyntheticSet, data: DataSet) -> DataSet:
    """`data` normalised or whitened as the set is, and with its numbers of classes; unchanged where they have both.

    Images of a published set in one's own container were read with names, numbers and a normalisation of their own before
    they were taken as that set. Raises `CondenseError` as `check_same_data` does.
    """
    check_same_data(synthetic, data)
    facts = synthetic.provenance
    train = data.train.as_known_by(facts.dataset_fingerprint)
    if train is not data.train:
        data = replace(data, train=train, test=data.test.as_read())
    if data.train.whitening is not synthetic.preprocessing or data.test.whitening is not synthetic.preprocessing:
        data = data.whitened_by(synthetic.preprocessing)
    mean, std = tuple(facts.mean), tuple(facts.std)
    if (mean, std) == (tuple(data.train.mean), tuple(data.train.std)) == (tuple(data.test.mean), tuple(data.test.std)):
        return data
    parts = (one.described_as(one.name, one.class_names, mean, std) for one in (data.train, data.test))
    return replace(data, **dict(zip(("train", "test"), parts, strict=True)))


@dataclass(frozen=True)
class _Evaluation:
    """Networks of one architecture, trained on one source by one recipe, and tested."""

    task: Literal["evaluate", "whole"]
    network: Network
    source: Source
    recipe: Recipe
    data: DataSet
    described: dict[str, Any]

    def record(self, seeds: Sequence[int], checkpoint: Path | str | None, progress: OfTraining) -> Record:
        """The record of all these seeds."""
        with reproducible(self.data.test.device):
            return self._record(seeds, None if checkpoint is None else Path(checkpoint), progress)

    def _record(self, seeds: Sequence[int], checkpoint: Path | None, progress: OfTraining) -> Record:
        device = self.data.test.device
        surroundings, peak = Surroundings.of(device), start_peak(device)
        began = time.perf_counter()
        kept = _Kept(checkpoint, {"config": self._identity, **surroundings.arithmetic})
        execution = self._execution(kept.execution)
        kept.tested.execution = execution.facts()
        kept.tested.warm_up_seconds += time.perf_counter() - began
        try:
            self._test_all(seeds, execution, kept, progress)
        except KeyboardInterrupt as error:
            some = checkpoint is not None and checkpoint.exists()
            where = f"; {checkpoint} keeps the networks tested so far" if some else ""
            done = f"Stopped while training {self.network.name}; records of networks finished before are kept"
            raise Interrupted(f"{done}{where}.") from error
        tested, accuracies = kept.tested, [kept.tested.accuracies[seed] for seed in seeds]
        diverged = [seed for seed in seeds if seed in tested.diverged]
        fine = [accuracy for seed, accuracy in zip(seeds, accuracies, strict=True) if seed not in diverged]
        at_chance = bool(fine) and sum(fine) / len(fine) < best_by_chance(self.data.test.counts)
        return Record(
            task=self.task,
            config={**self._facts, "path": execution.path, "execution": execution.facts()},
            seeds=list(seeds),
            metrics={"accuracy": [*accuracies]},
            cost=Cost.of(
                surroundings,
                wall_seconds=sum(tested.seconds[seed] for seed in seeds),
                warm_up_seconds=tested.warm_up_seconds,
                peak_memory_bytes=peak.bytes(),
            ),
            code=surroundings.code,
            notes=[
                *(f"seed {seed}: training diverged" for seed in diverged),
                *([AT_CHANCE] if at_chance else []),
            ],
            diverged=diverged,
        )

    @property
    def _batch(self) -> int:
        """Images in a full batch."""
        return min(len(self.source.labels), self.recipe.batch_size)

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            **self.described,
            "network": self.network.name,
            "recipe": self.recipe.facts(),
            "test_images": len(self.data.test),
            "test_fingerprint": self.data.test.fingerprint,
        }

    @property
    def _identity(self) -> dict[str, Any]:
        # By the fingerprints that depend on the order of the images, as training on them does; earlier versions did so too.
        of = {"dataset_fingerprint": self.data.train.former_fingerprint} if self.task == "whole" else {}
        return {**self._facts, **of, "test_fingerprint": self.data.test.former_fingerprint}

    def _test_all(self, seeds: Sequence[int], execution: Execution, kept: "_Kept", progress: OfTraining) -> None:
        """Trains and tests the networks that are not tested yet, and keeps those of each stack as they are done."""
        before, total, start = 0, len(seeds) * self.recipe.epochs, time.perf_counter()
        name, protocol = self.network.name, self.described["protocol"]

        def tell(others: int, members: int, epoch: int, trained: Members) -> None:
            done = others * self.recipe.epochs + epoch * members
            progress(Epoch(name, done, total, time.perf_counter() - start))

        for stack, asked in stacks(seeds, execution.stack):
            if not all(seed in kept.tested.accuracies for seed in asked):
                began = time.perf_counter()
                trained = self._train(stack, execution, partial(tell, before, len(asked)))
                own = trained[[seed - stack.start for seed in asked]]
                found = accuracies(self.network, own, self.data.test)
                each = (time.perf_counter() - began) / len(asked)
                kept.add(dict(zip(asked, found, strict=True)), dict.fromkeys(asked, each), _diverged(own, asked))
            for seed in asked:
                progress(NetworkTested(name, protocol, seed, kept.tested.accuracies[seed]))
            before += len(asked)

    def _execution(self, before: Execution | None) -> Execution:
        """How networks are trained: as those before were, else as is quickest for as many as a protocol has, however many
        are asked for; what is compiled is ready.

        Raises `RunFailed` where networks tested before were trained in a way that does not work now.
        """
        device, steps = self.data.test.device, self.recipe.epochs * -(-len(self.source.labels) // self.recipe.batch_size)
        wanted = before or for_training(self.network, device, batch=self._batch, steps=steps)
        if before and before.compiled and not can_compile(device):
            raise RunFailed(f"Networks of {self.network.name} tested before were compiled, and no compiler works now.")
        found = warmed_up(wanted, self._one_step, divisible=not self.network.has_batch_norm)
        if before and found != before:
            raise RunFailed(f"Networks of {self.network.name} tested before were trained {_described(before, found)} now.")
        return found

    def _one_step(self, execution: Execution) -> None:
        """A step of a stack on one batch, which compiles what is to be compiled."""
        device, batch = self.data.test.device, self._batch
        one_batch = TensorSource(self.source.inputs(torch.arange(batch, device=device)), self.source.labels[:batch])
        one_step = replace(self.recipe, stages=(replace(self.recipe.stages[0], epochs=1),))
        short = replace(self, source=one_batch, recipe=one_step)
        short._train(range(execution.stack), execution, lambda epoch, trained: None)

    def _train(self, seeds: Sequence[int], execution: Execution, after_epoch: AfterEpoch) -> Members:
        device = self.data.test.device
        members = fresh_members(self.network, seeds, "stage T network", device)
        draws = [MemberDraws.of(seed, "stage T", device=device) for seed in seeds]
        return train(self.network, members, self.source, self.recipe, draws, execution=execution, after_epoch=after_epoch)


def _described(before: Execution, now: Execution) -> str:
    """What differs, for a sentence."""
    facts = now.facts()
    changed = {name: (value, facts[name]) for name, value in before.facts().items() if value != facts[name]}
    return "; ".join(f"with {name} {value}, which does not work, but {other}" for name, (value, other) in changed.items())


class _Kept:
    """What was tested so far, in memory and, where there is one, in the checkpoint."""

    def __init__(self, path: Path | None, identity: dict[str, Any]) -> None:
        self.path, self.identity = path, identity
        self.tested = load_tested(path, identity) if path else Tested()

    @property
    def execution(self) -> Execution | None:
        """How the networks tested so far were trained; None where there are none."""
        return Execution.of(self.tested.execution) if self.tested.execution else None

    def add(self, accuracies: dict[int, float], seconds: dict[int, float], diverged: Sequence[int]) -> None:
        self.tested.accuracies |= accuracies
        self.tested.seconds |= seconds
        self.tested.diverged += diverged
        if self.path is not None:
            save_tested(self.path, self.tested, self.identity)


def _diverged(members: Members, seeds: Sequence[int]) -> list[int]:
    finite = torch.isfinite(members.vector).all(dim=1).tolist()
    return [seed for seed, fine in zip(seeds, finite, strict=True) if not fine]
