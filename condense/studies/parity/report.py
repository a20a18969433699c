"""What a parity run is shown as: tables, figures and one page, written into its folder."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from condense.records import Record
from condense.report.experiment import Configuration, Picture, Report, Section, provenance, write_experiment
from condense.report.html import Figure
from condense.report.rendering import Table
from condense.studies.parity.cells import RUNS, dump
from condense.studies.parity.figures import difference_lines, effects, losses
from condense.studies.parity.parts import FAIL, NOT_RUN, PASS, Part, names_of
from condense.studies.parity.tables import (
    accuracy_table,
    cause_table,
    claims_table,
    parts_table,
    printed_table,
)
from condense.studies.parity.trajectory import load_trajectory

TITLES = {"simplenn": "PyTorch against simpleNN", "keras": "PyTorch against Keras"}
_LOSSES = "Loss of each step's batch, smoothed over a hundredth of the run. Runs that agree lie on each other."
_DIFFERENCES = "Largest relative difference of the loss up to each step, and the rounding floors."
_EFFECTS = "Each cause's effect on the test loss: every seed as a point, mean and standard error."


def overall(records: Sequence[Record]) -> str:
    """FAIL if a part failed, else PASS if one passed, else NOT RUN."""
    found = {record.results["status"] for record in records if record.task == "part"}
    return next((status for status in (FAIL, PASS) if status in found), NOT_RUN)


def headline(records: Sequence[Record], missing: Sequence[str] = ()) -> str:
    """The verdict in a sentence or two; missing: titles of comparisons without one."""
    parts = [record for record in records if record.task == "part"]
    not_judged = _not_judged(missing) if missing else ""
    if not parts:
        return not_judged or f"Causes only: {len(records)} measured; the programs were not compared step by step."
    named = {status: [record for record in parts if record.results["status"] == status] for status in (FAIL, PASS, NOT_RUN)}
    counts = ", ".join(f"{len(found)} {status}" for status, found in named.items() if found)
    sentences = [f"{overall(records)}: {counts}."]
    sentences += [f"{record.results['title']}: {record.results['sentence']}" for record in named[FAIL]]
    sentences += [f"Not run: {record.results['title']}, {record.results['sentence']}" for record in named[NOT_RUN]]
    return " ".join([*sentences, *([not_judged] if missing else [])])


def tables(records: Sequence[Record], missing: Sequence[str] = ()) -> list[Table]:
    """All tables there are; missing: titles of comparisons without a verdict."""
    parts = parts_table(records)
    if parts and missing:
        parts = replace(parts, notes=(*parts.notes, _not_judged(missing)))
    others = (make(records) for make in (cause_table, accuracy_table, printed_table, claims_table))
    return [table for table in (parts, *others) if table]


def write_report(
    folder: Path,
    settings: dict[str, Any],
    records: Sequence[Record],
    parts: Sequence[Part],
    missing: Sequence[str],
    costs: Sequence[Record],
) -> Path:
    """Writes tables.md, the figures and page.html anew; returns where the page is.

    settings: as records have them; records: of verdicts and causes; parts: those that have a verdict; missing: titles of
    those that have none; costs: all records that state what they took.
    """
    programs = dict.fromkeys(name for record in records for name in record.results.get("programs", []))
    report = Report(
        title=f"{TITLES[settings['framework']]}, {settings['dataset']}",
        headline=headline(records, missing),
        sections=(
            Section("Side by side", tuple(_pictures(folder, records, parts))),
            Section("Tables", tuple(tables(records, missing))),
            Section("Configuration", tuple(_configurations(settings, records))),
        ),
        provenance=(*(("program", name) for name in programs), *provenance(costs)),
    )
    return write_experiment(report, folder)


def _not_judged(titles: Sequence[str]) -> str:
    return f"Not judged yet, or only on runs that have changed since: {'; '.join(titles)}."


def _pictures(folder: Path, records: Sequence[Record], parts: Sequence[Part]) -> list[Figure | Picture]:
    """The losses and differences of parts whose runs are there, the effects of causes that were measured.

    Where the runs are not, as in folders that were passed on without them, the figures that were drawn of them stay.
    """
    files = {part: {name: dump(folder / RUNS, name) for name in names_of(part)} for part in parts if not part.reason}
    ready = [part for part, of_part in files.items() if all(file.exists() for file in of_part.values())]
    names = {name: files[part][name] for part in ready for name in files[part]}
    sides = {name: load_trajectory(file) for name, file in sorted(names.items())}
    main = [name for part in ready for name in (part.reference, part.run) if not {"regression", "norm"} & {*name.split("-")}]
    found = list[Figure | Picture]()
    if ready:
        found.append(Figure("losses", _LOSSES, partial(losses, sides, list(dict.fromkeys(main))), _LOSSES))
        found.append(Figure("differences", _DIFFERENCES, partial(difference_lines, sides, ready), _DIFFERENCES))
    else:
        drawn = {"losses": _LOSSES, "differences": _DIFFERENCES}
        files_drawn = {name: folder / f"{name}.png" for name in drawn if (folder / f"{name}.png").exists()}
        found += [Picture(name, file.read_bytes(), drawn[name]) for name, file in files_drawn.items()]
    if any(record.task == "cause" for record in records):
        found.append(Figure("effects", _EFFECTS, partial(effects, records), _EFFECTS))
    return found


def _configurations(settings: dict[str, Any], records: Sequence[Record]) -> list[Configuration]:
    """Of the run, and the setting of each cause."""
    causes = [record for record in records if record.task == "cause"]
    of_causes = [Configuration(f"cause {record.results['name']}", record.results["setting"]) for record in causes]
    return [Configuration("all runs", settings), *of_causes]
