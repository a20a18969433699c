"""Methods, augmentations and protocols of one's own by name: what is drawn, what is stored, what is refused."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
import torch
from torch import Tensor

from condense import (
    CondenseError,
    EvaluateConfig,
    LearnConfig,
    Method,
    Protocol,
    names,
    register_augmentation,
    register_method,
    register_protocol,
)
from condense.augmentation.laws import Law
from condense.augmentation.operations import Draw
from condense.augmentation.own import AUGMENTATIONS
from condense.checking import verified
from condense.condensed import Condensed
from condense.data.known import PUBLISHED
from condense.networks import registry
from condense.stage_c import methods
from condense.stage_c.method import setting
from condense.stage_c.methods import described, is_known, method_class, proper_name
from condense.stage_c.precision import PRECISIONS
from condense.stage_c.schedules import SCHEDULES
from condense.stage_t import own_protocols
from condense.stage_t.protocols import BUILT_IN, PROTOCOLS, recipe

SIZE = (8, 6)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("condense.augmentation.own._known", {})
    own = AUGMENTATIONS, methods.OWN, own_protocols.OWN
    for known in own:
        known.forget()
    yield
    for known in own:
        known.forget()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def brighter(count: int, size: tuple[int, int], random: torch.Generator) -> Draw:
    amount = 1 + torch.rand(count, generator=random, dtype=torch.float64)
    return replace(Draw.nothing(count), brightness=amount, hole=torch.full((count, 4), size[0]))


@dataclass(frozen=True, kw_only=True)
class Still(Method):
    """Real images as they are."""

    name: ClassVar[str] = "still"
    title: ClassVar[str] = "real images as they are"
    iterations: int = setting("Steps.", 1)

    @classmethod
    def published(cls, occasion: Any) -> "Still":
        return cls()

    def steps(self, problem: Any) -> int:
        return self.iterations

    def begin(self, problem: Any) -> Any:
        raise NotImplementedError

    def step(self, problem: Any, state: Any, number: int) -> tuple[Any, dict[str, float | Tensor]]:
        raise NotImplementedError

    def result(self, problem: Any, state: Any) -> Condensed:
        raise NotImplementedError


def test_ones_own_is_drawn_as_often_as_each_other_operation_and_shifts_no_draw() -> None:
    register_augmentation("brighter", brighter)
    name = AUGMENTATIONS.proper_name("brighter")
    assert name is not None and name.startswith("brighter@")
    count = 3_000
    drawn = Law("single", ("crop", name, "flip")).draw(count, SIZE, generator())
    chosen = drawn.brightness != 0
    # A third of 3,000 with a standard deviation of 26.
    assert abs(int(chosen.sum()) - count / 3) < 100
    assert bool((drawn.brightness[chosen] >= 1).all()) and bool((drawn.hole[chosen] == SIZE[0]).all())
    without = Law("single", ("crop", "scale", "flip")).draw(count, SIZE, generator())
    for one, other in zip(drawn.parts, without.parts, strict=True):
        assert torch.equal(one[~chosen], other[~chosen])


def test_one_draw_is_shared_by_all_where_the_law_draws_for_a_batch() -> None:
    register_augmentation("brighter", brighter)
    name = AUGMENTATIONS.proper_name("brighter")
    assert name is not None
    law = Law("single", ("crop", name))
    seen = {bool((law.draw(5, SIZE, generator(seed), together=True).brightness > 0).all()) for seed in range(20)}
    mixed = [law.draw(5, SIZE, generator(seed), together=True).brightness > 0 for seed in range(20)]
    assert seen == {True, False} and all(bool(one.all()) or not bool(one.any()) for one in mixed)


@pytest.mark.parametrize(
    ("drawing", "sentence"),
    [
        (lambda count, size, random: None, "gave None, which is no Draw"),
        (lambda count, size, random: Draw.nothing(count + 1), r"drew parameters \(3,\) of torch.float64 for 2 images"),
        (
            lambda count, size, random: replace(Draw.nothing(count), hole=torch.zeros(count, 4)),
            r"\(2, 4\) of torch.float32 for 2 images, where they are \(2, 4\) of torch.int64",
        ),
    ],
)
def test_what_an_augmentation_draws_is_looked_at(drawing: Any, sentence: str) -> None:
    register_augmentation("odd", drawing)
    with pytest.raises(CondenseError, match=sentence):
        Law("single", (str(AUGMENTATIONS.proper_name("odd")),)).draw(2, SIZE, generator())


def test_several_and_each_draw_none_of_ones_own() -> None:
    register_augmentation("brighter", brighter)
    name = str(AUGMENTATIONS.proper_name("brighter"))
    with pytest.raises(CondenseError, match="Unknown augmentation"):
        Law("several", (name,))
    for law in ("several", "each"):
        with pytest.raises(CondenseError, match=f"the law {law} has no brighter@"):
            own_protocols.chosen(Protocol(name="mine", law=law, augmentation=("brighter",)))  # type: ignore[arg-type]


def test_a_configuration_holds_the_digest() -> None:
    register_augmentation("brighter", brighter)
    (name,) = verified(LearnConfig(method="dsa", augmentation=("brighter",))).augmentation
    assert name == AUGMENTATIONS.proper_name("brighter")
    # What a file names is left as it is; nothing is imported for it, and other code does not take its place.
    assert (
        verified(LearnConfig(method="dsa", augmentation=("nowhere:one@0123456789",))).augmentation[0].startswith("nowhere")
    )
    register_augmentation("brighter", lambda count, size, random: Draw.nothing(count))
    with pytest.raises(CondenseError, match="is another one than before"):
        Law("single", (name,)).draw(2, SIZE, generator())


def test_a_method_is_known_once_it_is_registered() -> None:
    with pytest.raises(CondenseError, match="Unknown method 'still'"):
        proper_name("still")
    register_method(Still)
    name = proper_name("still")
    assert name.startswith("still@") and method_class(name) is Still and is_known(name) and "still" in described()
    config = LearnConfig(method="still", iterations=3)
    assert config.method == "still" and verified(config).method == name and verified(config).resolved().iterations == 3
    methods.OWN.forget()
    assert not is_known(name)
    with pytest.raises(CondenseError, match="There is no method 'still' in this process"):
        method_class(name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "dc"}, "There is a method 'dc' already"),
        ({"name": "No Name"}, "is no name of a method"),
        ({"name": "Upper"}, "its name must be of small letters"),
        ({"title": None}, "has no title"),
    ],
)
def test_what_is_no_method_is_refused(change: dict[str, Any], sentence: str) -> None:
    kind = dataclass(frozen=True, kw_only=True)(type("Other", (Still,), {"__module__": __name__, **change}))
    with pytest.raises(CondenseError, match=sentence):
        register_method(kind)


def test_a_method_is_a_dataclass() -> None:
    with pytest.raises(CondenseError, match=r"is no dataclass: put @dataclass"):
        register_method(type("Other", (Still,), {"__module__": __name__, "name": "other"}))


def test_a_protocol_by_its_name_is_the_same_as_by_its_settings() -> None:
    mine = Protocol(name="mine", epochs=3, where=())
    with pytest.raises(CondenseError, match="Unknown protocol 'mine'"):
        own_protocols.chosen("mine")
    register_protocol(mine)
    assert own_protocols.chosen("mine") == own_protocols.chosen(mine) == own_protocols.chosen(asdict(mine))
    config = verified(EvaluateConfig(protocol="mine"))
    assert isinstance(config.protocol, Protocol) and recipe(config.protocol, "digits", "MLP").epochs == 3
    with pytest.raises(CondenseError, match="steps: they must be in order"):
        register_protocol(replace(mine, steps=((5, 0.1),)))
    with pytest.raises(CondenseError, match="'dsa' is the name of a built-in protocol"):
        register_protocol(replace(mine, name="dsa"))


def test_types_name_what_is_built_in() -> None:
    def values(kind: Any) -> set[str]:
        return {text for one in get_args(kind) for text in ([one] if isinstance(one, str) else values(one))}

    assert values(names.DatasetName) == set(PUBLISHED)
    assert values(names.LearningName) == {name for name, kind in methods.BUILT_IN.items() if kind.kind == "learned"}
    assert values(names.MethodName) == set(methods.BUILT_IN)
    assert values(names.ProtocolName) == set(PROTOCOLS) == set(BUILT_IN)
    assert (values(names.ScheduleName), values(names.PrecisionName)) == (set(SCHEDULES), set(PRECISIONS))
    assert all(registry.check_name(name) == name for name in values(names.NetworkName))


def test_installed_packages_add_augmentations_and_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added_things.py").write_text(
        "from condense import Protocol\nfrom condense.augmentation.operations import Draw\n"
        "def still(count, size, random):\n    return Draw.nothing(count)\n"
        "quick = Protocol(name='quick', epochs=2)\n"
    )
    stated = tmp_path / "added-1.0.dist-info"
    stated.mkdir()
    (stated / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    groups = {"condense.augmentations": "still = added_things:still", "condense.protocols": "quick = added_things:quick"}
    (stated / "entry_points.txt").write_text("".join(f"[{group}]\n{line}\n" for group, line in groups.items()))
    monkeypatch.syspath_prepend(tmp_path)
    config = verified(LearnConfig(method="dm", augmentation=("still",)))
    assert config.augmentation[0].startswith("still@") and AUGMENTATIONS.registered() == ["still"]
    protocol = own_protocols.chosen("quick")
    assert isinstance(protocol, Protocol) and protocol.epochs == 2
    with pytest.raises(CondenseError, match="Did you mean 'quick'"):
        own_protocols.chosen("quik")
