"""First steps of the other methods on real images, in float64, and which images selections take: the same as ever.

Digests are those of `test_published_and_fast.py`.
"""

from typing import Any

import pytest
import torch
from stage_c_samples import with_drawn_experts
from test_published_and_fast import digest

from condense.config import LearnConfig
from condense.data.catalog import load
from condense.networks.registry import build
from condense.stage_c.problem import Problem

# (method, schedule, network, images per class): (summed distance of the third step, digest).
GOLDEN: dict[tuple[str, str, str, int], tuple[float, str]] = {
    ("dsa", "published", "ConvNetW8", 1): (74.20767083702549, "dde5f1373f2f1a2f"),
    ("dsa", "published", "ConvNetW8", 10): (17.80775398254704, "3569e7cfc13c3aa9"),
    ("dsa", "published", "MLP", 1): (1570.1021804334807, "956f0bc5e67cf86a"),
    ("dsa", "fast", "ConvNetW8", 1): (77.32669809037557, "22a4f32e9f1f7883"),
    ("dsa", "fast", "MLP", 10): (709.2889332352979, "682240651395f1ff"),
    ("dm", "published", "ConvNetW8", 1): (38.301182079988024, "01415627b02eb1c2"),
    ("dm", "published", "ConvNetW8", 10): (4.9524441250211915, "e14a4899ec08ca7d"),
    ("dm", "published", "MLP", 1): (7.420543354679409, "3efe2c0b280f67b9"),
    ("dm", "fast", "ConvNetW8", 1): (41.054944731096555, "983129feac56e213"),
    ("dm", "fast", "MLP", 10): (1.0013984116377883, "19d8609e459868b5"),
    ("idc", "fast", "ConvNetW8", 1): (400.6818399521091, "81ad562d0c464953"),
    ("dream", "fast", "ConvNetW8", 1): (348.9984322673253, "d137c804f2caca3e"),
    ("frepo", "fast", "ConvNetW8", 1): (0.46063106217879723, "f93e298ac47fbf5a"),
    ("frepo", "published", "MLP", 10): (1.1295447433182173, "1801afeadb3574d1"),
}
# (method, images per class): (first loss of the third step, digest), of experts that are drawn, not trained.
EXPERTS: dict[tuple[str, int], tuple[float, str]] = {
    ("dance", 1): (28.03956209386853, "4445b57a414e5dd3"),
    ("dance", 10): (10.702180399048535, "b7cb8d2d3b39c685"),
    ("tgdd", 1): (19.488951121246156, "8f4375761a99a974"),
    ("ncfm", 1): (333.9717594636515, "2b86286a5cb8462b"),
}
# Method, its settings: digest of five images per class, by experts that are drawn.
SELECTED: dict[str, tuple[dict[str, Any], str]] = {
    "herding": ({"epochs": 2}, "63506e3166372d92"),
    "k-center": ({"epochs": 2}, "dfb698c4f0d74022"),
    "kmeans": ({"epochs": 2, "factor": 2}, "0fbeea4514cc9e5c"),
    "forgetting": ({"epochs": 2, "networks": 1}, "c43a374598113e05"),
    "el2n": ({"epochs": 2, "networks": 2}, "e04b86a75a1028a9"),
    "grand": ({"epochs": 2, "networks": 2}, "5a90bf616484916d"),
}
# (method, images per class): (distance of the third step, digest), of a few experts that are drawn, not trained.
FEW = {"student_steps": 3, "expert_count": 2, "start_below": 4, "expert_epochs": 6, "image_learning_rate": 1e4}
FEW_OF_DATM = FEW | {"first_below": 2, "growth": 3, "largest_distance": 100.0, "init": "real"}
TRAJECTORIES: dict[tuple[str, int], tuple[float, str]] = {
    ("mtt", 1): (0.999878517029399, "00c34b1375024fe0"),
    ("tesla", 1): (0.9998675016930494, "f19e66147d10ecd6"),
    ("datm", 1): (0.9997054984155377, "9be423005ee4873a"),
    ("mtt", 3): (0.9997297917496208, "799bca301a4c4e3f"),
}


def after(config: LearnConfig, steps: int | None = None) -> tuple[float, torch.Tensor]:
    """The last loss and the images after so many steps, or all."""
    data, loss = load("digits").train, 0.0
    network = build(config.network, data.shape, data.classes)
    method, problem = config.plan(), Problem(data, network, config.ipc, config.seed, torch.float64)
    if plan := method.experts(problem):
        problem = with_drawn_experts(problem, plan.count, plan.recipe.epochs)
    state = method.begin(problem)
    for number in range(method.steps(problem) if steps is None else steps):
        state, losses = method.step(problem, state, number)
        loss = float(next(iter(losses.values())))
    return loss, method.result(problem, state).images


@pytest.mark.parametrize(("method", "schedule", "network", "ipc"), GOLDEN, ids=lambda part: str(part))
def test_first_steps(method: str, schedule: str, network: str, ipc: int) -> None:
    expected, images = GOLDEN[method, schedule, network, ipc]
    found = after(LearnConfig(method=method, network=network, ipc=ipc, schedule=schedule), 3)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert digest(found[1]) == images


@pytest.mark.parametrize(("method", "ipc"), EXPERTS, ids=str)
def test_first_steps_with_experts(method: str, ipc: int) -> None:
    expected, images = EXPERTS[method, ipc]
    found = after(LearnConfig(method=method, network="ConvNetW8", ipc=ipc, schedule="published"), 3)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert digest(found[1]) == images


@pytest.mark.parametrize(("method", "ipc"), TRAJECTORIES, ids=str)
def test_first_steps_of_students(method: str, ipc: int) -> None:
    expected, images = TRAJECTORIES[method, ipc]
    few = FEW_OF_DATM if method == "datm" else FEW
    found = after(LearnConfig(method=method, network="ConvNetW8", ipc=ipc, schedule="published", **few), 3)
    assert found[0] == pytest.approx(expected, rel=1e-9)
    assert digest(found[1]) == images


@pytest.mark.parametrize("method", SELECTED)
def test_selections(method: str) -> None:
    settings, images = SELECTED[method]
    found = after(LearnConfig(method=method, network="ConvNetW8", ipc=5, **settings))
    assert digest(found[1]) == images
