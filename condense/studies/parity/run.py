"""A parity run from end to end: the sides, the parts, the causes, one after the other; stopped, it goes on where it was."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import torch

from condense.checking import as_dict
from condense.data.images import DataSet
from condense.data.naming import shareable
from condense.errors import CondenseError
from condense.files import taken
from condense.machine import now, reproducible
from condense.studies.parity import keras_process, octave, records
from condense.studies.parity.cause_table import Begins, CauseTable
from condense.studies.parity.causes import chosen_causes
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.folder import ParityFolder, save_arrays
from condense.studies.parity.keras_parts import KerasSides
from condense.studies.parity.nudging import UNITS
from condense.studies.parity.parts import Part, Side, judge, names_of
from condense.studies.parity.preparation import prepared
from condense.studies.parity.records import ParityRecord
from condense.studies.parity.simplenn_parts import OCTAVE, SimplennSides
from condense.studies.parity.trajectory import Trajectory, load_trajectory
from condense.versions import code_version, library_versions

Progress = Callable[[int, int], None]


@reproducible(torch.device("cpu"))
def run_parity(
    config: ParityConfig,
    data: DataSet,
    folder: ParityFolder,
    begins: Begins,
    checkout: Path | None = None,
    *,
    proof: bool = True,
) -> tuple[list[ParityRecord], list[Part]]:
    """Runs what is missing and returns all records and parts; `begins(name)` gives the progress of the next piece of work.

    proof: False leaves out the comparison step by step, and measures causes only.

    Raises `CondenseError` for what cannot be run here (Keras, Octave, a checkout missing) before anything is written.
    """
    config = config.resolved()
    causes = chosen_causes(config.framework or "", config.cause)
    if not proof and not causes:
        raise CondenseError("--causes-only needs --cause NAME or all.")
    if config.framework == "keras" and proof and not keras_process.has_keras():
        raise CondenseError(keras_process.MISSING)
    if checkout is not None:
        if config.framework != "simplenn":
            raise CondenseError("--simplenn belongs to condense parity simplenn; leave it out.")
        octave.check_octave(checkout)
    data = config.subset(data)
    folder.open(config, data.train.former_fingerprint)  # batches depend on the order of the images
    with taken(folder.path):
        found = {(record.kind, record.name): record for record in records.read(folder.records)}
        done = {key: record for key, record in found.items() if _holds(record, folder)}
        parts = _prove(config, data, folder, begins, checkout, done) if proof else []
        table = CauseTable(config, data, folder.causes, begins)
        for cause in causes:
            if ("cause", cause.name) not in done:
                began, start = now(), time.perf_counter()
                results = table.measure(cause)
                record = _record("cause", cause.name, cause.text, config, results, time.perf_counter() - start, began)
                records.append(folder.records, record)
                done["cause", cause.name] = record
        return list(done.values()), parts


def _prove(
    config: ParityConfig,
    data: DataSet,
    folder: ParityFolder,
    begins: Begins,
    checkout: Path | None,
    done: dict[tuple[str, str], ParityRecord],
) -> list[Part]:
    """Runs and judges what is missing of the comparison step by step, adding to `done`; returns its parts."""
    problem = prepared(data, config.preparation or "unit")
    sides = KerasSides(config, problem) if config.framework == "keras" else SimplennSides(config, problem, checkout)
    found = _found_sides(sides.sides(), folder)
    if isinstance(sides, SimplennSides):
        _keep_the_start(sides, found, folder)
    for side in sides.sides():
        if side.name not in found:
            found[side.name] = side.produce(begins(side.label))
            if isinstance(sides, SimplennSides) and side.name == OCTAVE:  # first, so that its runs never lack their start
                save_arrays(folder.octave_start, sides.start_arrays())
            found[side.name].save(folder.side(side.name))
    for part in sides.parts():
        before = done.get(("part", part.name))
        if before is None or (not before.results["judged"] and not part.reason):
            done["part", part.name] = _judged(part, found, config, folder)
    return sides.parts()


def _holds(record: ParityRecord, folder: ParityFolder) -> bool:
    """Whether a verdict was given by the rule of today, on the dumps that are in the folder."""
    if record.results.get("floor_units") != UNITS:
        return False
    judged = {} if record.kind == "cause" else record.results.get("judged")
    return judged is not None and all(folder.digest(name) == digest for name, digest in judged.items())


def _found_sides(sides: Iterable[Side], folder: ParityFolder) -> dict[str, Trajectory]:
    return {side.name: load_trajectory(folder.side(side.name)) for side in sides if folder.side(side.name).exists()}


def _keep_the_start(sides: SimplennSides, found: dict[str, Trajectory], folder: ParityFolder) -> None:
    """Runs from another start than Octave's are of no use once Octave is asked for: its seed draws others."""
    if OCTAVE in found or not sides.checkout:
        sides.use(folder.octave_start)
    if sides.checkout and OCTAVE not in found:
        if found:
            raise CondenseError(f"{folder.path} holds runs from other initial weights than Octave's. Choose another --out.")
        return
    start = sides.hashes()
    for name, run in found.items():
        if any(run.hashes[what] != start[what] for what in ("data", "initial")):
            raise CondenseError(f"{folder.side(name)} started from other weights, batches or data. Choose another --out.")


def _judged(part: Part, found: dict[str, Trajectory], config: ParityConfig, folder: ParityFolder) -> ParityRecord:
    began, start = now(), time.perf_counter()
    results = asdict(judge(part, found)) | {"judged": {}, "floor_units": UNITS}
    if not part.reason:
        results |= {
            "judged": {name: folder.digest(name) for name in names_of(part)},
            "programs": [found[name].program for name in (part.run, part.reference)],
            "hashes": found[part.run].hashes,
        }
    record = _record("part", part.name, part.title, config, results, time.perf_counter() - start, began)
    records.append(folder.records, record)
    return record


def _record(kind, name: str, title: str, config: ParityConfig, results: dict, seconds: float, began: str) -> ParityRecord:
    settings = shareable(as_dict(replace(config, cause=())))
    machine = (torch.get_num_threads(), code_version(), library_versions(), began)
    return ParityRecord(kind, name, title, settings, results, round(seconds, 3), *machine)
