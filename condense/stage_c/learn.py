"""Stage C from configuration and real images to a synthetic set and its record."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condense.checking import as_dict, verified
from condense.config import LearnConfig
from condense.data.images import LabelledImages
from condense.data.naming import stored_name
from condense.errors import CondenseError, Interrupted, RunFailed, quoted, shortened
from condense.execution import LONG_FROM, effective, gains_by_compiling
from condense.machine import Surroundings, can_compile, compiles, peak_memory_bytes, reproducible
from condense.networks.network import Network
from condense.networks.registry import build
from condense.records import Record
from condense.stage_c.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, stored_precision
from condense.stage_c.gradient_matching import GradientMatching, State
from condense.stage_c.precision import choose_precision
from condense.stage_c.selection import random_selection
from condense.synthetic_set import Provenance, SyntheticSet
from condense.versions import code_version, library_versions

CHECKPOINT_SECONDS = 60.0

Progress = Callable[[int, int, float], None]


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
    progress: Progress = lambda steps, total, loss: None,
) -> Learned:
    """Learns (method 'dc') or selects ('random') a synthetic set from real images.

    checkpoint: where to keep the run's state (written every minute, at the end, and on Ctrl-C, SIGTERM or a loss that is not
    finite; to be removed by whoever has saved the set);
    resume: continue from it if it is there; the result has the same bytes as a run that was never stopped, so another
    number of threads or another version of a library is refused.
    progress is told (outer steps done, all outer steps, latest loss).
    Raises `CondenseError` for a wrong configuration, a class with fewer images than `ipc`, a network that cannot take the
    images, names of which no file can be made, `RunFailed` when the loss is not finite, `Interrupted` on Ctrl-C or SIGTERM.
    """
    config = verified(config)
    network = build(config.network, data.shape, data.classes)
    check_classes(config, data)
    config = replace(config.resolved(), dataset=stored_name(config.dataset))
    check_storable(config, data)
    path = None if checkpoint is None else Path(checkpoint)
    with reproducible(data.device):
        if config.method == "random":
            return _selected(config, data)
        return _learned(config, data, network, path, resume, progress)


def _selected(config: LearnConfig, data: LabelledImages) -> Learned:
    surroundings, began = Surroundings.of(data.device), time.perf_counter()
    images = random_selection(data, config.ipc, config.seed)
    notes = remarks(config, data)
    seconds, config = time.perf_counter() - began, replace(config, precision="fp32")
    return learned_result(config, data, images, (), seconds, surroundings, path="selection", notes=notes)


def _learned(
    config: LearnConfig, data: LabelledImages, network: Network, checkpoint: Path | None, resume: bool, progress: Progress
) -> Learned:
    began, surroundings, notes = time.perf_counter(), Surroundings.of(data.device), remarks(config, data)
    if resume and checkpoint and checkpoint.exists() and config.precision == "auto":
        # It was chosen by a measurement, which might come out otherwise now.
        config = replace(config, precision=stored_precision(checkpoint))
    matching, path = _prepared(config, data, network)
    config, warm_up = matching.config, time.perf_counter() - began
    run = _Run(config, data, matching, checkpoint, {"path": path, **surroundings.arithmetic})
    state = run.finish(resume, progress)
    images = state.images.float().cpu()
    learned = learned_result(config, data, images, state.losses, run.seconds, surroundings, path=path, notes=notes)
    return replace(learned, record=replace(learned.record, warm_up_seconds=warm_up))


def _prepared(config: LearnConfig, data: LabelledImages, network: Network) -> tuple[GradientMatching, str]:
    """The algorithm in the precision and on the path ('compiled' or 'eager') of this run; what is compiled is ready."""
    long = is_long(config, data, network)
    compiled = long and gains_by_compiling(network, data.device) and can_compile(data.device)
    precision = choose_precision(config.precision, network, config.distance, data, long=long, compiled=compiled)
    precision = precision if config.plan().iterations else "fp32"  # nothing is computed, so the set is what was drawn
    config = replace(config, precision=precision)
    if compiled:
        matching = GradientMatching(config, data, network, compiled=True, precision=precision)
        if compiles(lambda: matching.advance(matching.start())):
            return matching, "compiled"
    return GradientMatching(config, data, network, precision=precision), "eager"


def is_long(config: LearnConfig, data: LabelledImages, network: Network) -> bool:
    """Whether a run takes long enough to repay compiling and the precision test."""
    plan = config.plan()
    images = sum(min(count, plan.real_batch) for count in data.counts)
    work = network.multiply_adds * 3 * images * plan.iterations * plan.outer_loop
    return work >= LONG_FROM


def used_precision(config: LearnConfig, network: Network, device: torch.device) -> str:
    """The precision a set of this configuration is made in; 'auto' stays, as only the run itself finds it."""
    if config.method == "random" or not config.plan().iterations:
        return "fp32"
    return config.precision if config.precision == "auto" else effective(config.precision, network, device)


def remarks(config: LearnConfig, data: LabelledImages) -> list[str]:
    """Sentences on what differs from what one may expect; they become notes of the record."""
    return [remark for remark in (small_classes(config, data), other_precision(config, data)) if remark]


def other_precision(config: LearnConfig, data: LabelledImages) -> str | None:
    """A sentence where the precision that was asked for has no effect; None where it has."""
    used = used_precision(config, build(config.network, data.shape, data.classes), data.device)
    if used == config.precision or config.precision == "auto":
        return None
    made = "without any computing" if config.method == "random" or not config.plan().iterations else f"by {config.network}"
    return (
        f"Precision {config.precision} has no effect on what is made {made} on this device ({data.device.type}): it is "
        f"{used}, and recorded as that."
    )


def small_classes(config: LearnConfig, data: LabelledImages) -> str | None:
    """A sentence on classes with fewer images than the real batch, which are used whole; None where there are none."""
    wanted = config.plan().real_batch
    small = sum(count < wanted for count in data.counts)
    if config.method == "random" or not small:
        return None
    fewest = data.counts.index(min(data.counts))
    return (
        f"{small} of the {data.classes} classes of {shortened(data.name)} have fewer than {wanted} images "
        f"({shortened(data.class_names[fewest])}: {min(data.counts)}), so each step takes all there are."
    )


def check_storable(config: LearnConfig, data: LabelledImages) -> None:
    """Raises `CondenseError` where the finished set could not be saved, whatever is learned: said before the work."""
    for kind, text in [("name", data.name), *(("class name", name) for name in data.class_names)]:
        if text != text.encode(errors="ignore").decode() or "\0" in text:
            raise CondenseError(
                f"The {kind} {quoted(text)} of the images is not UTF-8 without zero bytes: no set can state it. Rename it."
            )
    images = torch.zeros((data.classes * config.ipc, *data.shape))
    try:
        learned_result(config, data, images, (), 0.0, Surroundings.of(data.device), path="").set.to_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # of HDF5, as of class names that are too long together
        raise CondenseError(f"No set of {shortened(data.name)} could be saved: {shortened(str(error), 200)}.") from error


def check_classes(config: LearnConfig, data: LabelledImages) -> None:
    """Raises `CondenseError` where a set begins with real images and a class has too few."""
    smallest = min(data.counts)
    if smallest >= config.ipc or not (config.method == "random" or config.plan().init == "real"):
        return
    name = shortened(data.class_names[data.counts.index(smallest)])
    advice = ""
    if config.method != "random" and config.init is None:
        advice = f" The schedule '{config.schedule}' begins with real images here; --init noise does without them."
    images = f"{smallest} image{'s' * (smallest != 1)}"
    raise CondenseError(
        f"Class {name} of {shortened(data.name)} has {images}, fewer than the {config.ipc} images per class asked for."
        f"{advice}"
    )


class _Run:
    """The loop over outer steps, with its clock and checkpoints."""

    def __init__(
        self,
        config: LearnConfig,
        data: LabelledImages,
        matching: GradientMatching,
        path: Path | None,
        surroundings: dict[str, Any],
    ) -> None:
        self.matching, self.path = matching, path
        # By the fingerprint that depends on the order of the images, as what is drawn from them does.
        self.identity = {**as_dict(config), "dataset_fingerprint": data.former_fingerprint, **surroundings}
        self.seconds = 0.0

    def finish(self, resume: bool, progress: Progress) -> State:
        state = self._restored() if resume else self.matching.start()
        outer_loop, iterations = self.matching.plan.outer_loop, self.matching.plan.iterations
        total = iterations * outer_loop
        saved = mark = time.perf_counter()
        try:
            while state.iteration < iterations:
                state = self.matching.advance(state)
                now = time.perf_counter()
                self.seconds, mark = self.seconds + now - mark, now
                progress(state.iteration * outer_loop + state.outer, total, self._latest_loss(state))
                if now - saved > CHECKPOINT_SECONDS:
                    self._save(state)
                    saved = now
        except KeyboardInterrupt as error:
            done = f"Stopped after {state.iteration} of {iterations} iterations"
            raise Interrupted(f"{done}{self._kept(state)}") from error
        except RunFailed as error:
            raise RunFailed(f"{error}{self._kept_before_failure(state)}") from error
        self._save(state)  # whatever fails from here on, in making the set or saving it, loses nothing
        return state

    def _restored(self) -> State:
        if self.path is None or not self.path.exists():
            return self.matching.start()
        restored = load_checkpoint(self.path, self.identity, self.matching)
        self.seconds = restored.seconds
        return restored.state

    def _save(self, state: State) -> None:
        if self.path is not None:
            save_checkpoint(self.path, Checkpoint(state, self.seconds, self.identity))

    def _kept(self, state: State) -> str:
        if self.path is None:
            return "."
        self._save(state)
        return f"; {self.path} keeps it."

    def _kept_before_failure(self, state: State) -> str:
        if self.path is None:
            return ""
        self._save(state)
        return f" {self.path} keeps the state before that step."

    def _latest_loss(self, state: State) -> float:
        if state.outer:
            return state.pending / (state.outer * self.matching.data.classes)
        return state.losses[-1]


def learned_result(
    config: LearnConfig,
    data: LabelledImages,
    images: Tensor,
    losses: tuple[float, ...],
    seconds: float,
    surroundings: Surroundings,
    path: str,
    notes: Sequence[str] = (),
) -> Learned:
    """The set and the record of images (N, C, H, W) that were learned in so many seconds with these losses."""
    labels = torch.arange(data.classes).repeat_interleave(config.ipc)
    provenance = Provenance(
        dataset=data.name,
        dataset_fingerprint=data.fingerprint,
        class_names=list(data.class_names),
        mean=list(data.mean),
        std=list(data.std),
        images_per_class=config.ipc,
        method=config.method,
        network=config.network,
        seed=config.seed,
        iterations=len(losses),
        config={**as_dict(config), **({"reading": data.reading} if data.reading else {})},
        code_version=code_version(),
        library_versions=library_versions(),
        device=data.device.type,
        precision=config.precision,
    )
    result = SyntheticSet(images.cpu().contiguous(), labels, provenance)
    record = Record(
        kind="learn",
        config={**as_dict(config), "set": result.sha256, "path": path},
        seeds=[],
        accuracies=[],
        wall_seconds=seconds,
        peak_memory_bytes=peak_memory_bytes(data.device),
        code_version=code_version(),
        library_versions=library_versions(),
        losses=list(losses),
        notes=list(notes),
        **asdict(surroundings),
    )
    return Learned(result, record)
