"""What a parity run is shown as: tables, figures and one page, written into its folder."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from condense.data.naming import shareable
from condense.report.experiment import Configuration, Report, Section, provenance, write_experiment
from condense.report.html import Figure
from condense.report.rendering import Table
from condense.studies.parity.figures import difference_lines, effects, losses
from condense.studies.parity.folder import ParityFolder
from condense.studies.parity.parts import FAIL, NOT_RUN, PASS, Part, names_of
from condense.studies.parity.records import ParityRecord
from condense.studies.parity.tables import (
    accuracy_table,
    cause_table,
    claims_table,
    parts_table,
    printed_table,
)
from condense.studies.parity.trajectory import load_trajectory

TITLES = {"simplenn": "PyTorch against simpleNN", "keras": "PyTorch against Keras"}


def overall(records: Sequence[ParityRecord]) -> str:
    """FAIL if a part failed, else PASS if one passed, else NOT RUN."""
    found = {record.results["status"] for record in records if record.kind == "part"}
    return next((status for status in (FAIL, PASS) if status in found), NOT_RUN)


def headline(records: Sequence[ParityRecord]) -> str:
    """The verdict in a sentence or two."""
    parts = [record for record in records if record.kind == "part"]
    if not parts:
        return f"Causes only: {len(records)} measured; the programs were not compared step by step."
    named = {status: [record for record in parts if record.results["status"] == status] for status in (FAIL, PASS, NOT_RUN)}
    counts = ", ".join(f"{len(found)} {status}" for status, found in named.items() if found)
    text = f"{overall(records)}: {counts}."
    for record in named[FAIL]:
        text += f" {record.title}: {record.results['sentence']}"
    for record in named[NOT_RUN]:
        text += f" Not run: {record.title}, {record.results['sentence']}"
    return text


def tables(records: Sequence[ParityRecord]) -> list[Table]:
    """All tables there are."""
    makers = (parts_table, cause_table, accuracy_table, printed_table, claims_table)
    return [table for table in (make(records) for make in makers) if table]


def write_report(folder: ParityFolder, records: Sequence[ParityRecord], parts: Sequence[Part]) -> Path:
    """Writes tables.md, the figures and page.html anew; returns where the page is."""
    config = shareable(records[0].config)
    programs = dict.fromkeys(name for record in records for name in record.results.get("programs", []))
    report = Report(
        title=f"{TITLES[config['framework']]}, {config['dataset']}",
        headline=headline(records),
        sections=(
            Section("Side by side", tuple(_figures(folder, records, parts))),
            Section("Tables", tuple(tables(records))),
            Section("Configuration", tuple(_configurations(records))),
        ),
        provenance=(
            *(("program", name) for name in programs),
            *provenance(records, timed="time of causes and comparisons"),
        ),
    )
    return write_experiment(report, folder.path)


def _figures(folder: ParityFolder, records: Sequence[ParityRecord], parts: Sequence[Part]) -> list[Figure]:
    """The losses and differences of parts that were run, the effects of causes that were measured."""
    ready = [part for part in parts if part.run and not part.reason]
    names = {name for part in ready for name in names_of(part)}
    sides = {name: load_trajectory(folder.side(name)) for name in sorted(names)}
    main = [name for part in ready for name in (part.reference, part.run) if not {"regression", "norm"} & {*name.split("-")}]
    shown = list(dict.fromkeys(main))
    found = []
    if ready:
        caption = "Loss of each step's batch, smoothed over a hundredth of the run. Runs that agree lie on each other."
        found.append(Figure("losses", caption, partial(losses, sides, shown), caption))
        caption = "Largest relative difference of the loss up to each step, and the rounding floors."
        found.append(Figure("differences", caption, partial(difference_lines, sides, ready), caption))
    if any(record.kind == "cause" for record in records):
        caption = "Each cause's effect on the test loss: every seed as a point, mean and standard error."
        found.append(Figure("effects", caption, partial(effects, records), caption))
    return found


def _configurations(records: Sequence[ParityRecord]) -> list[Configuration]:
    """Of the run, and the setting of each cause."""
    causes = [record for record in records if record.kind == "cause"]
    of_causes = [Configuration(f"cause {record.name}", record.results["setting"]) for record in causes]
    return [Configuration("all runs", shareable(records[0].config)), *of_causes]
