"""IDC against its plain twin, step by step in float64, and what follows from its definition."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from stage_c_samples import CPU, PATHS, execution_of, problem_of, walked

from condense.augmentation.laws import Law
from condense.data.images import LabelledImages
from condense.errors import CondenseError
from condense.networks.registry import build
from condense.preprocessing import ZCA
from condense.reference.idc import PlainIDC, packed
from condense.stage_c.distance import matched_names
from condense.stage_c.matching import GradientMatcher
from condense.stage_c.method import Occasion
from condense.stage_c.methods.idc import IDC, MOST_DECODED
from condense.training.layout import Layout

# The twin's sampling goes pixel by pixel, which takes long.
SHORT = replace(
    IDC.published(Occasion("cifar10", 2, "ConvNetW8")), iterations=2, inner_loop=2, real_batch=3, network_batches=1
)
SHAPE = (1, 8, 8)


@pytest.mark.parametrize("settings", ["published", "changed"])
@pytest.mark.parametrize("path", [pytest.param(path, marks=[pytest.mark.long] * (path == "compiled")) for path in PATHS])
def test_steps_equal_the_twin(
    path: str, settings: str, small_images: Callable[..., LabelledImages], fresh_seed: int
) -> None:
    data = small_images(shape=SHAPE, counts=(5, 5) if path == "all classes" else (5, 4))
    method = SHORT
    if settings == "changed":
        changed = {"metric": "absolute", "cutmix": 0.0, "init": "real", "image_decay": "cosine", "renewal": 2}
        method = replace(SHORT, image_learning_rate=1e-3, **changed)
    torch.compiler.reset()
    assert beside(PlainIDC, method, data, fresh_seed, path) == method.steps(problem_of(data, "ConvNetW8")) == 4


def beside(
    twin: type[PlainIDC],
    method: IDC,
    data: LabelledImages,
    seed: int,
    path: str = "in turn",
    network: str = "ConvNetW8",
) -> int:
    """How many steps agree with the twin's, in images, distance and network."""
    problem = problem_of(data, network, 1, seed=seed, batch=3, **PATHS[path])
    state, steps = method.begin(problem), 0
    torch.testing.assert_close(state.images, twin(method, problem).initial(), rtol=0, atol=0)
    for loss, images, net in twin(method, problem).steps():
        state, losses = method.step(problem, state, steps)
        steps += 1
        assert float(losses["distance"]) == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(state.images, images, rtol=1e-10, atol=1e-12)
        assert bool(len(state.vector)) == bool(steps % method.inner_loop)
        if len(state.vector):
            trained = Layout.of(problem.network).views(state.vector)
            for own, theirs in zip(trained.values(), net.parameters(), strict=True):
                torch.testing.assert_close(own, theirs.detach(), rtol=1e-9, atol=1e-12)
    return steps


def test_with_batch_norm_too(small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    data = small_images(shape=SHAPE, counts=(5, 4))
    assert beside(PlainIDC, replace(SHORT, iterations=1), data, fresh_seed, network="ConvNetW8BN") == 2


def test_steps_of_single_classes_with_momentum_are_one_step_of_twice_the_length(
    small_images: Callable[..., LabelledImages],
) -> None:
    """In the published loop a class's momentum moves its images on while the others take their steps."""
    problem = problem_of(small_images(shape=(1, 8, 8), counts=(4,) * 12), "ConvNetW8", 1, batch=2)
    settings = replace(SHORT, factor=1, real_batch=1, augmentation=("color",), image_learning_rate=1e-3)
    begun = settings.begin(problem)
    one = settings.step(problem, begun, 0)[0].images - begun.images
    _, images, _ = next(PlainIDC(settings, problem, in_turn=True).steps())
    moved = images - begun.images
    # Of a class that `after` others follow, its momentum has yet to do 0.5^(after + 1) of the way.
    for label in range(12):
        share = 1 - 0.5 ** (12 - label)
        torch.testing.assert_close(moved[label], share * one[label], rtol=1e-9, atol=1e-14)
    assert float((moved[:2] - one[:2]).norm() / one[:2].norm()) < 1e-3 < float(one.norm())


def test_only_convolution_weights_count(small_images: Callable[..., LabelledImages], fresh_seed: int) -> None:
    network, random = build("ConvNetW8", (1, 16, 16), 2), torch.Generator().manual_seed(fresh_seed)
    parameters = network.initial(random, torch.float64)
    convolutions = matched_names(network, "squared")
    assert {len(parameters[name].shape) for name in convolutions} == {4}
    for metric in ("squared", "absolute"):
        matcher = GradientMatcher(network, metric, CPU, execution_of(network, batch=3))
        real, synthetic = (torch.randn(3, 1, 16, 16, generator=random, dtype=torch.float64) for _ in range(2))
        gradients = matcher.real_gradient(parameters, {}, real, 1)
        assert set(gradients) == set(convolutions)
        distance, _ = matcher.match(parameters, {}, real, 1, gradients)
        other, _ = matcher.match(parameters, {}, synthetic, 1, gradients)
        assert float(distance) < 1e-12 < float(other)


def test_an_epoch_has_no_image_of_a_class_twice(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(counts=(11, 3, 8)), "ConvNetW8", 1)
    method = replace(SHORT, real_batch=4)
    state = method.begin(problem)
    steps = [method.real_images(problem, state, number).split(method.counts(problem)) for number in range(4)]
    assert method.counts(problem) == (4, 3, 4)
    for label, (first, count, each) in enumerate(((0, 11, 4), (11, 3, 3), (14, 8, 4))):
        drawn = [set(step[label].tolist()) for step in steps]
        assert all(one <= set(range(first, first + count)) and len(one) == each for one in drawn)
        if count // each == 2:
            assert not drawn[0] & drawn[1] and not drawn[2] & drawn[3]
    assert any(set(a.tolist()) != set(b.tolist()) for a, b in zip(steps[0], steps[2], strict=True))


def test_of_many_decoded_images_some_are_drawn(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(shape=(1, 8, 8), counts=(200, 200)), "ConvNetW8", 40)
    method, images = SHORT, torch.arange(80.0, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    seen, again, later = (method.shown(problem, images, number) for number in (0, 0, 1))
    assert torch.equal(seen, again) and not torch.equal(seen, later)
    assert len(seen) == 2 * MOST_DECODED == 2 * method.decoded_images(problem)
    found = (seen[:, 0, 0, 0] * problem.data.std[0] + problem.data.mean[0]).round().long().view(2, -1)
    assert set(found[0].tolist()) <= set(range(40)) and set(found[1].tolist()) <= set(range(40, 80))
    assert int(found[0].bincount().max()) <= 4


@pytest.mark.parametrize("factor", [1, 2])
def test_what_is_packed_is_what_networks_see(factor: int, small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(3, 8, 8), counts=(8, 8))
    flat = replace(data, pixels=data.pixels[:, :, :1, :1].expand(-1, -1, 8, 8).contiguous(), _cache={})
    problem = problem_of(flat, "ConvNetW8", 2)
    method = replace(SHORT, factor=factor)
    seen = method.shown(problem, method.begin(problem).images, 0)
    each = 2 * factor**2
    torch.testing.assert_close(seen, flat.inputs(torch.cat([torch.arange(each), 8 + torch.arange(each)]), torch.float64))


def test_twins_packing_takes_every_second_row_and_column() -> None:
    ramp = torch.arange(16.0).view(1, 4, 4)
    assert packed([ramp, -ramp, ramp + 100, ramp], 2)[0, 0].tolist() == [0.0, 2.0, -0.0, -2.0]


def test_images_handed_over_are_pixels(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(3, 16, 16), counts=(9, 9))
    problem = problem_of(data, "ConvNetW8", 2)
    state, _ = walked(replace(SHORT, image_learning_rate=100.0), problem, 3)
    assert float(state.images.max()) > 1 and float(state.images.min()) < 0
    found = SHORT.result(problem, state)
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (data.mean, data.std))
    pixels = found.images * std + mean
    assert float(pixels.max()) <= 1 + 1e-12 and float(pixels.min()) >= -1e-12
    whole = SHORT.shown(problem, state.images.clamp(0, 1), 0)
    decoded, labels = found.decoder.decode(found.images, found.labels)
    torch.testing.assert_close(decoded[labels.argsort(stable=True)], whole)


def test_a_class_and_step_have_one_draw(small_images: Callable[..., LabelledImages]) -> None:
    problem = problem_of(small_images(counts=(6, 6, 6)), "ConvNetW8", 1, seed=4)
    drawn = problem.siamese(SHORT.augmentation, 7, law="several")
    assert drawn is not None and len(drawn.hole) == 3
    again = Law("several", SHORT.augmentation).draw(3, (28, 28), problem.random("siamese augmentation", 7))
    assert all(torch.equal(one, other) for one, other in zip(drawn.parts, again.parts, strict=True))
    assert (drawn.hole[:, 1] - drawn.hole[:, 0] == 14).all() and (drawn.brightness != 0).all()


def test_what_it_cannot_do_is_refused(small_images: Callable[..., LabelledImages]) -> None:
    data = small_images(shape=(3, 8, 8), counts=(9, 9))
    with pytest.raises(
        CondenseError, match=r"^The method idc matches gradients of convolution weights, of which MLP has none"
    ):
        SHORT.check(problem_of(data, "MLP", 1))
    flat = data.pixels[0].numel()
    whitened = data.whitened_by(ZCA(torch.zeros(3, 8, 8), torch.eye(flat)))
    with pytest.raises(
        CondenseError, match=r"^The method idc learns pixels from 0 to 1, which the whitened images of noise are"
    ):
        SHORT.check(problem_of(whitened, "ConvNetW8", 1))
    with pytest.raises(CondenseError, match=r"9 images, fewer than the 12 that the 3 images per class asked for are packed"):
        SHORT.check(problem_of(data, "ConvNetW8", 3))
    SHORT.check(problem_of(data, "ConvNetW8", 2))


@pytest.mark.parametrize(
    ("dataset", "rates", "metric", "batches", "cutmix"),
    [
        ("cifar10", (5e-4, 5e-3, 2.5e-2), "squared", 32, 0.5),
        ("cifar100", (5e-4, 5e-3, 2.5e-2), "squared", 32, 0.5),
        ("svhn", (5e-4, 5e-3, 2.5e-2), "squared", 8, 0.5),
        ("mnist", (1e-5, 1e-4, 5e-4), "absolute", 8, 0.0),
        ("fashion-mnist", (0.766e-5, 0.766e-4, 3.83e-4), "absolute", 8, 0.5),
    ],
)
def test_published_settings(dataset: str, rates: tuple[float, ...], metric: str, batches: int, cutmix: float) -> None:
    for ipc, rate in zip((1, 10, 50), rates, strict=True):
        found = IDC.published(Occasion(dataset, ipc, "ConvNet"))
        # Twice the published rate: all classes take one step, without momentum.
        assert found.image_learning_rate == pytest.approx(2 * rate, rel=1e-3)
        assert (found.metric, found.network_batches, found.cutmix) == (metric, batches, cutmix)
        assert (found.iterations, found.inner_loop, found.factor, found.real_batch) == (2000, 100, 2, 64)
        assert (found.init, found.renewal, found.network_learning_rate) == ("first", 1, 0.01)
        assert ("cutout" in found.augmentation) == (dataset != "mnist")
        assert found.training_operations == ("color", "crop")
