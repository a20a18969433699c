"""Stage C from configuration and real images to a synthetic set and its record."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from condense.checking import as_dict, verified
from condense.condensed import Condensed
from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.data.naming import stored_name
from condense.errors import CondenseError, RunFailed, quoted, shortened
from condense.events import OfSteps, OfTraining, unheard
from condense.execution import Execution, effective, for_learning, warmed_up
from condense.given import made_of
from condense.machine import Surroundings, reproducible
from condense.memory import start_peak
from condense.networks.network import Network
from condense.networks.registry import build
from condense.records import Cost, Record
from condense.stage_c import experts
from condense.stage_c.answers import answering, result_of
from condense.stage_c.checkpoint import (
    Begun,
    check_same_run,
    differences,
    load_checkpoint,
    read_begun,
)
from condense.stage_c.driver import Driver, Finished, losses_of
from condense.stage_c.method import Method
from condense.stage_c.precision import choose_precision
from condense.stage_c.problem import Problem
from condense.synthetic_set import Provenance, SyntheticSet
from condense.versions import Code

OTHER_LOSS = "loss of a step"
"""What a method calls 'loss' but is not its first: that is the record's."""
MOVED = "resumed otherwise than begun ({}): other last digits than of a run in one go"
"""Note of a record, with what was otherwise."""


@dataclass(frozen=True)
class Learned:
    """What stage C gives: the set, and the record of how it came about."""

    set: SyntheticSet
    record: Record


def learn(
    config: LearnConfig,
    data: LabelledImages,
    *,
    checkpoint: Path | str | None = None,
    resume: bool = False,
    anywhere: bool = False,
    progress: OfSteps = unheard,
    experts_progress: OfTraining = unheard,
) -> Learned:
    """Learns or selects a synthetic set from real images, by the method that the configuration names.

    checkpoint: where to keep the run's state (written every minute, at the end, and on Ctrl-C, SIGTERM or a loss that is not
    finite; to be removed by whoever has saved the set);
    resume: continue from it if it is there; the result has the same bytes as a run that was never stopped, so another
    number of threads or another version of a library is refused, unless it may go on anywhere, which the record then says.
    progress is told of steps (`events.Step`), experts_progress of networks that the method needs trained beforehand
    (`events.Epoch`); what they raise comes out, and the checkpoint keeps the step before.
    Raises `CondenseError` for a wrong configuration, what the method cannot do, such as a class with fewer images than it
    begins with, a network that cannot take the images, names of which no file can be made, `RunFailed` when a loss is not
    finite, `Interrupted` on Ctrl-C or SIGTERM.
    """
    config = verified(config)
    check(config, data)
    config = replace(config.resolved(data.name), dataset=stored_name(config.dataset))
    check_storable(config, data)
    path = None if checkpoint is None else Path(checkpoint)
    with reproducible(data.device):
        method, problem = config.plan(data.name), problem_of(config, data)
        with answering(method):
            run = _Run(config, data, method, with_experts(method, problem, experts_progress))
            return run.learned(path, resume=resume, anywhere=anywhere, progress=progress)


def problem_of(config: LearnConfig, data: LabelledImages) -> Problem:
    """What the method of a configuration works on. Raises `CondenseError` for a network that cannot take the images."""
    return Problem(data, build(config.network, data.shape, data.classes), config.ipc, config.seed)


def with_experts(method: Method, problem: Problem, progress: OfTraining = unheard) -> Problem:
    """The problem with the networks that the method needs trained beforehand, if any."""
    plan = method.experts(problem)
    if plan is None:
        return problem
    return replace(problem, experts=experts.obtained(plan, problem.data, problem.network, progress=progress))


def check(config: LearnConfig, data: LabelledImages) -> None:
    """Raises `CondenseError` for what the method cannot do with these images and this network."""
    method, problem = config.plan(data.name), problem_of(config, data)
    if method.gradients == "second-order":
        problem.network.check_second_derivatives()
    with answering(method):
        method.check(problem)


@dataclass(frozen=True, eq=False)
class _Run:
    """One run of a method with a resolved configuration."""

    config: LearnConfig
    data: LabelledImages
    method: Method
    problem: Problem

    def learned(self, path: Path | None, *, resume: bool, anywhere: bool, progress: OfSteps) -> Learned:
        """The set and its record."""
        peak, surroundings = start_peak(self.data.device), Surroundings.of(self.data.device)
        began = time.perf_counter()
        notes, arithmetic = remarks(self.config, self.data), surroundings.arithmetic
        begun = read_begun(path, self.data.device) if resume and path is not None and path.exists() else None
        reached, moves = None, tuple[str, ...]()
        if begun is None or path is None:
            problem = self._prepared(self._decided(self.config))
        else:
            self._check_same_run(path, begun, arithmetic, anywhere=anywhere)
            problem = self._as_begun(begun, anywhere=anywhere)
            reached = load_checkpoint(path, begun, self.method, problem)
            how = begun.surroundings | begun.execution.facts(), arithmetic | problem.execution.facts()
            moved = differences(*how)
            moves = (*begun.moves, *([MOVED.format(moved)] if moved else []))
        config = replace(self.config, precision=problem.execution.precision)
        warm_up = time.perf_counter() - began
        driver = Driver(self.method, problem, path, identity=self._identity(config), surroundings=arithmetic, moves=moves)
        finished = driver.finish(reached, progress, partial(self._made, config))
        warm_up = warm_up if self.steps else 0.0
        seconds = sum(expert.seconds for expert in self.problem.experts)
        cost = Cost.of(
            surroundings,
            wall_seconds=finished.seconds,
            warm_up_seconds=warm_up,
            experts_seconds=seconds,
            peak_memory_bytes=peak.bytes(),
        )
        return self._learned(config, finished, cost, surroundings.code, [*notes, *moves])

    @property
    def steps(self) -> int:
        """How many there are."""
        return self.method.steps(self.problem)

    def _identity(self, config: LearnConfig) -> dict[str, Any]:
        # By the fingerprint that depends on the order of the images, as what is drawn from them does.
        given = {"experts": experts.together(self.problem.experts)} if self.problem.experts else {}
        return {**as_dict(config), "dataset_fingerprint": self.data.former_fingerprint, **given}

    def _check_same_run(self, path: Path, begun: Begun, arithmetic: dict[str, Any], *, anywhere: bool) -> None:
        """Raises `CondenseError` where a checkpoint is of another run, or is to be resumed elsewhere and must not be."""
        precision = used_precision(self.config, self.problem.network, self.data)
        if precision == "auto":  # it was chosen by a measurement, which might come out otherwise now
            precision = begun.execution.precision
        # Which images they are is said by the fingerprint, whatever they are called.
        aside: dict[str, None] = dict.fromkeys(["dataset", *(["precision"] if anywhere else [])])
        now = self._identity(replace(self.config, precision=precision))
        check_same_run(path, begun.identity | aside, now | aside)
        if not anywhere:
            check_same_run(path, begun.surroundings, arithmetic, anywhere=False)

    def _as_begun(self, begun: Begun, *, anywhere: bool) -> Problem:
        """The problem computed as it was begun; on another kind of device as is decided for that."""
        here = begun.execution.device == self.data.device.type
        problem = self._prepared(begun.execution if here else self._decided(self.config))
        if here and not anywhere and problem.execution.path != begun.execution.path:
            raise RunFailed("The run was begun with compiled functions, and no compiler works now.")
        return problem

    def _prepared(self, execution: Execution) -> Problem:
        """The problem, computed so; what is compiled is ready."""
        tried: dict[Execution, Problem] = {}

        def attempt(execution: Execution) -> None:
            tried[execution] = replace(self.problem, given=execution)
            self.method.warm_up(tried[execution])

        warm = warmed_up(execution, attempt, divisible=not self.problem.network.has_batch_norm)
        return tried.get(warm) or replace(self.problem, given=warm)

    def _decided(self, config: LearnConfig) -> Execution:
        method, network, device = self.method, self.problem.network, self.data.device
        work = method.work(self.problem)
        execution = for_learning(network, device, work)
        if not (method.precisions and self.steps):
            return execution
        problem = replace(self.problem, given=execution)
        precision = choose_precision(
            config.precision, network, execution, work, lambda precision: method.agreement(problem, precision)
        )
        return for_learning(network, device, work, precision=precision)

    def _learned(self, config: LearnConfig, finished: Finished, cost: Cost, code: Code, notes: Sequence[str]) -> Learned:
        execution = finished.problem.execution if self.steps else None
        learned = self._made(config, finished.problem, finished.state, self.steps)
        how = {"execution": execution, "notes": notes, "drawn_from": self._drawn_from}
        return Learned(learned, record_of(config, learned, self._series(finished), cost, code, **how))

    def _made(self, config: LearnConfig, problem: Problem, state: Any, steps: int) -> SyntheticSet:
        """The set after so many steps."""
        iterations = 0 if self.method.kind == "selected" else steps // self.method.round(problem)
        return set_of(config, self.data, result_of(self.method, problem, state), iterations)

    @property
    def _drawn_from(self) -> dict[str, Any]:
        """The experts, as a record states them."""
        plan = self.method.experts(self.problem)
        if plan is None:
            return {}
        each = [{"digest": one.digest, "seconds": one.seconds, "loss": one.losses[-1]} for one in self.problem.experts]
        return {"experts": {**plan.facts(), "networks": each}}

    def _series(self, finished: Finished) -> dict[str, list[float]]:
        """The losses of all steps by name; of a method that learns the first of them as the iterations' 'loss'."""
        first = 0 if self.method.kind == "selected" or not finished.series else 1
        losses = {"loss": losses_of(self.method, finished.problem, finished.series)} if first else {}
        others = list(finished.series.items())[first:]
        return losses | {OTHER_LOSS if name == "loss" else name: values for name, values in others}


def is_of(stored: Mapping[str, Any], config: LearnConfig, data: LabelledImages) -> bool:
    """Whether a set's stored configuration is the one asked for; 'auto' agrees with the precision it came to.

    What is stated beyond it, such as settings that methods had in earlier versions, is left unread, and so is what the
    images are called: which they are is asked by their fingerprint.
    """
    precision = used_precision(config, build(config.network, data.shape, data.classes), data)
    wanted = as_dict(config.resolved(data.name))
    wanted["precision"] = stored.get("precision") if precision == "auto" else precision
    names = wanted.keys() - {"dataset"}
    return all(name in stored and stored[name] == wanted[name] for name in names)


def used_precision(config: LearnConfig, network: Network, data: LabelledImages) -> str:
    """The precision a set of this configuration is made in; 'auto' stays, as only the run itself finds it."""
    method = config.plan(data.name)
    if not method.precisions or not method.steps(problem_of(config, data)):
        return "fp32"
    return config.precision if config.precision == "auto" else effective(config.precision, network, data.device)


def remarks(config: LearnConfig, data: LabelledImages) -> list[str]:
    """Sentences on what differs from what one may expect; they become notes of the record."""
    method = config.plan(data.name)
    with answering(method):
        return [*method.remarks(problem_of(config, data)), *filter(None, [other_precision(config, data)])]


def other_precision(config: LearnConfig, data: LabelledImages) -> str | None:
    """A sentence where the precision that was asked for has no effect; None where it has."""
    method, problem = config.plan(data.name), problem_of(config, data)
    used = used_precision(config, problem.network, data)
    if used == config.precision or config.precision == "auto":
        return None
    made = "without any computing" if not method.steps(problem) else f"by {config.network}"
    if not method.precisions and method.steps(problem):
        made = f"by {method.name}"
    return (
        f"Precision {config.precision} has no effect on what is made {made} on this device ({data.device.type}): it is "
        f"{used}, and recorded as that."
    )


def check_storable(config: LearnConfig, data: LabelledImages) -> None:
    """Raises `CondenseError` where the finished set could not be saved, whatever is learned: said before the work."""
    for kind, text in [("name", data.name), *(("class name", name) for name in data.class_names)]:
        if text != text.encode(errors="ignore").decode() or "\0" in text:
            raise CondenseError(
                f"The {kind} {quoted(text)} of the images is not UTF-8 without zero bytes: no set can state it. Rename it."
            )
    labels = torch.arange(data.classes).repeat_interleave(config.ipc)
    empty = Condensed(torch.zeros((len(labels), *data.shape)), labels)
    try:
        set_of(config, data, empty, 0).to_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # of HDF5, as of class names that are too long together
        raise CondenseError(f"No set of {shortened(data.name)} could be saved: {shortened(str(error), 200)}.") from error


def set_of(config: LearnConfig, data: LabelledImages, condensed: Condensed, iterations: int) -> SyntheticSet:
    """The set of what was made in so many iterations."""
    images, labels = (tensor.cpu().contiguous() for tensor in (condensed.images.float(), condensed.labels))
    return SyntheticSet(
        images,
        labels,
        _provenance(config, data, iterations),
        decoder=condensed.decoder,
        preprocessing=data.whitening,
        learning_rate=condensed.learning_rate,
    )


def record_of(
    config: LearnConfig,
    learned: SyntheticSet,
    series: dict[str, list[float]],
    cost: Cost,
    code: Code,
    *,
    execution: Execution | None,
    notes: Sequence[str],
    drawn_from: Mapping[str, Any] = MappingProxyType({}),
) -> Record:
    """The record of how a set was learned; execution: None of what needs none; drawn_from: experts, if any."""
    how = {"path": execution.path, "execution": execution.facts()} if execution else {"path": "selection"}
    stated = {**as_dict(config), "set": learned.sha256, **how, **drawn_from}
    return Record("learn", stated, seeds=[], metrics={}, cost=cost, code=code, series=series, notes=[*notes])


def _provenance(config: LearnConfig, data: LabelledImages, iterations: int) -> Provenance:
    return made_of(
        data,
        images_per_class=config.ipc,
        method=config.method,
        network=config.network,
        seed=config.seed,
        iterations=iterations,
        config={**as_dict(config), **({"reading": data.reading} if data.reading else {})},
        device=data.device.type,
        precision=config.precision,
    )
