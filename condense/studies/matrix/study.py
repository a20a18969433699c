"""The study: what was asked for of a matrix, its cells, and what is reported of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter, ValidationError

from condense.checking import as_dict, several, verified
from condense.config import LearnConfig, MatrixConfig
from condense.data.naming import stored_name
from condense.errors import CondenseError, quoted, shortened
from condense.networks.registry import build
from condense.report.matrix import matrix_tables
from condense.report.rendering import Table
from condense.stage_c.learn import check, check_storable
from condense.stage_c.methods import looks_at_network
from condense.stage_t.own_protocols import check_names
from condense.stage_t.protocols import Protocol
from condense.studies.matrix.cells import MatrixCell, NetworksCell, SetCell
from condense.studies.matrix.description import description_of, request
from condense.studies.matrix.images import ImageFacts, Images
from condense.studies.matrix.plan import plan_of
from condense.studies.matrix.probe import probed_paces
from condense.studies.matrix.report import write_report
from condense.studies.matrix.results import check_results, lost_sets, matrices, recorded_networks
from condense.study.folder import StudyFolder
from condense.study.machine import Machine
from condense.study.study import Study

_FACTS = TypeAdapter(dict[str, ImageFacts])
_COUNTS = TypeAdapter(dict[str, int])


@dataclass(frozen=True)
class Matrix(Study):
    """Requests in the order they were made, so that the keys of their cells never change.

    images: facts of each data set by its stored name; recorded: how many networks a cell had in a folder of version 0.1
    when it was first continued, by its key.
    """

    kind: ClassVar[str] = "matrix"
    title: ClassVar[str] = "sets learned with some networks, each used to train others"

    requests: tuple[MatrixConfig, ...]
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    recorded: Mapping[str, int] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Facts of images and requests."""
        recorded = {"recorded": dict(self.recorded)} if self.recorded else {}
        images = {name: asdict(facts) for name, facts in self.images.items()}
        return {"images": images, **recorded, "requests": [as_dict(one) for one in self.requests]}

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str) -> Self:
        """The study with this content."""
        if unknown := sorted(content.keys() - {"images", "recorded", "requests"}):
            raise CondenseError(f"{where}: nothing is called {quoted(unknown[0])} there.")
        requests = content.get("requests")
        if not (isinstance(requests, list) and requests):
            raise CondenseError(f"{where}: it has no requests.")
        try:
            images = _FACTS.validate_python(content.get("images"))
            recorded = _COUNTS.validate_python(content.get("recorded", {}), strict=True)
        except ValidationError as error:
            raise CondenseError(f"{where}: {shortened(error.errors()[0]['msg'], 200)}.") from error
        found = cls(tuple(request(one, where) for one in requests), images, recorded)
        if lacking := [name for name in found.datasets if name not in images]:
            raise CondenseError(f"{where}: it says nothing of the images {quoted(lacking[0])}.")
        return found

    @property
    def datasets(self) -> list[str]:
        """Their stored names, in the order they were asked for."""
        return list(dict.fromkeys(stored_name(name) for one in self.requests for name in one.dataset))

    def joined(self, before: Self, where: str) -> Self:
        """What was asked for before, and what is asked for now where that is something else."""
        now = tuple(_named_as_before(one, before.requests) for one in self.requests)
        for earlier, one in product(before.requests, now):
            _check_same_settings(earlier, one, where)
        try:
            check_names([protocol for one in (*before.requests, *now) for protocol in one.protocol])
        except CondenseError as error:
            raise CondenseError(f"{where}: {error}") from error
        images = {**self.images, **before.images}
        for name, facts in before.images.items():
            if facts.shape is None and name in self.images:  # version 0.1 stated no sizes
                images[name] = replace(self.images[name], training=facts.training, test=facts.test)
        more = tuple(one for one in now if one not in before.requests)
        return replace(before, requests=(*before.requests, *more), images=images)

    @classmethod
    def earlier(cls, path: Path) -> Self | None:
        """What `matrix.json` says, with how many networks the files of its cells hold."""
        found = description_of(path)
        if found is None:
            return None
        study = cls(*found)
        return replace(study, recorded=recorded_networks(study.cells(), StudyFolder(path)))

    def outdated(self, folder: StudyFolder) -> frozenset[str]:
        """Sets that have a record and are not there, as version 0.1 wrote the record first."""
        return lost_sets(self.cells(), folder)

    def cells(self) -> Sequence[MatrixCell]:
        """All sets, then all networks on them."""
        return self._cells

    @cached_property
    def _cells(self) -> list[MatrixCell]:
        sets: dict[SetCell, None] = {}
        networks: list[NetworksCell] = []
        covered: dict[tuple[SetCell, str, str], int] = {}
        for one in self.requests:
            made = self.sets(one)
            sets |= dict.fromkeys(made)
            for of, protocol, trained in product(made, dict.fromkeys(one.protocol), dict.fromkeys(one.train)):
                place = of, trained, str(protocol)
                more = self._networks(of, trained, protocol, covered.get(place, 0), one)
                networks += more
                covered[place] = more[-1].seeds.stop if more else covered[place]
        return [*sets, *networks]

    def _networks(
        self, of: SetCell, trained: str, protocol: str | Protocol, covered: int, one: MatrixConfig
    ) -> list[NetworksCell]:
        """The cells of the networks that a request adds to those with seeds below `covered`."""
        first = NetworksCell(of, trained, protocol, range(one.seeds))
        there = 0 if covered else self.recorded.get(first.key, 0)
        before = [replace(first, seeds=range(there))] if there else []
        start = max(covered, there)
        size = one.seeds_per_cell or one.seeds
        parts = [range(low, min(low + size, one.seeds)) for low in range(start, one.seeds, size)]
        return before + [replace(first, seeds=part, first=part == first.seeds) for part in parts]

    def sets(self, one: MatrixConfig) -> list[SetCell]:
        """All sets of a request: of each data set, number of images per class and method, schedule by schedule and row by
        row.
        """
        found: list[SetCell] = []
        for dataset, ipc, method in _matrices(one):
            learn = tuple(dict.fromkeys(one.learn))
            networks, seeds = learn if looks_at_network(method) else learn[:1], range(one.seed, one.seed + one.sets)
            making, facts = one.making(dataset, ipc, method), self.images[stored_name(dataset)]
            for schedule, network, seed in product(dict.fromkeys(one.schedule), networks, seeds):
                config = LearnConfig(**making, network=network, schedule=schedule, seed=seed)
                found.append(SetCell(config, facts, self._front(dataset, ipc)))
        return found

    def _front(self, dataset: str, ipc: int) -> tuple[str, ...]:
        """What names of sets begin with: data set and images per class, so far as they are not the first of all."""
        first = self.requests[0]
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", stored_name(dataset)).strip("-.") or "images"
        of_data = [] if stored_name(dataset) == stored_name(first.dataset[0]) else [name]
        return (*of_data, *([] if ipc == first.ipc[0] else [f"ipc{ipc}"]))

    def materials(self, machine: Machine, folder: StudyFolder) -> Images:
        """The real images, read when they are needed."""
        return Images(machine, self.images, shortened(folder.path))

    def check(self, materials: Images, folder: StudyFolder, asked: Self) -> None:
        """Raises `CondenseError` where other images are there than before, a network cannot take them, a set cannot be
        learned from them, or what is in the folder is damaged.
        """
        for wanted in asked.requests:
            for dataset in wanted.dataset:
                data = materials.of(dataset)
                for network in dict.fromkeys((*wanted.learn, *wanted.train)):
                    build(network, data.train.shape, data.train.classes)
        sets = [one for wanted in asked.requests for one in self.sets(wanted)]
        for one in sets:
            check(one.config, one.images_of(materials).train)
        for one in {(one.config.dataset, one.config.ipc): one for one in sets}.values():
            check_storable(one.config.resolved(), materials.of(one.config.dataset).train)
        keys = [cell.key for cell in self.cells()]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise CondenseError(f"Two cells of the matrix are called {quoted(min(twice))}: rename a protocol.")
        check_results(self.cells(), folder)

    def paces(self, cells: Sequence[MatrixCell], materials: Images) -> dict[str, float]:
        """By a moment of training and testing each network on images of each kind of which something is missing."""
        return probed_paces(cells, self.cells(), materials)

    def plan(self, folder: StudyFolder, materials: Images, seconds: Mapping[str, float]) -> Table:
        """One row a set: the learning of it, then the networks on it."""
        return plan_of(self.datasets, self.cells(), folder, seconds)

    def report(self, folder: StudyFolder) -> Path:
        """Tables, heat maps, every network as a point, the images of the sets."""
        return write_report(self.cells(), folder)

    def tables(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> list[Table]:
        """Those of every data set, number of images per class, method, schedule and protocol."""
        return matrix_tables(matrices(self.cells(), folder), published=published, bold_best=bold_best)

    def data_table(self, folder: StudyFolder, *, published: bool = False, bold_best: bool = False) -> Table:
        """The accuracies of all."""
        tables = self.tables(folder, published=published, bold_best=bold_best)
        of_cells = [table for table in tables if table.title.startswith("Test accuracy")]
        return replace(of_cells[0], data=tuple(row for table in of_cells for row in table.data))


def asked_for(config: MatrixConfig, machine: Machine) -> Matrix:
    """What a command asks for. Raises `CondenseError` where protocols or data sets cannot be told apart."""
    config = replace(verified(config), dataset=several(config.dataset))
    check_names(config.protocol)
    names = [stored_name(name) for name in config.dataset]
    if twice := [name for name in names if len({d for d in config.dataset if stored_name(d) == name}) > 1]:
        raise CondenseError(f"Two data sets are called {quoted(twice[0])}, as results name them: rename one.")
    images = {name: ImageFacts.of(machine.load(name)) for name in names}
    return Matrix((replace(config, dataset=tuple(names)),), images)


def _matrices(one: MatrixConfig) -> list[tuple[str, int, str]]:
    """(Data set, images per class, method) of a request, each once."""
    return list(dict.fromkeys(product(one.dataset, one.ipc, one.method)))


def _named_as_before(config: MatrixConfig, before: Sequence[MatrixConfig]) -> MatrixConfig:
    """The same with its data sets as they were stated before, where they are the same; whole paths in earlier versions."""
    known = {stored_name(name): name for one in reversed(before) for name in one.dataset}
    return replace(config, dataset=tuple(known.get(stored_name(name), name) for name in config.dataset))


def _check_same_settings(there: MatrixConfig, now: MatrixConfig, where: str) -> None:
    """Raises `CondenseError` where sets of one data set, one number of images per class and one method differ otherwise."""
    for shared in _matrices(there):
        if shared not in _matrices(now):
            continue
        before, after = there.making(*shared), now.making(*shared)
        if changed := [name for name in {**before, **after} if before.get(name) != after.get(name)]:
            texts = (f"{name}: {quoted(before.get(name))} there, {quoted(after.get(name))} now" for name in changed)
            raise CondenseError(f"{where} holds a matrix with other settings ({'; '.join(texts)}). Choose another --out.")
