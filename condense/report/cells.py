"""Cells: the records of finished evaluations, grouped into what one row of a table or one strip of a figure shows."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from condense.provenance import IMPORTED
from condense.records import AT_CHANCE, Record, needed
from condense.report.numbers import NONE
from condense.report.published import WHOLE_SET, Published, published_accuracy
from condense.report.settings import common_recipe, configurations, known_data, learning_settings, recipe_text, texts
from condense.stage_c.methods import looks_at_network
from condense.stage_c.schedules import SCHEDULES
from condense.stage_t.protocols import PROTOCOLS
from condense.statistics import Summary, summarise_sets

_DATASETS = ("mnist", "fashion-mnist", "svhn", "cifar10", "cifar100", "digits")
_NETWORKS = ("MLP", "ConvNet", "LeNet", "AlexNet", "VGG11", "VGG11BN", "ResNet18", "ResNet18BN_AP")
# What may differ between the records of one cell: which set, which networks, and what the cell states itself.
_NOT_A_SETTING = {"path", "execution", "set", "dataset", "network", "protocol", "seed", "seeds", "test_images"}
_SHOWN = {"schedule", "iterations", "init", "distance", "precision", "dataset_fingerprint"}


@dataclass(frozen=True, eq=False)
class Cell:
    """Accuracies of one setting.

    images_per_class and learned_with are None for the whole set; learned_with also for selected images.
    settings: everything else that was set, by name, as text; by_schedule: those of them that a schedule gives; groups:
    {sha256 of the set: {seed: accuracy}}, one group for the whole set; diverged: likewise the seeds whose training diverged,
    which are in no group; set_seeds: the seed each set was made with; test_images: how many images the accuracies are of,
    None where the records do not say.
    subset: how many images of the data set were used, None for all; soft: whether the labels are; unequal: whether
    images_per_class is that of the largest class only; form: how the images are stored (decoder, preprocessing), where that
    is not as they are, normalised; comparable: whether it is the published method on the published images, as far as
    published numbers go; trained_by: the recipe in words; at_chance: of each record.
    """

    dataset: str
    images_per_class: int | None
    method: str
    learned_with: str | None
    trained_with: str
    protocol: str
    settings: dict[str, str]
    test_images: int | None = None
    groups: dict[str, dict[int, float]] = field(default_factory=dict)
    diverged: dict[str, set[int]] = field(default_factory=dict)
    set_seeds: dict[str, int] = field(default_factory=dict)
    by_schedule: frozenset[str] = frozenset()
    subset: int | None = None
    soft: bool = False
    unequal: bool = False
    form: tuple[str, ...] = ()
    comparable: bool = False
    trained_by: str = ""
    at_chance: list[bool] = field(default_factory=list)

    @property
    def images(self) -> str:
        """The real images: the data set, or how many of its images."""
        return self.dataset if self.subset is None else f"{self.dataset} ({self.subset:,} images of it)"

    @property
    def fixed(self) -> tuple[str, ...]:
        """What every row states, as text: data set, images per class, method, learned with, trained with, protocol."""
        method = ", ".join([self.method, *(["soft labels"] if self.soft else []), *self.form])
        return (self.images, self.number or NONE, method, self.learned_with or NONE, self.trained_with, self.protocol)

    @property
    def number(self) -> str:
        """Images per class as text: '10', 'up to 10 (unequal)'; nothing for the whole set."""
        if self.images_per_class is None:
            return ""
        return f"up to {self.images_per_class} (unequal)" if self.unequal else str(self.images_per_class)

    @property
    def accuracies(self) -> list[list[float]]:
        """Accuracies (fractions) of the networks, one list for each set; without those that diverged."""
        return [list(group.values()) for group in self.groups.values() if group]

    @property
    def networks(self) -> list[float]:
        """Accuracies (fractions) of all networks, whatever their set; without those that diverged."""
        return [accuracy for group in self.accuracies for accuracy in group]

    @property
    def lost(self) -> int:
        """How many networks diverged."""
        return sum(map(len, self.diverged.values()))

    @cached_property
    def summary(self) -> Summary:
        """Statistics over all networks; their interval is over sets and networks where there are several sets, and there is
        none where some of these come from one seed. Raises `CondenseError` when all networks diverged.
        """
        found = summarise_sets(list(self.groups.values()))
        return replace(found, low=None, high=None, half=None) if self.seeds_of_several_sets else found

    @property
    def seeds_of_several_sets(self) -> dict[int, int]:
        """Seeds that more than one of the sets was made with, and how many those are."""
        return {seed: count for seed, count in sorted(Counter(self.set_seeds.values()).items()) if count > 1}

    @property
    def size(self) -> str:
        """What n is: '20' networks, '3 × 20' for sets x networks, '35 (2 sets)' where the sets have unequal numbers; with
        how many more diverged: '17 (3 diverged)'.
        """
        counts = [len(group) for group in self.accuracies]
        sets = f"{len(counts)} sets" if len(counts) > 1 and len(set(counts)) > 1 else ""
        count = f"{len(counts)} × {counts[0]}" if len(counts) > 1 and not sets else str(sum(counts))
        more = ", ".join(filter(None, (sets, f"{self.lost} diverged" if self.lost else "")))
        return f"{count} ({more})" if more else count

    @property
    def published(self) -> Published | None:
        """The published accuracy of this cell, under its own protocol or another; None where none is sourced, or the cell is
        of other images or settings than the published ones.
        """
        setting = (self.dataset, self.method, self.images_per_class, self.learned_with, self.trained_with, self.protocol)
        return published_accuracy(*setting) if self.comparable else None

    @property
    def difference(self) -> float | None:
        """Own minus published mean in percentage points; None where that was obtained under another protocol."""
        published = self.published
        if not published or published.protocol != self.protocol or not self.networks:
            return None
        return 100 * self.summary.mean - published.mean


def cells(records: Iterable[Record]) -> tuple[list[Cell], list[str]]:
    """The cells of all evaluations, sorted, and notes on what was repeated or remarked in the records.

    Records of the same setting on different sets become one cell; the setting is all of the configuration that a set was
    made by but its seed, from the record of the evaluation or that of learning the set, where it is among the records.
    Where the same network (set and seed) was recorded twice for a cell, the last record counts. Raises `CondenseError` for a
    record that lacks a needed key.
    """
    records = list(records)
    known = configurations(records)
    found: dict[str, Cell] = {}
    repeated, remarks = 0, list[str]()
    for record in records:
        if record.task not in ("evaluate", "whole"):
            continue
        cell, group = _cell(record, known)
        cell = found.setdefault(json.dumps([cell.fixed, cell.settings], sort_keys=True), cell)
        repeated += _add(cell, group, record)
        remarks += [f"{cell.trained_with} on {cell.dataset} ({cell.method}): {note}" for note in record.notes]
    if repeated:
        remarks.append(f"Recorded more than once, the last record counts: {repeated} networks (same set, same seed).")
    ordered = sorted(found.values(), key=_order)
    return ordered, list(dict.fromkeys([*remarks, *filter(None, map(_same_seeds, ordered))]))


def _add(cell: Cell, group: str, record: Record) -> int:
    """Adds the networks of a record to a cell; returns how many were in it before."""
    networks, lost = cell.groups.setdefault(group, {}), cell.diverged.setdefault(group, set())
    repeated = len((networks.keys() | lost) & set(record.seeds))
    for seed, accuracy in zip(record.seeds, record.accuracies, strict=True):
        networks.pop(seed, None)
        lost.discard(seed)
        if seed in record.diverged:
            lost.add(seed)
        else:
            networks[seed] = accuracy
    if record.task == "evaluate" and "seed" in record.config["set"]:
        cell.set_seeds[group] = record.config["set"]["seed"]
    cell.at_chance.append(AT_CHANCE in record.notes)
    return repeated


def protocol_notes(found: Iterable[Cell]) -> list[str]:
    """A sentence on each protocol of cells of sets: a built-in one's own, of others the recipes that came of them, and of
    what networks and images where these are several.
    """
    of: dict[tuple[str, str], list[str]] = {}
    for cell in found:
        if cell.images_per_class is not None:
            text = PROTOCOLS.get(cell.protocol, cell.trained_by)
            of.setdefault((cell.protocol, text), []).append(f"{cell.trained_with} on {cell.dataset}")
    recipes = Counter(name for name, _ in of)
    whose = {key: f" ({', '.join(dict.fromkeys(who))})" if recipes[key[0]] > 1 else "" for key, who in of.items()}
    return [f"Protocol '{name}'{whose[name, text]}: {text}." for name, text in of if text]


def _same_seeds(cell: Cell) -> str:
    """A sentence on sets of a cell that come from one seed; nothing where each has its own."""
    several = [f"{count} of seed {seed}" for seed, count in cell.seeds_of_several_sets.items()]
    if not several:
        return ""
    what = f"{cell.trained_with} on {cell.images} ({cell.method})"
    return f"{what}: several sets have one seed ({', '.join(several)}), so they are no independent draws: no interval."


def distinguishing_settings(found: Sequence[Cell]) -> list[str]:
    """Names of the settings in which cells differ that otherwise look the same; those that a schedule gives only where the
    others do not tell the cells apart.
    """
    names = dict.fromkeys(name for cell in found for name in cell.settings)
    by_schedule = frozenset[str]().union(*(cell.by_schedule for cell in found))
    chosen = _telling(found, [name for name in names if name not in by_schedule], [])
    return [*chosen, *_telling(found, [name for name in names if name in by_schedule], chosen)]


def _telling(found: Sequence[Cell], names: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Those of the names in whose values cells differ that are alike in all that is shown."""

    def look(cell: Cell) -> tuple[Any, ...]:
        return cell.fixed, *(cell.settings.get(name) for name in shown)

    alike = Counter(map(look, found))
    twins = [cell for cell in found if alike[look(cell)] > 1]
    values = {name: {(look(cell), cell.settings.get(name)) for cell in twins} for name in names}
    return [name for name in names if len(values[name]) > len({look(cell) for cell in twins})]


def _cell(record: Record, known: dict[str, dict[str, Any]]) -> tuple[Cell, str]:
    """A cell without accuracies for a record, and the key of the set its networks were trained on."""
    settings, test_images = _settings(record.config), record.config.get("test_images")
    network, protocol = needed(record, "network"), needed(record, "protocol")
    tested = record.config.get("test_fingerprint")
    if record.task == "whole":
        dataset = needed(record, "dataset")
        of_published = known_data(dataset, record.config.get("dataset_fingerprint"), tested)
        cell = Cell(dataset, None, WHOLE_SET, None, network, protocol, settings, test_images, comparable=of_published)
        return cell, WHOLE_SET
    of_set, method, recipe = needed(record, "set"), needed(record, "set", "method"), common_recipe(record.config)
    dataset, ipc = needed(record, "set", "dataset"), needed(record, "set", "images_per_class")
    learned_with = None if not looks_at_network(method) else needed(record, "set", "network")
    sha256 = needed(record, "set", "sha256")
    config = of_set.get("config") or known.get(sha256)  # sets of equal images may come of other settings
    own = learning_settings(of_set, config, learned=learned_with is not None)
    subset = (config or {}).get("train_size")
    soft, unequal = of_set.get("labels") == "soft", "counts" in of_set
    # A setting of training never gives way to one of the set that has the same name.
    learning = {f"{name} of the set" if name in settings else name: text for name, text in texts(own).items()}
    as_published = IMPORTED not in own and (learned_with is None or own.get("schedule", "published") in SCHEDULES)
    cell = Cell(
        dataset=dataset,
        images_per_class=ipc,
        method=method,
        learned_with=learned_with,
        trained_with=network,
        protocol=protocol,
        settings={**settings, **learning},
        test_images=test_images,
        by_schedule=frozenset(learning) - _SHOWN,
        subset=subset,
        soft=soft,
        unequal=unequal,
        form=tuple(of_set[name] for name in ("decoder", "preprocessing") if name in of_set),
        trained_by=recipe_text(recipe) if isinstance(recipe, dict) else "",
        comparable=as_published
        and subset is None
        and not (soft or unequal or "preprocessing" in of_set)
        and known_data(dataset, of_set.get("dataset_fingerprint"), tested),
    )
    return cell, sha256


def _settings(config: dict[str, Any]) -> dict[str, str]:
    """Everything else of a configuration as {name: text}; the entries of the recipe by their own names."""
    rest = {name: value for name, value in config.items() if name not in _NOT_A_SETTING}
    rest.pop("recipe", None)
    recipe = common_recipe(config)
    return texts(rest | (recipe if isinstance(recipe, dict) else {"recipe": recipe}))


def _order(cell: Cell) -> tuple:
    """Data sets and networks as papers list them, then by name; the whole set after the small ones."""

    def place(name: str | None, known: tuple[str, ...]) -> tuple[int, str]:
        return (known.index(name) if name in known else len(known), name or "")

    size = (1, 0) if cell.images_per_class is None else (0, cell.images_per_class)
    networks = (place(cell.learned_with, _NETWORKS), place(cell.trained_with, _NETWORKS))
    data = (*place(cell.dataset, _DATASETS), cell.subset or 0)
    return (
        data,
        size,
        cell.method,
        cell.soft,
        cell.unequal,
        cell.form,
        *networks,
        cell.protocol,
        sorted(cell.settings.items()),
    )
