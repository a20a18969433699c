"""Stage T: fresh networks, trained on a set from scratch, tested on the real test images."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Literal, Protocol

import torch

from condense.config import EvaluateConfig
from condense.data.images import DataSet, LabelledImages
from condense.errors import CondenseError, Interrupted
from condense.machine import Surroundings, can_compile, compiles, forget_compiled, peak_memory_bytes, prepare
from condense.networks.network import Network
from condense.networks.registry import build
from condense.records import Record
from condense.stage_c.schedules import schedule_name
from condense.stage_t.protocols import recipe, whole_recipe
from condense.synthetic_set import SyntheticSet
from condense.training.accuracy import accuracies
from condense.training.engine import MemberDraws, Members, fresh_members, train
from condense.training.recipe import Recipe
from condense.training.sources import Source, TensorSource
from condense.training.stacking import members_at_once, pays_to_compile
from condense.versions import CODE_VERSION, library_versions


class Progress(Protocol):
    """Told the network's name, the epochs done over all seeds, and all epochs."""

    def __call__(self, name: str, done: int, total: int) -> None:
        """One more epoch is done."""
        ...


def evaluate(
    config: EvaluateConfig, synthetic: SyntheticSet, data: DataSet, *, progress: Progress = lambda name, done, total: None
) -> Iterator[Record]:
    """Trains `config.seeds` networks of each architecture on a synthetic set; one record an architecture, as it finishes.

    Seed s gives the same initial network in every protocol and for every set, and for sets of one size the same batch order
    and augmentation too, so that comparisons can be paired. Raises `CondenseError` when `data` is not what the set was
    learned from.
    """
    facts = synthetic.provenance
    check_same_data(synthetic, data)
    device = data.test.device
    source = TensorSource(synthetic.images.to(device), synthetic.labels.to(device))
    names = config.network or (facts.network,)
    networks = [build(name, data.test.shape, data.test.classes) for name in names]
    for network in networks:
        chosen = recipe(config.protocol, facts.dataset, network.name)
        described = {"set": describe_set(synthetic), "protocol": config.protocol}
        yield _cell("evaluate", network, source, chosen, data, described, config.seeds, progress)


def evaluate_whole(
    config: EvaluateConfig, data: DataSet, *, progress: Progress = lambda name, done, total: None
) -> Iterator[Record]:
    """The same on all real training images: the upper bound."""
    for name in config.network or ("ConvNet",):
        network = build(name, data.train.shape, data.train.classes)
        described = {"dataset": data.name, "dataset_fingerprint": data.train.fingerprint, "protocol": "whole"}
        yield _cell("whole", network, data.train, whole_recipe(), data, described, config.seeds, progress)


def describe_set(synthetic: SyntheticSet) -> dict[str, Any]:
    """What identifies a synthetic set in the records of its evaluations."""
    facts = synthetic.provenance
    names = ("dataset", "dataset_fingerprint", "method", "network", "images_per_class", "seed", "iterations")
    own = {name: getattr(facts, name) for name in names}
    learned = {name: facts.config.get(name) for name in ("init", "distance")}
    if facts.iterations:
        schedule = schedule_name(facts.config, facts.images_per_class, facts.network)
        learned |= {"schedule": schedule, "precision": facts.precision}
    return {"sha256": synthetic.sha256, **own, **learned}


def check_same_data(synthetic: SyntheticSet, data: DataSet) -> None:
    """Raises `CondenseError` unless the set was learned from the training images of `data`."""
    facts = synthetic.provenance
    if facts.dataset_fingerprint != data.train.fingerprint:
        raise CondenseError(
            f"The set was learned from other images: its {facts.dataset} has fingerprint {facts.dataset_fingerprint[:12]}, "
            f"the {data.name} found here {data.train.fingerprint[:12]}."
        )
    if (tuple(facts.mean), tuple(facts.std)) != (tuple(data.train.mean), tuple(data.train.std)):
        raise CondenseError(
            f"The set was learned from {facts.dataset} normalised by mean {facts.mean} and std {facts.std}, but the "
            f"{data.name} given here has mean {list(data.train.mean)} and std {list(data.train.std)}."
        )


def _cell(
    kind: Literal["evaluate", "whole"],
    network: Network,
    source: Source,
    chosen: Recipe,
    data: DataSet,
    described: dict[str, Any],
    seeds: int,
    progress: Progress,
) -> Record:
    prepare(data.test.device)
    surroundings = Surroundings.of(data.test.device)
    results: list[float] = []
    notes: list[str] = []
    batch = min(len(source.labels), chosen.batch_size)
    group = members_at_once(network, seeds, batch, data.test.device)
    began = time.perf_counter()
    compiled = _compile_where_it_pays(network, source, chosen, seeds, group, batch, data)
    warm_up, began = time.perf_counter() - began, time.perf_counter()
    tell = partial(progress, network.name, total=seeds * chosen.epochs)
    try:
        for first in range(0, seeds, group):
            members = list(range(first, min(first + group, seeds)))
            trained = _train(network, source, chosen, members, data, compiled, tell)
            notes += [f"seed {seed}: training diverged" for seed in _diverged(trained, members)]
            results += accuracies(network, trained, data.test)
    except KeyboardInterrupt as error:
        raise Interrupted(f"Stopped while training {network.name}; records of networks finished before are kept.") from error
    if sum(results) / seeds < _best_by_chance(data.test):
        notes.append("accuracy stays at chance")
    return Record(
        kind=kind,
        config={
            **described,
            "network": network.name,
            "recipe": _plain(asdict(chosen)),
            "path": "compiled" if compiled else "eager",
            "test_images": len(data.test),
            "test_fingerprint": data.test.fingerprint,
        },
        seeds=list(range(seeds)),
        accuracies=results,
        wall_seconds=time.perf_counter() - began,
        warm_up_seconds=warm_up,
        peak_memory_bytes=peak_memory_bytes(data.test.device),
        code_version=CODE_VERSION,
        library_versions=library_versions(),
        notes=notes,
        **asdict(surroundings),
    )


def _compile_where_it_pays(
    network: Network, source: Source, chosen: Recipe, seeds: int, group: int, batch: int, data: DataSet
) -> bool:
    """Whether training goes through the compiler; if so, one step on one batch has compiled it."""
    steps = -(-seeds // group) * chosen.epochs * -(-len(source.labels) // chosen.batch_size)
    if not pays_to_compile(network, steps, group * batch, data.test.device) or not can_compile(data.test.device):
        return False
    forget_compiled()
    one_batch = TensorSource(source.inputs(torch.arange(batch, device=data.test.device)), source.labels[:batch])
    one_step = replace(chosen, stages=(replace(chosen.stages[0], epochs=1),))
    members = list(range(min(group, seeds)))
    return compiles(lambda: _train(network, one_batch, one_step, members, data, True, lambda done: None))


def _train(
    network: Network,
    source: Source,
    chosen: Recipe,
    seeds: list[int],
    data: DataSet,
    compiled: bool,
    progress: Callable[[int], None],
) -> Members:
    device = data.test.device
    members = fresh_members(network, seeds, "stage T network", device)
    draws = [MemberDraws.of(seed, "stage T", device=device) for seed in seeds]
    done = seeds[0] * chosen.epochs

    def tell(epoch: int) -> None:
        progress(done + epoch * len(seeds))

    return train(network, members, source, chosen, draws, compiled=compiled, after_epoch=tell)


def _best_by_chance(test: LabelledImages) -> float:
    """What always naming the most frequent class scores, plus three standard deviations of a test of that size."""
    share = max(test.counts) / len(test)
    return share + 3 * (share * (1 - share) / len(test)) ** 0.5


def _diverged(members: Members, seeds: list[int]) -> list[int]:
    finite = torch.isfinite(members.vector).all(dim=1).tolist()
    return [seed for seed, fine in zip(seeds, finite, strict=True) if not fine]


def _plain(value: Any) -> Any:
    """Tuples as lists, so that a configuration equals itself read back from JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
