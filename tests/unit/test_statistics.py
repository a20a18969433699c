"""Statistics, against closed forms, scipy and what their laws promise."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from condense.errors import CondenseError
from condense.statistics import (
    FEWEST_RANKED,
    Correlation,
    Summary,
    _kendall_of_resamples,
    _spearman_of_resamples,
    best_by_chance,
    holm,
    kendall,
    paired,
    rank_agreement,
    spearman,
    spread,
    summarise,
    summarise_sets,
)

VALUES = [0.91, 0.92, 0.915, 0.93, 0.905]


def apart(groups: list[list[float]]) -> list[dict[int, float]]:
    """Sets with networks of seeds of their own."""
    return [{100 * place + seed: value for seed, value in enumerate(group)} for place, group in enumerate(groups)]


def test_agrees_with_numpy_and_scipy():
    summary = summarise(VALUES)
    low, high = stats.t.interval(0.95, len(VALUES) - 1, loc=np.mean(VALUES), scale=stats.sem(VALUES))
    assert summary.n == 5
    assert summary.mean == pytest.approx(np.mean(VALUES), rel=1e-14)
    assert summary.std == pytest.approx(np.std(VALUES), rel=1e-12)
    assert (summary.minimum, summary.maximum) == (0.905, 0.93)
    assert (summary.low, summary.high) == (pytest.approx(low, rel=1e-12), pytest.approx(high, rel=1e-12))


def test_closed_form_of_three_values():
    # With two degrees of freedom the quantile of p is (2p - 1) / sqrt(2p (1 - p)).
    summary = summarise([0.4, 0.5, 0.6])
    half = 0.95 / math.sqrt(2 * 0.975 * 0.025) * 0.1 / math.sqrt(3)
    assert (summary.mean, summary.std) == (pytest.approx(0.5), pytest.approx(0.1 * math.sqrt(2 / 3)))
    assert (summary.low, summary.high, summary.half) == tuple(pytest.approx(v) for v in (0.5 - half, 0.5 + half, half))


@pytest.mark.parametrize("values", [[0.2, 0.41], [0.4, 0.6], [0.7]])
def test_fewer_than_three_networks_have_no_interval(values: list[float]):
    """The first are those of 30.5 % whose interval was stated as -103.7 to 164.8."""
    summary = summarise(values)
    assert (summary.low, summary.high, summary.half) == (None, None, None)


def test_an_interval_stays_within_what_can_be_and_keeps_its_half_width():
    high = summarise([0.9, 0.95, 1.0])
    assert high.low is not None and high.half is not None and 0 < high.low < 0.9
    assert high.high == 1.0 and high.mean + high.half > 1.05
    low = summarise([0.0, 0.1, 0.0])
    assert low.low == 0.0 and low.high is not None and low.high > 0.1


def test_of_two_sets_nothing_is_said_however_many_networks_they_have():
    assert summarise_sets(apart([VALUES, VALUES])).low is None
    assert summarise_sets(apart([VALUES, VALUES, VALUES])).low is not None


def test_one_value_has_no_interval():
    assert summarise([0.5]) == Summary(n=1, mean=0.5, std=0.0, minimum=0.5, maximum=0.5, low=None, high=None)


def test_equal_values_have_an_interval_of_no_width():
    summary = summarise([0.5, 0.5, 0.5])
    assert (summary.std, summary.low, summary.high) == (0.0, 0.5, 0.5)


def test_with_several_sets_of_equal_size_the_interval_is_that_of_the_set_means():
    groups = [[0.90, 0.91, 0.92], [0.95, 0.94, 0.96], [0.93, 0.93, 0.90]]
    summary, means = summarise_sets(apart(groups)), summarise([float(np.mean(group)) for group in groups])
    assert (summary.n, summary.std) == (9, pytest.approx(np.std(groups)))
    assert (summary.low, summary.high) == (pytest.approx(means.low), pytest.approx(means.high))


def test_with_sets_of_unequal_size_the_interval_follows_the_cluster_robust_variance():
    groups = [[0.9, 0.8], [0.6], [0.7, 0.7, 0.4]]
    mean = 4.1 / 6
    variance = 3 / 2 * sum((len(g) * (np.mean(g) - mean)) ** 2 for g in groups) / 36
    summary = summarise_sets(apart(groups))
    assert summary.mean == pytest.approx(mean) and summary.half is not None
    assert summary.mean + summary.half == pytest.approx(mean + stats.t.ppf(0.975, 2) * math.sqrt(variance))


def test_one_set_is_summarised_by_its_networks():
    assert summarise_sets(apart([VALUES])) == summarise(VALUES)
    assert summarise_sets(apart([VALUES, []])) == summarise(VALUES)


def test_networks_of_one_seed_on_several_sets_share_its_luck():
    # The set means are equal, so all that can make the mean uncertain is the networks, as if there were one set.
    both, one = summarise_sets([dict(enumerate(VALUES))] * 3), summarise(VALUES)
    assert (both.low, both.high) == (pytest.approx(one.low), pytest.approx(one.high))
    # One network a set, the same everywhere: nothing is known of other networks, so nothing is said.
    assert summarise_sets([{0: value} for value in VALUES]).low is None


@pytest.mark.parametrize(("of_sets", "of_seeds"), [(0.002, 0.01), (0.01, 0.01), (0.01, 0.002)])
def test_the_interval_over_sets_and_networks_covers_the_truth_as_often_as_it_says(of_sets: float, of_seeds: float):
    random, covered, runs = np.random.default_rng(0), 0, 2000
    for _ in range(runs):
        sets, seeds = random.normal(0.5, of_sets, (4, 1)), random.normal(0, of_seeds, (1, 10))
        groups = [dict(enumerate(row)) for row in sets + seeds + random.normal(0, 0.005, (4, 10))]
        summary = summarise_sets(groups)
        assert summary.low is not None and summary.high is not None
        covered += summary.low <= 0.5 <= summary.high
    assert 0.93 <= covered / runs <= 0.97


def test_nothing_to_summarise():
    with pytest.raises(CondenseError, match="no accuracies"):
        summarise([])


@pytest.mark.parametrize("wrong", [91.7, -0.1, math.nan])
def test_what_is_not_a_fraction_is_refused(wrong: float):
    with pytest.raises(CondenseError, match="fractions"):
        summarise([0.5, wrong])


def test_sets_that_share_two_seeds_of_networks_say_too_little() -> None:
    """What those seeds have in common cannot be seen in two of them, however many sets there are."""
    assert summarise_sets([{0: 0.5, 1: 0.6}, {0: 0.55, 1: 0.61}, {0: 0.52, 1: 0.66}]).low is None
    assert summarise_sets([{0: 0.5}] * 10).low is None
    three = [{0: 0.5, 1: 0.6, 2: 0.55}, {0: 0.55, 1: 0.61, 2: 0.5}, {0: 0.52, 1: 0.66, 2: 0.57}]
    assert summarise_sets(three).low is not None
    assert summarise_sets([{0: 0.5}, {1: 0.6}, {2: 0.55}]).low is not None  # a seed of its own for each set


def test_spreads_of_uneven_sets_add_up() -> None:
    groups = [[0.1, 0.2, 0.4], [0.5], [0.3, 0.9]]
    between, within = spread(groups)
    assert between**2 + within**2 == pytest.approx(np.var([value for group in groups for value in group]))


def test_chance_is_the_most_frequent_class_and_three_deviations() -> None:
    assert best_by_chance([30, 60, 10]) == pytest.approx(0.6 + 3 * math.sqrt(0.6 * 0.4 / 100))
    assert best_by_chance([10]) == 1.0


# Paired tests


def test_paired_differences_are_those_of_scipy() -> None:
    a, b = [1.0, 2.5, 3.0, 4.75], [0.5, 2.0, 3.25, 4.0]
    found = paired(a, b)
    assert (found.n, found.mean) == (4, pytest.approx(np.mean(np.subtract(b, a))))
    test = stats.ttest_rel(b, a)
    assert found.p == pytest.approx(test.pvalue) and found.error == pytest.approx(stats.sem(np.subtract(a, b)))
    low, high = test.confidence_interval(0.95)
    assert found.half_width == pytest.approx((high - low) / 2)


def test_pairs_without_a_value_are_left_out() -> None:
    assert paired([1.0, None, 2.0], [1.0, 5.0, 2.0]).p == 1.0
    assert paired([None], [1.0]).error is None and math.isnan(paired([None], [1.0]).mean)
    assert (paired([1.0], [2.0]).p, paired([1.0, 2.0], [1.0, 2.0]).p) == (None, 1.0)
    assert paired([1.0, 2.0], [1.5, 2.75]).half_width is None  # two say nothing of their spread


def test_differences_that_are_all_equal_have_no_p() -> None:
    """0.81 - 0.71 and 0.9 - 0.8 differ in their last bits, which is no deviation to divide by."""
    found = paired([0.71, 0.8, 0.3], [0.81, 0.9, 0.4])
    assert found.mean == pytest.approx(0.1) and (found.error, found.p) == (0.0, None)
    assert paired([1.0, 1.0 + 1e-7], [1.0 + 2e-7, 1.0]).p is not None


def test_holm_as_in_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


# Rank correlations


@pytest.mark.parametrize(("ours", "of_scipy"), [(spearman, stats.spearmanr), (kendall, stats.kendalltau)])
@pytest.mark.parametrize("digits", [6, 1], ids=["untied", "tied"])
def test_the_bootstrap_is_that_of_scipy(ours: Callable, of_scipy: Callable, digits: int) -> None:
    """All resamples at once against one by one."""
    random = np.random.default_rng(1)
    x = random.normal(size=12).round(digits)
    y = (x + random.normal(size=12)).round(digits)
    found = ours(x.tolist(), y.tolist())
    assert found.value == of_scipy(x, y).statistic
    expected = stats.bootstrap(
        *((x, y), lambda a, b: of_scipy(a, b).statistic),
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(2),
    )
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.05)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.05)


def test_each_resample_is_correlated_as_scipy_does() -> None:
    random = np.random.default_rng(2)
    x, y = (random.integers(4, size=9).astype(float) for _ in range(2))
    places = random.integers(9, size=(50, 9))
    places[0] = 3  # all ranks equal: no correlation
    for resampled, of_scipy in ((_spearman_of_resamples, stats.spearmanr), (_kendall_of_resamples, stats.kendalltau)):
        with np.errstate(invalid="ignore"):
            found = resampled(x, y, places)
        assert math.isnan(found[0])
        expected = [float(np.asarray(of_scipy(x[row], y[row]))[0]) for row in places[1:]]
        assert found[1:] == pytest.approx(expected, abs=1e-14)


def test_the_interval_of_a_correlation_covers_and_repeats() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        x = random.normal(size=40)
        found = spearman(x.tolist(), (0.6 * x + 0.8 * random.normal(size=40)).tolist())
        assert found.low is not None and found.high is not None and found.value is not None
        assert found.low < found.value < found.high
        covered += found.low <= 0.582 <= found.high  # Spearman of a normal pair of correlation .6: 6/pi asin(.3)
    assert covered >= 33
    x, y = list(range(FEWEST_RANKED)), [1, 0, 3, 2, 5, 4, 7, 6]
    assert spearman(x, y) == spearman(x, y) and spearman(x, y).low is not None
    few = spearman(x[:-1], y[:-1])
    assert few.value is not None and (few.low, few.high) == (None, None)
    assert spearman([1, 1, 1], [1, 2, 3]) == kendall([1, 2, 3], [1, 1, 1]) == Correlation(None)


def test_rank_agreement_is_over_columns_both_rows_have() -> None:
    gap = math.nan
    rows = np.array([[1, 2, 3, 4], [2, 4, 6, gap], [3, 2, 1, 0], [gap, gap, 1, 2], [5, 5, 5, 5]], dtype=float)
    found = rank_agreement(rows)
    assert found[:3] == pytest.approx([0.0, 0.0, -1.0])
    assert math.isnan(found[3]) and math.isnan(found[4])
