"""What a score is shown as: tables, every network as a point, the set, one page, and its record; written into its folder."""

from functools import partial
from pathlib import Path

from condense.files import write_atomically
from condense.report.experiment import Configuration, Picture, Piece, Report, Section, provenance, write_experiment
from condense.report.figures import legend_above, name_rows, percent_ends, strip
from condense.report.html import Figure
from condense.report.images import image_grid
from condense.report.numbers import percent, percent_of
from condense.report.sheet import Format, encoded, sheet, ticks
from condense.studies.score.materials import kept, kept_path
from condense.studies.score.results import Results, record_of
from condense.studies.score.tables import accuracies_table, headline, measures_table
from condense.study.folder import StudyFolder

RECORD = "score.jsonl"


def write_report(results: Results, folder: StudyFolder) -> Path:
    """Writes everything anew from what is done, and the record once all of it is; returns where the page is."""
    record = record_of(results)
    if record is not None:
        write_atomically(folder.path / RECORD, record.to_json() + "\n")
    asked = results.asked
    report = Report(
        title=f"Score of {asked.set.file}",
        headline=headline(results),
        sections=(
            Section("Measures", (measures_table(results),)),
            Section("Accuracies", (*_strips(results), accuracies_table(results))),
            Section("The set", _set(results, folder)),
            Section("Settings", (Configuration("How networks are trained", _recipes(results)),)),
        ),
        provenance=provenance(results.records),
    )
    return write_experiment(report, folder.path)


def _strips(results: Results) -> tuple[Figure, ...]:
    groups = {group.described: summary for group in results.groups.values() if (summary := group.summary)}
    if not groups:
        return ()
    caption = "Test accuracy of every network as a point, and their means with 95 % intervals."
    said = "; ".join(f"{name} {percent(percent_of(summary))}" for name, summary in groups.items())
    return (Figure("accuracies", caption, partial(strips, results), said),)


def strips(results: Results, format: Format = "png") -> bytes:
    """One strip a group of networks. Needs one that has some."""
    groups = [(group, summary) for group in results.groups.values() if (summary := group.summary)]
    names = [group.described for group, _ in groups]
    with sheet(4.2 + 0.075 * max(map(len, names)), 1.2 + 0.3 * len(groups)) as figure:
        axes = figure.add_subplot(xlabel="test accuracy (%)")
        for place, (group, summary) in enumerate(groups):
            strip(axes, place, [100 * one for one in group.accuracies.values()], percent_ends(summary))
        name_rows(axes, names)
        ticks(axes, 7, min_n_ticks=3)
        legend_above(axes)
        return encoded(figure, format)


def _set(results: Results, folder: StudyFolder) -> tuple[Piece, ...]:
    """Its images, where it is there, and what its records say of it."""
    asked = results.asked
    made = Configuration("How it was made", asked.set.described)
    if not kept_path(folder.path).exists():
        return (made,)
    images = image_grid(kept(folder.path, asked))
    return Picture(asked.set.file, images, f"The images of {asked.set.file}, class by class."), made


def _recipes(results: Results) -> dict[str, object]:
    twins = results.asked.twins
    protocols = dict.fromkeys(vars(twins).values())
    return {str(protocol): results.asked.recipe(protocol).facts() for protocol in protocols}
