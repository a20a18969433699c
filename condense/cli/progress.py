"""Progress bars of long work: what is done, the loss, and the time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from condense.events import Epoch, NetworkTested, OfSteps, OfTraining, Step

INTERVAL, FILE_INTERVAL = 0.2, 10.0
"""Seconds between two lines; a file is not watched."""


class Bar:
    """A bar that learns its total with the first update; silent when quiet."""

    def __init__(self, label: str, unit: str, *, quiet: bool) -> None:
        self.label, self.unit, self.quiet = label, unit, quiet
        self.bar: tqdm | None = None

    def update(self, done: int, total: int, **values: float) -> None:
        """Moves to `done` of `total`, showing values such as the loss."""
        if self.bar is None:
            interval = INTERVAL if sys.stderr.isatty() else FILE_INTERVAL
            shown = {"desc": self.label, "unit": self.unit, "disable": self.quiet, "mininterval": interval}
            self.bar = tqdm(total=total, initial=max(done - 1, 0), **shown)
        if values:
            self.bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)
        self.bar.update(done - self.bar.n)
        if done == total:
            self.close()

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self.bar is not None:
            self.bar.close()


@contextmanager
def learn_bar(quiet: bool) -> Iterator[OfSteps]:
    """The bar of stage C, with the loss."""
    bar = Bar("stage C", "step", quiet=quiet)

    def progress(event: Step) -> None:
        bar.update(event.step, event.steps, loss=event.loss)

    try:
        yield progress
    finally:
        bar.close()


@contextmanager
def train_bar(stage: str, quiet: bool) -> Iterator[OfTraining]:
    """One bar for each network that is trained in a stage, by its name."""
    bars: dict[str, Bar] = {}

    def progress(event: Epoch | NetworkTested) -> None:
        if isinstance(event, Epoch):
            name = event.network
            bars.setdefault(name, Bar(f"{stage}, {name}", "epoch", quiet=quiet)).update(event.done, event.total)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


class Bars:
    """The bar of the work at hand, of many done one after the other, with a line where other processes are waited for;
    silent when quiet.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Bar | None = None
        self.waiting = False

    def begin(self, label: str, unit: str) -> None:
        """The bar of the next work; that of the last is left as it is, as work may end before its last step."""
        self.close()
        self.waiting = False
        self.bar = Bar(label, unit, quiet=self.quiet)

    def update(self, done: int, total: int, **values: float) -> None:
        """Moves the bar of the work that began last."""
        if self.bar is not None:
            self.bar.update(done, total, **values)

    def wait(self, left: str) -> None:
        """Says what is left, once until other work begins."""
        self.close()
        if not self.quiet and not self.waiting:
            print(f"Waiting for other processes: {left} are left.", file=sys.stderr)
        self.waiting = True

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self.bar is not None:
            self.bar.close()
