"""One self-contained HTML page about a run: the result in a sentence, the images, table, figures, cost and provenance."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from condense.data.naming import shareable, stored_name
from condense.decoding import IDENTITY
from condense.records import Record, needed
from condense.report.cells import Cell, cells
from condense.report.figures import accuracy_strip, loss_curve
from condense.report.html import Figure, png_source, render_template, versions
from condense.report.images import images_by_class, strip
from condense.report.numbers import NONE, decimal, duration, mean_and_std, memory, percent
from condense.report.tables import accuracy_table, own_accuracy
from condense.stage_c.method import Occasion
from condense.stage_c.methods import looks_at_network
from condense.stage_c.schedules import schedule_text
from condense.synthetic_set import Provenance, SyntheticSet


def render_page(title: str, records: Sequence[Record], synthetic_set: SyntheticSet | None = None) -> str:
    """The page as one HTML text that loads nothing from anywhere; equal input gives equal text.

    records: those of the run (learning, evaluations, whole set); synthetic_set: the images to show. Sections without
    content say so. Raises `CondenseError` when a record lacks a key that the page needs.
    """
    found, _ = cells(records)
    groups = images_by_class(synthetic_set) if synthetic_set else []
    return render_template(
        "page.html.jinja",
        title=title,
        headline=headline(found, synthetic_set),
        comparison=_comparison(found, synthetic_set),
        set_line=_set_line(synthetic_set) if synthetic_set else "",
        classes=_classes(groups),
        images_per_class=max((len(images) for _, images in groups), default=0),
        table=accuracy_table(records) if found else None,
        strip=Figure("strip", "", partial(accuracy_strip, records), _strip_alt(found)) if found else None,
        losses=[_loss(record, index) for index, record in enumerate(records) if record.losses],
        costs=[_cost(record) for record in records],
        total=duration(sum(record.wall_seconds for record in records)),
        remarks=[f"{_what(record)}: {note}" for record in records if record.task == "learn" for note in record.notes],
        configurations=_configurations(records, synthetic_set),
        provenance=_provenance(records, synthetic_set),
    )


def headline(found: Sequence[Cell], synthetic_set: SyntheticSet | None) -> str:
    """The main result in one sentence.

    That is the accuracy of the network the set was learned with, under the protocol 'published' where both exist; of the
    shown set where there is one.
    """
    if not found:
        return "Nothing has been evaluated yet."
    cell = _main(found, synthetic_set)
    article = "An" if cell.trained_with[:1].lower() in "aeiou" or cell.trained_with.startswith("MLP") else "A"
    if not cell.networks:
        trained = f"{article} {cell.trained_with} trained from scratch on {_trained_on(cell, synthetic_set)}"
        return f"{trained} learns nothing: training diverged ({cell.size} networks)."
    mean, std = decimal(100 * cell.summary.mean), decimal(100 * cell.summary.std)
    images = f"the {cell.test_images:,} test images" if cell.test_images else "the test images"
    spread = f", standard deviation {std}" if cell.summary.n > 1 else ""
    return (
        f"{article} {cell.trained_with} trained from scratch on {_trained_on(cell, synthetic_set)} classifies "
        f"{percent(mean)} of {images} correctly ({_networks(cell)}{spread})."
    )


def _comparison(found: Sequence[Cell], synthetic_set: SyntheticSet | None) -> str:
    """What the main result is to be seen against: the published number and the same network trained on all real images."""
    if not found:
        return ""
    cell = _main(found, synthetic_set)
    sentences = []
    if cell.published and cell.difference is not None:
        sentences.append(
            f"{cell.published.kind.capitalize()}: {percent(mean_and_std(cell.published.mean, cell.published.std))}."
        )
    upper = [other for other in found if other is not cell and _is_upper_bound(other, cell)]
    if upper:
        sentences.append(f"Trained on all real images, the same network reaches {percent(own_accuracy(upper[0]))}.")
    return " ".join(sentences)


def _main(found: Sequence[Cell], synthetic_set: SyntheticSet | None) -> Cell:
    """The cell the page is about."""

    def rank(cell: Cell) -> tuple[bool, ...]:
        return (
            cell.images_per_class is None,
            synthetic_set is not None and synthetic_set.sha256 not in cell.groups,
            cell.protocol != "published",
            cell.trained_with != cell.learned_with,
        )

    return min(found, key=rank)


def _trained_on(cell: Cell, synthetic_set: SyntheticSet | None) -> str:
    if cell.images_per_class is None:
        return f"all real images of {cell.images}"
    if synthetic_set is not None and synthetic_set.sha256 in cell.groups:
        return f"{'these' if len(cell.groups) == 1 else 'sets like these'} {len(synthetic_set.images):,} images"
    return f"{cell.number} image{'s' if cell.number != '1' else ''} per class of {cell.images}"


def _networks(cell: Cell) -> str:
    count = f"{cell.summary.n} networks" if cell.summary.n > 1 else "one network"
    on = f" on {len(cell.accuracies)} sets" if len(cell.accuracies) > 1 else ""
    return f"{count}{on}{f', {cell.lost} more diverged' if cell.lost else ''}"


def _is_upper_bound(other: Cell, cell: Cell) -> bool:
    """Whether a cell is of the same network on all the real images that a set was made from, or of which it was a part."""
    same = (other.dataset, other.trained_with) == (cell.dataset, cell.trained_with) and bool(other.networks)
    images = ["test_fingerprint", *(["dataset_fingerprint"] if cell.subset is None else [])]
    alike = all(other.settings.get(name) == cell.settings.get(name) for name in images)
    return other.images_per_class is None and same and alike


def _set_line(synthetic_set: SyntheticSet) -> str:
    facts = synthetic_set.provenance
    labels = " with soft labels" if synthetic_set.soft else ""
    each = f"up to {facts.images_per_class}" if synthetic_set.unequal else f"{facts.images_per_class}"
    whole = synthetic_set.decoder == IDENTITY
    shown = "every pixel as stored" if whole else f"shown as networks see them: {synthetic_set.decoder}, decoded"
    back = "denormalised" if synthetic_set.preprocessing is None else "with the whitening undone"
    return (
        f"{len(synthetic_set.images):,} images{labels}, {each} for each of the {len(facts.class_names)} "
        f"classes of {facts.dataset}, {shown} ({back}, clipped to the displayable range)."
    )


def _classes(groups: Sequence[tuple[str, np.ndarray]]) -> list[dict[str, str]]:
    """Name, picture and description of every class."""
    return [
        {
            "name": name,
            "source": png_source(strip(images)),
            "alt": f"{len(images)} synthetic image{'s' if len(images) > 1 else ''} of class {name}",
        }
        for name, images in groups
        if len(images)
    ]


def _strip_alt(found: Sequence[Cell]) -> str:
    rows = [f"{cell.trained_with} ({cell.method}, {cell.protocol}) {own_accuracy(cell)}" for cell in found]
    return f"Accuracy in percent of each network as a point. {'; '.join(rows)}."


def _loss(record: Record, index: int) -> Figure:
    first, last = record.losses[0], record.losses[-1]
    alt = f"Matching loss of {len(record.losses)} iterations, from {first:.3g} to {last:.3g}."
    return Figure(f"loss{index}", _what(record), partial(loss_curve, record.losses), alt)


def _what(record: Record) -> str:
    """What a record is about, in a few words."""
    network = needed(record, "network")
    if record.task == "learn":
        of = f"{stored_name(needed(record, 'dataset'))}, {needed(record, 'ipc')} per class{_seed(record.config)}"
        return f"learning with {network}: {of}"
    if record.task == "whole":
        return f"training {network} on the whole set {needed(record, 'dataset')}"
    size, dataset = needed(record, "set", "images_per_class"), needed(record, "set", "dataset")
    number = f"up to {size}" if "counts" in record.config["set"] else f"{size}"
    of_set = f"{needed(record, 'set', 'method')} set of {dataset}, {number} per class{_seed(record.config['set'])}"
    return f"training {network} on the {of_set}, protocol {needed(record, 'protocol')}"


def _seed(config: dict[str, Any]) -> str:
    return f", seed {config['seed']}" if "seed" in config else ""


def _cost(record: Record) -> tuple[str, ...]:
    networks = str(len(record.seeds)) if record.seeds else ""
    time, peak = duration(record.wall_seconds), record.peak_memory_bytes
    if record.warm_up_seconds >= 1:
        time += f" after {duration(record.warm_up_seconds)} of warm-up"
    return (_what(record), networks, time, NONE if peak is None else memory(peak), record.device, str(record.threads))


def _configurations(records: Sequence[Record], synthetic_set: SyntheticSet | None) -> list[tuple[str, dict[str, Any]]]:
    """(summary, values) of every configuration."""
    named = [(_what(record), shareable(record.config)) for record in records]
    if synthetic_set is not None:
        named.insert(0, ("stored with the synthetic set", shareable(synthetic_set.provenance.config)))
    return named


def _provenance(records: Sequence[Record], synthetic_set: SyntheticSet | None) -> list[tuple[str, str]]:
    """(name, value) of what identifies set, data and code."""
    facts: list[tuple[str, str]] = []
    if synthetic_set is not None:
        p = synthetic_set.provenance
        facts += [
            ("set, SHA-256", synthetic_set.sha256),
            *_form(synthetic_set),
            ("data set", p.dataset),
            ("fingerprint of the real images", p.dataset_fingerprint),
            ("made by", _made_by(p)),
            ("made on", f"{p.device}, {p.precision}"),
            ("made with", versions(p.code_version, p.library_versions)),
            ("normalisation", f"mean {_numbers(p.mean)}, standard deviation {_numbers(p.std)}"),
        ]
    codes = dict.fromkeys(versions(record.code_version, record.library_versions) for record in records)
    facts += [("records written with", code) for code in codes]
    facts += [("first started", min(record.started_at for record in records))] if records else []
    return facts


def _form(synthetic_set: SyntheticSet) -> list[tuple[str, str]]:
    """What is not as in most sets: labels, numbers of images, how they are stored, a rate that was learned with them."""
    stored = [
        *([] if synthetic_set.decoder == IDENTITY else [str(synthetic_set.decoder)]),
        *([] if synthetic_set.preprocessing is None else [f"whitened ({synthetic_set.preprocessing})"]),
    ]
    return [
        *([("labels", "soft")] if synthetic_set.soft else []),
        *([("images of the classes", ", ".join(map(str, synthetic_set.counts)))] if synthetic_set.unequal else []),
        *([("images stored as", ", ".join(stored))] if stored else []),
        *([] if synthetic_set.learning_rate is None else [("learned rate", f"{synthetic_set.learning_rate:.4g}")]),
    ]


def _made_by(facts: Provenance) -> str:
    if not looks_at_network(facts.method):
        return f"{facts.method}, seed {facts.seed}"
    schedule = schedule_text(facts.config, Occasion(facts.dataset, facts.images_per_class, facts.network))
    iterations = f", {facts.iterations:,} iterations" if facts.iterations else ""
    return f"{facts.method} with {facts.network}, schedule {schedule}{iterations}, seed {facts.seed}"


def _numbers(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.4g}" for value in values)
