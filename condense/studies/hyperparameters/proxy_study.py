"""Does a small set choose as all images would? Rank correlations, regret, and what it saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from condense.report.html import machine
from condense.statistics import Correlation, Summary, kendall, spearman
from condense.studies.hyperparameters.results import Sweep, Trained

DIGITS = 9
"""Mean accuracies are ranked to so many, as means of the same fractions may differ in their last bits and yet be tied."""


@dataclass(frozen=True)
class ProxyResult:
    """A small set as a proxy; accuracies are fractions, of the rows done on both, by name in the grid's order.

    full, proxy: means of the accuracy that rows are compared by, trained on all images and on the set; tested: of the test
    accuracy, trained on all images. Rows whose networks all diverged on either are left out.
    regret: test accuracy, trained on all images, of the row that is first when trained on them, less that of the row the
    proxy ranks first; averaged over all that are first where some are tied. chance_regret: the same for a row drawn at
    random. The accuracies are means over seeds, so the first is the best found, with its luck.
    networks, proxy_networks: of each row, on all images and on the set. proxy_seconds: of training all those on the set;
    full_seconds: of training as many on all images, by each row's seconds per network. None in saved or saved_with_learning
    where what is compared was not measured on one device with one number of threads, or learning not at all.
    """

    label: str
    images: int
    epochs_factor: int
    names: tuple[str, ...]
    full: tuple[float, ...]
    proxy: tuple[float, ...]
    tested: tuple[float, ...]
    networks: tuple[int, ...]
    proxy_networks: tuple[int, ...]
    full_seconds: float
    proxy_seconds: float
    learn_seconds: float | None
    one_machine: bool
    spearman: Correlation
    kendall: Correlation

    @property
    def chosen(self) -> tuple[int, ...]:
        """The rows the proxy ranks first: several where they are tied, none where all are, as it then chooses nothing."""
        first = _first(self.proxy)
        return first if len(first) < len(self.proxy) else ()

    @property
    def regret(self) -> float:
        """Test accuracy lost by taking a row it ranks first; where rows are tied, on average over them."""
        return self._best - self._tested(_first(self.proxy))

    @property
    def _best(self) -> float:
        return self._tested(_first(self.full))

    def _tested(self, rows: Sequence[int]) -> float:
        return sum(self.tested[index] for index in rows) / len(rows)

    @property
    def saved(self) -> float | None:
        """So many times the training cost of the set's networks is that of as many on all images."""
        return self.full_seconds / self.proxy_seconds if self.one_machine else None

    @property
    def saved_with_learning(self) -> float | None:
        """The same with the set's own making counted."""
        if self.learn_seconds is None or not self.one_machine:
            return None
        return self.full_seconds / (self.proxy_seconds + self.learn_seconds)

    @property
    def chance_regret(self) -> float:
        """Test accuracy lost, on average, by drawing a row."""
        return self._best - self._tested(range(len(self.tested)))


def study(full: Trained, proxy: Trained) -> ProxyResult | None:
    """The proxy against all images, from rows done on both; None with fewer than three."""
    both = proxy.comparable
    shared = [name for name in full.comparable if name in both]
    if len(shared) < 3:
        return None
    on_full, on_proxy = [full.done[name] for name in shared], [proxy.done[name] for name in shared]
    tested = _means([result.summary for result in on_full])
    x, y = (_means([result.score for result in results]) for results in (on_proxy, on_full))
    networks, proxy_networks = (tuple(result.networks for result in results) for results in (on_full, on_proxy))
    per_network = [result.seconds[1] / result.networks for result in on_full]
    machines = {machine(record.device, record.threads) for result in on_full + on_proxy for record in result.records}
    learned_here = not proxy.learn_seconds or proxy.learned_on in machines
    return ProxyResult(
        *(proxy.label, proxy.images, proxy.epochs_factor, tuple(shared), y, x, tested),
        networks=networks,
        proxy_networks=proxy_networks,
        full_seconds=sum(seconds * count for seconds, count in zip(per_network, proxy_networks, strict=True)),
        proxy_seconds=sum(result.seconds[1] for result in on_proxy),
        learn_seconds=proxy.learn_seconds if learned_here else None,
        one_machine=len(machines) == 1,
        spearman=spearman(x, y),
        kendall=kendall(x, y),
    )


def _means(summaries: Sequence[Summary | None]) -> tuple[float, ...]:
    return tuple(round(summary.mean, DIGITS) for summary in summaries if summary)


def _first(values: Sequence[float]) -> tuple[int, ...]:
    """The places of the highest value."""
    return tuple(index for index, value in enumerate(values) if value == max(values))


def studied(sweep: Sweep) -> list[ProxyResult]:
    """The proxies there is something to say about."""
    return [result for proxy in sweep.proxies if (result := study(sweep.full, proxy))]
