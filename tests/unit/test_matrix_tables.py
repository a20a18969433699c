"""Tables and figures of a cross-architecture matrix, from made-up records."""

import io
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from report_samples import evaluated

from condense.checking import as_dict
from condense.config import LearnConfig
from condense.records import Record, read_records
from condense.report.matrix import Matrix, accuracies, differences, matrix_tables, merged_cells, transfer
from condense.report.matrix_figures import heat_map, strips
from condense.report.matrix_page import _costs, headline
from condense.report.rendering import render
from condense.statistics import spread, summarise_sets

NAMES = ("MLP", "ConvNet", "LeNet")


def matrix(records: list[Record], rows: tuple[str, ...] = NAMES, protocol: str = "published") -> Matrix:
    asked = {(row, column): 1 for row in rows for column in NAMES}
    return Matrix("mnist", 1, "published", protocol, rows, NAMES, asked, merged_cells(records))


def cell(row: str, column: str, values: list[float], sha256: str = "a", protocol: str = "published") -> Record:
    record = evaluated(values, network=column, protocol=protocol, sha256=f"{row}{sha256}")
    record.config["set"]["network"] = row
    return record


@pytest.fixture
def records() -> list[Record]:
    means = {"MLP": (0.7, 0.65, 0.75), "ConvNet": (0.69, 0.9, 0.85), "LeNet": (0.71, 0.88, 0.86)}
    found = [
        cell(row, column, [mean - 0.01, mean + 0.01] * 2)
        for row, line in means.items()
        for column, mean in zip(NAMES, line, strict=True)
    ]
    return [*found[:-1], cell("LeNet", "LeNet", [0.86])]


def test_accuracies_with_published_numbers_and_another_n(records: list[Record]) -> None:
    table = accuracies(matrix(records), published=True, bold_best=True)
    assert table.header == ("learned with ↓, trained with →", *NAMES)
    assert table.rows[0][:2] == ("MLP", "70.0 ± 1.0 (70.5 ± 1.2)")
    assert table.rows[2][3] == "86.0 ± 0.0 (85.0 ± 1.7) [n = 1]"
    assert table.bold == {(2, 1), (1, 2)}, "of the third column one cell has another n"
    assert not accuracies(matrix(records, ("MLP",)), bold_best=True).bold
    assert "n = 4 networks in every cell that does not say otherwise." in table.notes
    assert "**90.0 ± 1.0 (91.7 ± 0.5)**" in render(table, "markdown")
    assert r"\textbf{90.0 $\pm$ 1.0 (91.7 $\pm$ 0.5)}" in render(table, "latex")
    assert "<b>90.0\u00a0±\u00a01.0 (91.7\u00a0±\u00a00.5)</b>" in render(table, "html")
    assert "(" not in accuracies(matrix(records)).rows[0][1]


def test_cells_not_run_are_empty_and_named(records: list[Record]) -> None:
    table = accuracies(matrix(records[:5]), published=True)
    assert table.rows[1][3] == "" and table.rows[2][1:] == ("", "", "")
    assert "Not run (learned with, trained with): ConvNet on LeNet; LeNet on MLP, ConvNet, LeNet." in table.notes
    lines = render(table, "csv").splitlines()
    assert len(lines) == 10 and sum(line.startswith("mnist,1,dc") for line in lines) == 5
    never_asked_for = replace(matrix(records[:8]), asked={})
    assert "Not run (learned with, trained with): LeNet on LeNet." in accuracies(never_asked_for).notes


def test_cells_with_fewer_networks_than_were_asked_for_are_named(records: list[Record]) -> None:
    five_sets = replace(matrix(records), asked={("MLP", "MLP"): 20, ("MLP", "ConvNet"): 4})
    assert five_sets.unfinished == {("MLP", "MLP"): (4, 20)}
    assert "Not complete (networks): MLP on MLP (4 of 20)." in accuracies(five_sets).notes
    assert "1 of 2 cells complete" in headline([replace(five_sets, cells=dict(list(five_sets.cells.items())[:2]))])


def test_a_csv_may_begin_with_a_cell_not_run(records: list[Record]) -> None:
    header, first, *_ = render(accuracies(matrix(records[1:])), "csv").splitlines()
    values = dict(zip(header.split(","), first.split(","), strict=True))
    assert (values["learned_with"], values["trained_with"], values["n"]) == ("MLP", "MLP", "0")


def test_differences_have_the_interval_of_our_mean(records: list[Record]) -> None:
    half = 3.182446 * np.std([0.69, 0.71] * 2, ddof=1) / 2 * 100
    assert differences(matrix(records)).rows[0][1] == f"−0.5 ± {half:.1f}"
    assert differences(matrix(records)).rows[2][3] == "+1.0"  # one network has no interval


def test_no_number_of_another_protocol_stands_in_brackets() -> None:
    of_report = matrix([cell("MLP", "LeNet", [0.7, 0.72], protocol="report")], protocol="report")
    assert of_report.cells["MLP", "LeNet"].published  # the paper's, and the report has none
    table = accuracies(of_report, published=True)
    assert "(" not in table.rows[0][1] and not any(note.startswith("Published:") for note in table.notes)
    in_csv = next(row for row in table.data if row["trained_with"] == "LeNet")
    assert in_csv["published_mean_percent"] is None and in_csv["published_source"] is None


def test_the_report_is_compared_with_under_its_own_protocol() -> None:
    of_report = matrix([cell("LeNet", "MLP", [0.7, 0.72], protocol="report")], protocol="report")
    table = accuracies(of_report, published=True)
    assert table.rows[2][1] == "71.0 ± 1.0 (74.3 ± 0.9)"
    assert any("reproduction report" in note and "Table 3" in note for note in table.notes)


def test_spread_splits_the_deviation(records: list[Record]) -> None:
    two = [*records, cell("MLP", "MLP", [0.79, 0.81] * 2, sha256="b")]
    groups = merged_cells(two)["MLP", "MLP"].accuracies
    between, within = spread(groups)
    assert (between, within) == (pytest.approx(0.05), pytest.approx(0.01))
    assert between**2 + within**2 == pytest.approx(summarise_sets([dict(enumerate(group)) for group in groups]).std ** 2)
    titles = {table.title.partition(":")[0]: table for table in matrix_tables([matrix(two)])}
    assert titles["Spread"].rows[0][1:3] == ("5.0 / 1.0", "– / 1.0")
    assert "[n = 2 × 4]" in titles["Test accuracy"].rows[0][1]


def test_transfer(records: list[Record]) -> None:
    rows = transfer(matrix(records)).rows
    """In a column, so that it is the same network on its own set and on those of the others."""
    assert rows[0] == ("MLP", "70.0", "70.0", "2", "0.0", "−0.50")
    assert rows[1][:5] == ("ConvNet", "90.0", "76.5", "2", "13.5")
    assert rows[2][:5] == ("LeNet", "86.0", "80.0", "2", "6.0")
    assert rows[3][:5] == ("mean of 3", "82.0", "75.5", "2", "6.5")


def test_the_mean_of_transfer_is_over_networks_on_the_same_sets(records: list[Record]) -> None:
    rows = transfer(matrix(records[:-1])).rows
    assert rows[2] == ("LeNet", "–", "80.0", "2", "–", "–")
    assert rows[3][:5] == ("mean of 2", "80.0", "73.2", "2", "6.8")


def test_own_column_of_a_batch_norm_row() -> None:
    rows = ("ResNet18BN_AP", "MLP", "VGG11BN")
    one = Matrix("mnist", 1, "fast", "published", rows, ("MLP", "VGG11"), {}, {})
    assert [one.own_column(row) for row in rows] == [None, 0, 1]


def test_figures_are_drawn_with_gaps(records: list[Record]) -> None:
    part = matrix(records[:5])
    for draw in (heat_map, strips):
        picture = draw(part, "svg")
        assert picture == draw(part, "svg") and b"LeNet" in picture
    assert b"90.0" in heat_map(part, "svg") and b"not run" in strips(part, "svg")
    assert b"published mean" in strips(matrix(records, ("VGG11BN", *NAMES)), "svg")  # the first row has nothing to explain


def test_the_legend_of_one_row_is_drawn_whole(records: list[Record]) -> None:
    picture = matplotlib.image.imread(io.BytesIO(strips(matrix(records, ("MLP",)))))
    assert (picture[:, -3:, :3] == 1).all(), "something runs over the right edge"


def test_headline(records: list[Record]) -> None:
    assert headline([matrix([])]) == "No cell has been run yet."
    sentence = headline([matrix(records)])
    assert "reach 82.0\N{NO-BREAK SPACE}% on images learned with their own architecture" in sentence
    assert "9 of 9 cells complete" in sentence


def test_costs_name_the_schedule_of_records_that_do_not() -> None:
    folder = Path(__file__).parents[2] / "artifacts"
    older = read_records(folder / "mnist-convnet-ipc1" / "records.jsonl")[0]
    assert "schedule" not in older.config
    assert [row[:2] for row in _costs([older]).rows] == [("ConvNet", "learning a set, schedule published")]


# What may stand beside, in bold, or be compared


@pytest.mark.parametrize("name", ["iterations", "image_momentum", "distance"])
def test_overridden_settings_have_no_difference_to_the_paper(records: list[Record], name: str) -> None:
    value = {"iterations": 3, "image_momentum": 0.9, "distance": "mse"}[name]
    for record in records:
        of_set = record.config["set"]
        of_set["config"] = as_dict(LearnConfig(network=of_set["network"]).resolved()) | {name: value}
    overridden = replace(matrix(records), settings={name: value})
    assert overridden.title == f"mnist, 1 image per class, schedule published with {name} {value}, protocol published"
    assert [table.title.partition(":")[0] for table in matrix_tables([overridden], published=True)] == [
        "Test accuracy",
        "How images carry over, percent",
    ]
    assert "(" not in accuracies(overridden, published=True).rows[0][1]


def test_of_two_networks_there_is_no_interval() -> None:
    table = differences(matrix([cell("MLP", "MLP", [0.7, 0.72])]))
    assert table.rows[0][1] == "+0.5" and any("none for fewer than three" in note for note in table.notes)


def test_bold_is_not_for_chance(records: list[Record]) -> None:
    at_chance = [
        replace(record, notes=["accuracy stays at chance"]) if record.config["network"] == "MLP" else record
        for record in records
    ]
    assert accuracies(matrix(at_chance), bold_best=True).bold == {(1, 2)}
    one_of_three = [replace(records[0], notes=["accuracy stays at chance"]), *records[1:]]
    assert (2, 1) in accuracies(matrix(one_of_three), bold_best=True).bold


def test_the_reports_numbers_are_not_called_published() -> None:
    of_report = matrix([cell("LeNet", "MLP", [0.7, 0.72, 0.71], protocol="report")], protocol="report")
    for table in matrix_tables([of_report], published=True):
        text = render(table, "markdown")
        assert "ublished" not in text.replace("schedule published", ""), table.title
    assert b"published mean" not in strips(of_report, "svg") and b"reported mean" in strips(of_report, "svg")


def test_networks_that_diverged_are_counted_in_their_cell(records: list[Record]) -> None:
    lost = replace(records[0], diverged=[1])
    others = [replace(record, diverged=record.seeds) if record is records[1] else record for record in records[1:]]
    found = matrix([lost, *others])
    assert accuracies(found).rows[0][1:3] == ("69.7 ± 0.9 [n = 3 (1 diverged)]", "diverged [n = 0 (4 diverged)]")
    assert found.unfinished == {} and np.isnan(found.means[0, 1])
    assert any(note.startswith("Diverged: ") for note in accuracies(found).notes)
    assert heat_map(found) and b"diverged" in strips(found, "svg")
    for table in matrix_tables([found], published=True, bold_best=True):
        for form in ("csv", "html", "text"):
            render(table, form)


def test_the_headline_compares_the_same_networks(records: list[Record]) -> None:
    """Of a column without a set of its own nothing is in either mean."""
    two_rows = matrix(records, rows=("MLP", "ConvNet"))
    own, others = (70.0 + 90.0) / 2, (69.0 + 65.0) / 2
    assert f"{own:.1f}\N{NO-BREAK SPACE}% on images learned with their own architecture" in headline([two_rows])
    assert f"{others:.1f}\N{NO-BREAK SPACE}% on images learned with another" in headline([two_rows])
