"""What a module is, seen by two images that go through it: all that a network of layers says of itself."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from condense.errors import CondenseError, why
from condense.networks.layers import Shape, Tensors

SEED = 0
"""Of the module that is looked at, and of all of it that is not trained."""
PROBE_IMAGES = 2
ALIKE = 1e-3
"""How far logits of one image may be apart, in shares of the largest, with and without another beside it: rounding."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A module, and what was measured of it.

    module: without its classifier where it has one of its own; names: of the parameters that are trained; statistics: the
    tensors that training changes, as at the start; counts: whole numbers that it changes, which nothing depends on;
    constants: what it holds besides; normalising: the modules that hold statistics; training: the modules that training sets
    to train; draws: whether they draw random numbers then; head: the name of the linear layer that gives the logits.
    """

    module: nn.Module
    shapes: dict[str, tuple[int, ...]]
    statistics: Tensors
    counts: Tensors
    constants: Tensors
    normalising: frozenset[nn.Module]
    training: frozenset[nn.Module]
    draws: bool
    head: str | None
    features: int
    multiply_adds: int
    activations: tuple[int, ...]
    elsewhere: dict[tuple[torch.device, torch.dtype], Tensors] = field(default_factory=dict)

    def held(self, device: torch.device, dtype: torch.dtype) -> Tensors:
        """The constants where they are needed, floating ones in this type."""
        key = device, dtype
        if key not in self.elsewhere:
            self.elsewhere[key] = {name: _moved(value, device, dtype) for name, value in self.constants.items()}
        return self.elsewhere[key]


class Look:
    """A module with two images going through it."""

    def __init__(self, module: nn.Module, shape: Shape, classes: int, where: str) -> None:
        self.module, self.classes, self.where = module.float(), classes, where
        self.images = torch.randn((PROBE_IMAGES, *shape), generator=torch.Generator().manual_seed(SEED))
        self.of = described(shape, classes)

    def traced(self) -> tuple[Traced, str | None]:
        """All that is measured, and the name of the classifier."""
        logits = self._evaluated()
        statistics, counts, normalising, draws = self._trained()
        training = frozenset(module for module in self.module.train().modules() if module.training)
        self.module.eval()
        head, features = self._head(logits)
        products, activations = self._work()
        parameters = dict(self.module.named_parameters())
        own = {f"{head}.weight", f"{head}.bias"} if head else set()
        shapes = {name: tuple(p.shape) for name, p in parameters.items() if p.requires_grad and name not in own}
        held = chain(parameters.items(), self.module.named_buffers())
        constants = {
            name: value.detach().clone() for name, value in held if name not in {*shapes, *own, *statistics, *counts}
        }
        if head is not None:
            self.module.set_submodule(head, nn.Identity())
            products -= features * self.classes
        found = Traced(
            self.module,
            shapes=shapes,
            statistics=statistics,
            counts=counts,
            constants=constants,
            normalising=normalising,
            training=training,
            draws=draws,
            head=head,
            features=features,
            multiply_adds=max(products, int(head is None)),
            activations=activations,
        )
        return found, head

    def _through(self, images: Tensor) -> Tensor:
        try:
            with torch.no_grad():
                found = self.module(images)
        except Exception as error:  # whatever foreign code may raise
            raise CondenseError(f"{self.where} cannot take {self.of}: {why(error)}.") from error
        wanted = len(images), self.classes
        if not isinstance(found, Tensor) or found.shape != wanted or not found.is_floating_point():
            what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise CondenseError(f"{self.where} gives {what} for {self.of}, not logits: floats {wanted}.")
        return found

    def _evaluated(self) -> Tensor:
        """Logits outside of training, once it is sure that they are of each image for itself."""
        self.module.eval()
        before, state = self.images.clone(), torch.get_rng_state()  # of this look alone (`network_of`)
        held = {name: value.clone() for name, value in self.module.named_buffers()}
        logits = self._through(self.images)
        if not torch.equal(before, self.images):
            raise CondenseError(f"{self.where} changes the images that go through it: let it work on a copy.")
        drawn = not torch.equal(state, torch.get_rng_state())
        changed = any(not torch.equal(value, held[name]) for name, value in self.module.named_buffers())
        if drawn or changed or not torch.equal(logits, self._through(self.images)):
            what = "draws random numbers" if drawn else "changes"
            raise CondenseError(f"{self.where} {what} outside of training too (module.eval()), so that no test is of it.")
        alone, scale = self._through(self.images[:1]), float(logits.abs().max())
        if not float((alone - logits[:1]).abs().max()) <= ALIKE * max(scale, 1e-6):
            raise CondenseError(
                f"{self.where}: what it makes of an image depends on the images beside it, outside of training too "
                "(module.eval()), so that its accuracy would depend on how they are tested."
            )
        return logits

    def _trained(self) -> tuple[Tensors, Tensors, frozenset[nn.Module], bool]:
        """(Statistics, counts, the modules that hold them, whether training draws)."""
        before = {name: value.clone() for name, value in self.module.named_buffers()}
        self.module.train()
        state = torch.get_rng_state()
        self._through(self.images)
        draws = not torch.equal(state, torch.get_rng_state())
        after = dict(self.module.named_buffers())
        changed = {name: value for name, value in before.items() if not torch.equal(value, after[name])}
        holders = {name: self.module.get_submodule(name.rpartition(".")[0]) for name in changed}
        for name, value in changed.items():
            # BatchNorm's count of batches matters where it has no momentum alone.
            if not value.is_floating_point() and getattr(holders[name], "momentum", None) is None:
                raise CondenseError(
                    f"{self.where}: {name} counts in training, which is not kept; give BatchNorm a momentum, for example."
                )
        for name, value in before.items():
            after[name].copy_(value)
        floating = {name: value.detach() for name, value in changed.items() if value.is_floating_point()}
        counts = {name: value.detach() for name, value in changed.items() if not value.is_floating_point()}
        return floating, counts, frozenset(holders.values()), draws

    def _head(self, logits: Tensor) -> tuple[str | None, int]:
        """The name of the linear layer whose output is the logits, and how many features it sees; without one (None,
        classes).
        """
        calls: dict[str, list[tuple[Tensor, Tensor]]] = {}

        def noting(name: str) -> Any:
            return lambda module, given, found: calls.setdefault(name, []).append((given[0], found))

        linear = [(name, module) for name, module in self.module.named_modules() if type(module) is nn.Linear and name]
        hooks = [module.register_forward_hook(noting(name)) for name, module in linear]
        with torch.no_grad():
            found = self.module(self.images)
        for hook in hooks:
            hook.remove()
        uses = Counter(id(value) for _, value in self.module.named_parameters(remove_duplicate=False))
        for name, [(given, gave), *more] in calls.items():
            once = not more and gave is found and given.dim() == 2
            own = list(self.module.get_submodule(name).parameters())
            trained = all(value.requires_grad and uses[id(value)] == 1 for value in own) and len(own) == 2
            if once and trained and self._is_all(name, logits):
                return name, given.shape[1]
        return None, self.classes

    def _is_all(self, name: str, logits: Tensor) -> bool:
        """Whether the module works without this layer, and the layer makes the same logits of what is left."""
        layer = self.module.get_submodule(name)
        self.module.set_submodule(name, nn.Identity())
        try:
            with torch.no_grad():
                return torch.equal(layer(self.module(self.images)), logits)
        except Exception:  # a module that looks at its classifier needs it: then it stays where it is
            return False
        finally:
            self.module.set_submodule(name, layer)

    def _work(self) -> tuple[int, tuple[int, ...]]:
        """(Multiply-adds, elements of each innermost module's output) for one image."""
        from torch.utils.flop_counter import FlopCounterMode  # takes a moment to import, and few runs need it

        sizes: list[int] = []

        def note(module: nn.Module, given: object, found: object) -> None:
            if isinstance(found, Tensor):
                sizes.append(found.numel())

        innermost = [module for module in self.module.modules() if not any(module.children())]
        hooks = [module.register_forward_hook(note) for module in innermost]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.module(self.images[:1])
        for hook in hooks:
            hook.remove()
        return counter.get_total_flops() // 2, tuple(sizes) or (self.classes,)


def check_parameters(made: nn.Module, other: object, where: str) -> None:
    """Raises `CondenseError` unless there are parameters to train, and another module of the same seed has the same."""
    trained = {name: value for name, value in made.named_parameters() if value.requires_grad}
    if not trained:
        raise CondenseError(f"{where} has no parameters that are trained.")
    if any(isinstance(value, nn.parameter.UninitializedParameter) for value in trained.values()):
        raise CondenseError(f"{where} has lazy modules: let one image through it before the factory gives it.")
    if elsewhere := next((name for name, value in made.state_dict().items() if value.device.type != "cpu"), None):
        raise CondenseError(f"{where}: its {elsewhere} does not lie on the CPU; condense moves it to the device asked for.")
    others = dict(other.named_parameters()) if isinstance(other, nn.Module) else {}
    if others.keys() != dict(made.named_parameters()).keys() or any(
        not torch.equal(value, others[name]) for name, value in trained.items()
    ):
        raise CondenseError(
            f"{where}: its factory makes other parameters from one and the same seed of PyTorch. Draw them by torch alone, "
            "so that a seed is a network."
        )


class HardSigmoid(nn.Module):
    """What `torch.nn.Hardsigmoid` is, as a function that can be differentiated twice, as PyTorch's own cannot."""

    def forward(self, x: Tensor) -> Tensor:
        """min(max(x + 3, 0), 6) / 6 of any shape."""
        return nn.functional.relu6(x + 3) / 6


def twice_differentiable(module: nn.Module) -> nn.Module:
    """The module with its hard sigmoids replaced."""
    for name, part in list(module.named_modules()):
        if type(part) is nn.Hardsigmoid and name:
            module.set_submodule(name, HardSigmoid())
    return module


def _moved(value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return value.to(device, dtype) if value.is_floating_point() else value.to(device)


def described(shape: Shape, classes: int) -> str:
    """Images (C, H, W) and a number of classes in words."""
    channels, height, width = shape
    return f"images of {channels} x {height} x {width} and {classes} classes"
