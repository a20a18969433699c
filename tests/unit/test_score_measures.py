"""The measures of a score: hand-computed values, intervals by an independent computation, and the protocols they need."""

import math

import numpy as np
import pytest
from scipy import stats

from condense.errors import CondenseError
from condense.stage_t.own_protocols import chosen
from condense.stage_t.protocols import BUILT_IN, Protocol, Where, recipe
from condense.statistics import contrast
from condense.studies.score.measures import augmentation_robust, label_robust, normalised
from condense.studies.score.twins import twins_of

SEEDS = range(6)
RANDOM = np.random.default_rng(0)
OWN, HARD, DRAWN, PLAIN, DRAWN_PLAIN = (
    dict(zip(SEEDS, middle + RANDOM.normal(0, 0.02, 6), strict=True)) for middle in (0.6, 0.55, 0.3, 0.5, 0.35)
)
WHOLE = dict(zip(range(4), 0.85 + RANDOM.normal(0, 0.005, 4), strict=True))


def listed(values: dict[int, float]) -> np.ndarray:
    return np.array(list(values.values()))


def test_by_hand() -> None:
    whole, hard, own, random = {0: 0.9, 1: 0.8}, {0: 0.6, 1: 0.7}, {0: 0.7, 1: 0.8}, {0: 0.4, 1: 0.5}
    found = label_robust(whole, hard, own, random)
    assert found is not None
    # HLR .85 - .65, IOR .75 - .45, alpha (.3 - .2) / 2, LRS (1.051271 - .367879) / 2.350402
    values = [one.value for one in (found.hlr, found.ior, found.alpha, found.lrs)]
    assert values == pytest.approx([0.2, 0.3, 0.05, 0.290755], abs=1e-6)
    assert found.lrs.low is None and found.lrs.high is None  # two networks say nothing of their spread
    # gains .3 with augmentation and .1 without: beta .2, ARS (1.221403 - .367879) / 2.350402
    robust = augmentation_robust(own, random, {0: 0.6, 1: 0.5}, {0: 0.5, 1: 0.4})
    assert robust is not None
    assert [robust.beta.value, robust.ars.value] == pytest.approx([0.2, 0.363140], abs=1e-6)


def test_extremes_and_the_middle() -> None:
    nothing, everything = dict.fromkeys(SEEDS, 0.0), dict.fromkeys(SEEDS, 1.0)
    best, worst = (label_robust(other, own, own, other) for own, other in ((everything, nothing), (nothing, everything)))
    assert best is not None and (best.alpha.value, best.lrs.value, best.lrs.low, best.lrs.high) == (1.0, 1.0, 1.0, 1.0)
    assert worst is not None and (worst.alpha.value, worst.lrs.value, worst.lrs.low) == (-1.0, 0.0, 0.0)
    same = augmentation_robust(OWN, OWN, PLAIN, PLAIN)
    assert same is not None and same.ars.value == pytest.approx(1 / (math.e + 1))  # (1 - 1/e) / (e - 1/e)
    assert normalised(-1.0) == 0.0 and normalised(1.0) == pytest.approx(1.0)


def test_intervals_by_scipy() -> None:
    found = label_robust(WHOLE, HARD, OWN, DRAWN)
    robust = augmentation_robust(OWN, DRAWN, PLAIN, DRAWN_PLAIN)
    assert found is not None and robust is not None
    whole, hard, gains = listed(WHOLE), listed(HARD), listed(OWN) - listed(DRAWN)
    hlr = stats.ttest_ind(whole, hard, equal_var=False).confidence_interval()
    ior = stats.ttest_rel(listed(OWN), listed(DRAWN)).confidence_interval()
    alpha = stats.ttest_ind(0.5 * gains + 0.5 * hard, 0.5 * whole, equal_var=False).confidence_interval()
    beta = stats.ttest_1samp(0.5 * gains + 0.5 * (listed(PLAIN) - listed(DRAWN_PLAIN)), 0.0).confidence_interval()
    for own, theirs in ((found.hlr, hlr), (found.ior, ior), (found.alpha, alpha), (robust.beta, beta)):
        assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
        assert theirs.low < own.value < theirs.high
    low, high = ((math.exp(end) - math.exp(-1)) / (math.e - math.exp(-1)) for end in (alpha.low, alpha.high))
    assert (found.lrs.low, found.lrs.high) == pytest.approx((low, high), rel=1e-9)
    assert found.alpha.value == pytest.approx(0.5 * found.ior.value - 0.5 * found.hlr.value)


def test_an_interval_ends_where_no_difference_can_be() -> None:
    found = label_robust({0: 1.0, 1: 1.0, 2: 0.9}, {0: 0.0, 1: 0.0, 2: 0.3}, dict.fromkeys(SEEDS, 0.0), OWN)
    assert found is not None and found.hlr.high == 1.0 and found.hlr.low is not None and found.hlr.low < 0.9


def test_networks_that_diverged_take_those_of_their_seed_with_them() -> None:
    without = {seed: value for seed, value in DRAWN.items() if seed != 2}
    found = label_robust(WHOLE, HARD, OWN, without)
    hard, own = ({seed: one[seed] for seed in without} for one in (HARD, OWN))
    assert found == label_robust(WHOLE, hard, own, without)
    assert label_robust(WHOLE, {0: 0.5}, {1: 0.5}, {0: 0.5}) is None and label_robust({}, HARD, OWN, DRAWN) is None
    assert augmentation_robust({0: 0.5}, {0: 0.5}, {1: 0.5}, {1: 0.5}) is None


def test_a_contrast_of_nothing() -> None:
    with pytest.raises(CondenseError, match=r"^There are no values to take the mean of\.$"):
        contrast([(1.0, [0.5]), (-1.0, [])])


def facts(protocol: str | Protocol, dataset: str = "cifar10", network: str = "ConvNet") -> dict[str, object]:
    return recipe(chosen(protocol), dataset, network).facts()


@pytest.mark.parametrize("protocol", [*BUILT_IN.values()], ids=str)
@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_twins_differ_in_one_thing(protocol: Protocol, dataset: str) -> None:
    twins = twins_of(protocol.name, dataset, "ConvNet", soft=True)
    own = facts(protocol.name, dataset)
    assert twins.own == protocol.name and facts(twins.hard, dataset) == own | {"loss": "hard"}
    flip = [] if dataset == "mnist" else ["flip"]
    dsa = {"law": "single", "augmentation": ["color", "crop", "cutout", *flip, "scale", "rotate"]}
    plain = facts(twins.plain, dataset)
    assert plain["augmentation"] == [] and "cutmix" not in plain
    unaugmented = {name: value for name, value in own.items() if name not in ("law", "cutmix", "augmentation")}
    for twin, changed in ((twins.augmented, dsa), (twins.plain, {"augmentation": []})):
        found = {name: value for name, value in facts(twin, dataset).items() if name != "law"}
        assert found == unaugmented | {name: value for name, value in changed.items() if name != "law"}
    assert facts(twins.augmented, dataset)["law"] == "single"


def test_twins_that_are_the_protocol_itself_are_not_trained_twice() -> None:
    dsa = twins_of("dsa", "mnist", "MLP", soft=False)
    assert (dsa.own, dsa.hard, dsa.augmented, str(dsa.plain)) == ("dsa", "dsa", "dsa", "dsa-plain")
    published = twins_of("published", "cifar10", "ConvNet", soft=False)
    assert published.plain == "published" and str(published.augmented) == "published-siamese"
    assert str(twins_of("published", "mnist", "ConvNet", soft=False).plain) == "published-plain"  # augmented as published


def test_a_protocol_of_hard_labels_and_a_long_name() -> None:
    own = Protocol(name="x" * 40, loss="hard", epochs=9, where=(Where(dataset=("digits",), epochs=3),))
    twins = twins_of(own, "digits", "MLP", soft=True)
    assert twins.hard == own and facts(twins.own, "digits", "MLP")["stages"] == [{"epochs": 3, "learning_rate": 0.01}]
    assert "loss" not in facts(twins.own, "digits", "MLP") and "loss" not in facts(twins.augmented, "digits", "MLP")
    assert len({str(one) for one in (twins.own, twins.hard, twins.augmented)}) == 3
    assert twins_of(own, "digits", "MLP", soft=False).own == own
