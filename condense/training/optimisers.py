"""One step of an optimiser on the parameters of E networks, (E, P), and what it keeps from step to step."""

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from condense.networks.layers import Tensors
from condense.training.recipe import Recipe

EPSILON = 1e-8
"""What AdamW adds to the root of the mean square, as `torch.optim.AdamW` does by default."""


def fresh_state(recipe: Recipe, vector: Tensor) -> Tensors:
    """What a new optimiser of parameters (E, P) keeps: 'velocity' (E, P) of SGD; of AdamW the running means of gradients and
    of their squares, 'mean' and 'square' (E, P), and the 'steps' done (E,), float32.
    """
    if recipe.optimiser == "sgd":
        return {"velocity": torch.zeros_like(vector)}
    steps = torch.zeros(len(vector), dtype=torch.float32, device=vector.device)
    return {"mean": torch.zeros_like(vector), "square": torch.zeros_like(vector), "steps": steps}


def start_anew(state: Tensors) -> None:
    """Makes a state that of a new optimiser, in place."""
    for value in state.values():
        value.zero_()


def optimiser_step(vector: Tensor, state: Tensors, gradient: Tensor, learning_rate: float, recipe: Recipe) -> None:
    """One step in place of parameters, gradient and state, by the recipe's optimiser."""
    if recipe.optimiser == "sgd":
        sgd_step(vector, state["velocity"], gradient, learning_rate, recipe)
    else:
        adamw_step(vector, state, gradient, learning_rate, recipe)


def sgd_step(vector: Tensor, velocity: Tensor, gradient: Tensor, learning_rate: float, recipe: Recipe) -> None:
    """One step of SGD in place: v <- momentum v + gradient + weight decay w;  w <- w - learning rate v."""
    sgd(
        [vector],
        [gradient],
        [velocity if recipe.momentum else None],
        has_sparse_grad=False,
        foreach=False,
        fused=True,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        lr=learning_rate,
        dampening=0,
        nesterov=False,
        maximize=False,
    )


def adamw_step(vector: Tensor, state: Tensors, gradient: Tensor, learning_rate: float, recipe: Recipe) -> None:
    """One step of AdamW (Loshchilov and Hutter, ICLR 2019) in place, each network with its own number of steps t:
    w <- (1 - learning rate x weight decay) w - learning rate m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon),
    where m <- beta1 m + (1 - beta1) gradient and s <- beta2 s + (1 - beta2) gradient^2.
    """
    assert recipe.betas is not None
    beta1, beta2 = recipe.betas
    adamw(
        list(vector),
        list(gradient),
        list(state["mean"]),
        list(state["square"]),
        [],
        list(state["steps"]),
        foreach=False,
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=learning_rate,
        weight_decay=recipe.weight_decay,
        eps=EPSILON,
        maximize=False,
    )
