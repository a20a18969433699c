"""Distribution matching as published: class by class, `torch.optim.SGD` on the images."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from condense.augmentation.laws import Law
from condense.randomness import generator
from condense.reference.networks import load, module
from condense.reference.siamese import one_after_another
from condense.stage_c.method import decayed
from condense.stage_c.methods.dm import DM
from condense.stage_c.problem import Problem


def embedding(net: nn.Module, x: Tensor) -> Tensor:
    """What the last linear layer of a network in training mode is given for images (n, C, H, W)."""
    seen: list[Tensor] = []
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    hook = last.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    net(x)
    hook.remove()
    return seen[0]


def steps(settings: DM, problem: Problem) -> Iterator[tuple[float, Tensor]]:
    """(Loss, images after the update) of every iteration."""
    data, each = problem.data, problem.images_per_class
    images = problem.real_images().requires_grad_()
    optimiser = torch.optim.SGD([images], lr=settings.image_learning_rate, momentum=settings.image_momentum)
    for step in range(settings.iterations):
        parameters = problem.network.initial(generator(problem.seed, "network", step), problem.dtype)
        net = load(module(problem.network.name, data.shape, data.classes), parameters).to(data.device).train()
        drawn = data.draw_class_batches(settings.real_batch, problem.random("real batch", step))
        random = generator(problem.seed, "siamese augmentation", step)
        draws = Law("single", settings.augmentation).draw(data.classes, data.shape[1:], random)
        real, synthetic = [], []
        for label, indices in enumerate(drawn.indices.split(drawn.counts)):
            own = draws[label : label + 1]
            real.append(one_after_another(data.inputs(indices, problem.dtype), own))
            synthetic.append(one_after_another(images[label * each : (label + 1) * each], own))
        real_features = embedding(net, torch.cat(real)).detach().split(drawn.counts)
        synthetic_features = embedding(net, torch.cat(synthetic)).split(each)
        loss = images.new_zeros(())
        for a, b in zip(real_features, synthetic_features, strict=True):
            loss = loss + ((a.mean(0) - b.mean(0)) ** 2).sum()
        rate = decayed(settings.image_learning_rate, settings.image_decay, step / settings.iterations)
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield float(loss.detach()), images.detach().clone()
