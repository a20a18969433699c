"""What a score says, as tables: the measures with a sentence each, and the accuracies that they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from condense.report.numbers import MINUS, decimal, interval, percent_of, signed
from condense.report.rendering import Column, Table, Value
from condense.statistics import Contrast, Summary
from condense.studies.score.measures import normalised
from condense.studies.score.results import IMAGES, Group, Results

DIGITS = 3


@dataclass(frozen=True)
class Measure:
    """A row: what it is called, which values are better, what is known of it, and what that means."""

    name: str
    better: str
    found: Contrast
    meaning: str


def score_tables(results: Results) -> list[Table]:
    """The measures, then the accuracies."""
    return [measures_table(results), accuracies_table(results)]


def measures_table(results: Results) -> Table:
    """A row for each measure that is known."""
    asked = results.asked
    columns: list[Column[Measure]] = [
        Column("measure", lambda one: one.name, numeric=False),
        Column("value", lambda one: one.found.value, lambda value: decimal(value, DIGITS)),
        Column("95 % interval", lambda one: interval_text(one.found)),
        Column("better", lambda one: one.better, numeric=False),
        Column("what it says", lambda one: one.meaning, numeric=False, wide=True),
    ]
    title = f"{asked.set.file} beside random real images of {asked.set.dataset} and all of them, {asked.network}"
    return Table.of(title, columns, measures(results), _notes(results))


def accuracies_table(results: Results) -> Table:
    """A row for each group of networks."""
    columns: list[Column[Group]] = [
        Column("trained on", lambda one: IMAGES[one.images], numeric=False),
        Column("labels", lambda one: one.labels, numeric=False),
        Column("protocol", lambda one: one.protocol, numeric=False),
        Column("accuracy %", lambda one: one.summary, percent_of),
        Column("95 % interval", lambda one: interval_text(one.summary, 100, 1)),
        Column("n", lambda one: len(one.accuracies)),
    ]
    notes = [
        "Accuracy: percent of the test images classified correctly after the last epoch, mean ± standard deviation over all "
        "networks (ddof = 0); its interval by Student's t (ddof = 1), none for fewer than three networks.",
        "Random real images are drawn anew for each network, so their interval is over networks and draws; that of the set "
        "says nothing of other sets.",
    ]
    return Table.of("Accuracies behind the measures", columns, results.groups.values(), notes)


def measures(results: Results) -> list[Measure]:
    """Those that are known, in the order they are shown."""
    found, of_labels, of_augmentation = list[Measure](), results.label_robust, results.augmentation_robust
    if of_labels:
        found += [
            Measure("HLR", "lower", of_labels.hlr, _lost(of_labels.hlr)),
            Measure("IOR", "higher", of_labels.ior, _gained(of_labels.ior)),
            Measure("LRS", "higher, 0 to 1", of_labels.lrs, _scored("alpha", of_labels.alpha)),
        ]
    if of_augmentation:
        found.append(Measure("ARS", "higher, 0 to 1", of_augmentation.ars, _beside_random(of_augmentation.beta)))
    return found


def interval_text(found: Contrast | Summary | None, scale: float = 1.0, digits: int = DIGITS) -> str | None:
    """The ends of an interval times `scale`; None where there is none."""
    if found is None or found.low is None or found.high is None:
        return None
    return interval(scale * found.low, scale * found.high, digits)


def result_rows(results: Results) -> Iterator[dict[str, Value]]:
    """Measures, alpha and beta among them, and accuracies as plain values."""
    for name, found in results.raw.items():
        if found is not None:
            yield {"name": name, **found, "n": None}
    for group in results.groups.values():
        summary = group.summary
        ends: tuple[Any, ...] = (None, None, None) if summary is None else (summary.mean, summary.low, summary.high)
        values = dict(zip(("value", "low", "high"), ends, strict=True))
        yield {"name": f"accuracy: {group.described}", **values, "n": len(group.accuracies)}


def _notes(results: Results) -> list[str]:
    asked, twins = results.asked, results.asked.twins
    count = sum(asked.set.counts)
    labelled = ", with soft labels of a network that stopped early, one for each draw" if asked.set.soft else ""
    notes = [
        "95 % intervals are of this set, over networks and draws of random images: set and random images are paired by the "
        "networks' seeds, all real images come in by Welch's law.",
        f"LRS and ARS: (e^x {MINUS} 1/e) / (e {MINUS} 1/e), x being alpha = (IOR {MINUS} HLR) / 2, and beta, the mean gain "
        f"over random images under {twins.augmented} and {twins.plain}; x = 0 gives {decimal(normalised(0.0), DIGITS)}.",
        f"Random images: {count:,} real ones, as many as the set stores{labelled}.",
    ]
    if asked.set.images != count:
        notes.append(
            f"Each of the set's {count:,} stored images becomes several in training ({asked.set.images:,} in all); random "
            "real images are whole ones of the same bytes, so what packing gains counts for the set."
        )
    if results.diverged:
        notes.append(f"Diverged and left out, with the networks of the same seed beside them: {results.diverged}.")
    return notes


def _points(value: float) -> str:
    return f"{decimal(abs(100 * value))} percentage points"


def _doubt(found: Contrast) -> str:
    """What is to be added where an interval holds zero."""
    inside = found.low is not None and found.high is not None and found.low <= 0 <= found.high
    return ", which may be chance" if inside else ""


def _lost(found: Contrast) -> str:
    side = "below" if found.value >= 0 else "above"
    return f"With hard labels the set stays {_points(found.value)} {side} all real images{_doubt(found)}."


def _gained(found: Contrast) -> str:
    side = "better" if found.value >= 0 else "worse"
    return f"With its own labels the set is {_points(found.value)} {side} than random real images{_doubt(found)}."


def _scored(name: str, found: Contrast) -> str:
    return f"Gain over random images against loss to all, whatever the labels: {name} = {signed(found.value, DIGITS)}."


def _beside_random(found: Contrast) -> str:
    side = "better" if found.value >= 0 else "worse"
    return (
        f"With and without augmentation the set is {_points(found.value)} {side} than random real images on "
        f"average{_doubt(found)}."
    )


def headline(results: Results) -> str:
    """The scores in a sentence, or what is still missing."""
    known = {one.name: one for one in measures(results)}
    if not known and all(group.done for group in results.groups.values()):
        return "Nothing can be said: too many networks diverged."
    if not known:
        return "Nothing is known yet: some networks are still to be trained."
    texts = []
    for one in known.values():
        ends = interval_text(one.found)
        texts.append(f"{one.name} {decimal(one.found.value, DIGITS)}{f' ({ends})' if ends else ''}")
    missing = [name for name in ("HLR", "IOR", "LRS", "ARS") if name not in known]
    left = f"; not known yet: {', '.join(missing)}" if missing else ""
    return f"{', '.join(texts)}; values with 95 % intervals{left}."
