"""Networks of one's own: a `torch.nn.Module` behind the interface of `Network`.

A module is called through `torch.func.functional_call`, so that it too is a pure function of parameters, images and running
statistics. What a network of layers says of itself is measured of a module once, by letting two images through: which of its
tensors training changes, whether it draws random numbers, what it multiplies, how large its activations are, and which
linear layer gives the logits. Such a network is computed just as it is written: it is not compiled, not stacked, and nothing
of it lies in another order in memory.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from condense.errors import CondenseError, quoted, shortened, why
from condense.networks.layers import Layer, Linear, ParameterSpec, Pass, Shape, Tensors
from condense.networks.look import PROBE_IMAGES, SEED, Look, Traced, check_parameters, described, twice_differentiable
from condense.networks.network import Network
from condense.randomness import seeded

Factory = Callable[[Shape, int], nn.Module | Network]
"""Makes a network for images (C, H, W) and a number of classes."""


@dataclass(frozen=True, eq=False)
class Body(Layer):
    """All of a module but its classifier: images (N, C, H, W) to features (N, d), to logits where it has no classifier."""

    traced: Traced

    def output(self, shape: Shape) -> Shape:
        return self.traced.features, 1, 1

    def parameters(self, shape: Shape) -> Iterator[ParameterSpec]:
        return (ParameterSpec(name, size) for name, size in self.traced.shapes.items())

    def running_statistics(self) -> Iterator[ParameterSpec]:
        return (ParameterSpec(name, (value.numel(),)) for name, value in self.traced.statistics.items())

    def multiply_adds(self, shape: Shape) -> int:
        return self.traced.multiply_adds

    def activations(self, shape: Shape) -> Iterator[int]:
        return iter(self.traced.activations)

    def __call__(self, x: Tensor, parameters: Tensors, run: Pass) -> Tensor:
        traced = self.traced
        for module in traced.training:
            module.training = run.train_norm if module in traced.normalising else run.train_dropout
        counts = {name: value.to(x.device, copy=True) for name, value in traced.counts.items()}
        whole = {name: parameters[name] for name in traced.shapes} | traced.held(x.device, x.dtype) | counts
        for name, start in traced.statistics.items():
            given = run.statistics[name].view(start.shape)
            whole[name] = given.clone() if run.train_norm else given
        with self._drawing(x, run):
            found = functional_call(traced.module, whole, (x.contiguous(),))
        if run.train_norm:
            run.new_statistics.update({name: whole[name].detach().reshape(-1) for name in traced.statistics})
        return found

    def _drawing(self, x: Tensor, run: Pass) -> AbstractContextManager[Any]:
        """Where a module draws from PyTorch's own generators, these are set for the time: by the pass's generator, and
        where dropout is off, always alike.
        """
        if not self.traced.draws or not (run.train_norm or run.train_dropout):
            return nullcontext()
        random = run.generator
        seed = SEED if random is None else int(torch.randint(2**62, (), generator=random, device=random.device))
        return seeded(seed, x.device)


@dataclass(frozen=True, eq=False)
class ModuleNetwork(Network):
    """A module as a network; `factory` makes newly initialised ones."""

    factory: Callable[[], nn.Module]
    traced: Traced

    @property
    def as_written(self) -> bool:
        """It is."""
        return True

    @property
    def has_dropout(self) -> bool:
        """Whether training draws random numbers, by dropout or otherwise."""
        return self.traced.draws or super().has_dropout

    def check_second_derivatives(self) -> None:
        """Raises `CondenseError` where PyTorch has none of something in the module."""
        x = torch.zeros(PROBE_IMAGES, *self.input_shape).requires_grad_()
        parameters = {
            name: value.requires_grad_() for name, value in self.initial(torch.Generator().manual_seed(SEED)).items()
        }
        try:
            logits = self.logits(parameters, x, self.initial_statistics())
            gradients = torch.autograd.grad(logits.square().sum(), list(parameters.values()), create_graph=True)
            torch.autograd.grad(torch.stack([one.square().sum() for one in gradients]).sum(), x)
        except RuntimeError as error:
            raise CondenseError(
                f"Network {quoted(self.name)} cannot be differentiated twice, as this method does: {why(error)}."
            ) from error

    def initial(self, random: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensors:
        """Parameters of a module that is newly made, on the generator's device: from one seed always the same."""
        seed = int(torch.randint(2**62, (), generator=random, device=random.device))
        with seeded(seed):
            made = dict(self.factory().named_parameters())
        return {name: made[name].detach().to(random.device, dtype, copy=True) for name, _ in self.shapes()}

    def initial_statistics(self, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensors:
        """Running statistics as modules have them at the start."""
        return {name: value.reshape(-1).to(device, dtype, copy=True) for name, value in self.traced.statistics.items()}


def network_of(factory: Factory, name: str, shape: Shape, classes: int) -> Network:
    """The network of a factory, called `name`, for images (C, H, W) and a number of classes.

    Raises `CondenseError` where it cannot be made, cannot take such images, or is none that can be trained and compared: its
    logits must be (images, classes), of each image for itself, and outside of training always the same.
    """
    where = f"Network {quoted(name)}"
    made = _made(factory, shape, classes, where)
    if isinstance(made, Network):
        if (made.input_shape, made.classes) != (shape, classes):
            found = described(made.input_shape, made.classes)
            raise CondenseError(f"{where} is made for {found}, not for {described(shape, classes)}.")
        return replace(made, name=name)

    def again() -> nn.Module:
        other = factory(shape, classes)
        assert isinstance(other, nn.Module)
        return other

    check_parameters(made, _made(factory, shape, classes, where), where)
    with seeded(SEED):
        traced, head = Look(twice_differentiable(made), shape, classes, where).traced()
    layers = (Body(traced), *([] if head is None else [Linear(head, classes)]))
    return ModuleNetwork(name, shape, classes, layers, again, traced)


def _made(factory: Factory, shape: Shape, classes: int, where: str) -> nn.Module | Network:
    """What a factory makes by `SEED`, on the CPU."""
    with seeded(SEED):
        try:
            made = factory(shape, classes)
        except (Exception, SystemExit) as error:  # whatever foreign code may raise
            raise CondenseError(f"{where} cannot be made for {described(shape, classes)}: {why(error)}.") from error
    if not isinstance(made, nn.Module | Network):
        raise CondenseError(f"{where}: its factory gives {shortened(made)}, which is no torch.nn.Module.")
    return made
