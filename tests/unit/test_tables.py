import csv
import io
from dataclasses import replace

import pytest
from report_samples import evaluated, learned, on_whole_set

from condense.errors import CondenseError
from condense.report.published import WHOLE_SET, published_accuracy
from condense.report.rendering import Column, Table, render
from condense.report.tables import accuracy_table

SAMPLE = [learned(), evaluated([0.91, 0.92, 0.93]), on_whole_set([0.996])]


def row(table: Table, index: int = 0) -> dict[str, str]:
    return dict(zip(table.header, table.rows[index], strict=True))


def body(text: str) -> list[str]:
    """The lines of a rendered table up to its notes."""
    return text[: text.index("Accuracy:")].splitlines()


def test_text():
    assert body(render(accuracy_table(SAMPLE), "text")) == [
        "Test accuracy of networks trained from scratch",
        "",
        "data set  images/class  method     learned with  trained with  protocol   accuracy %  95 % interval  n"
        "  published %  difference",
        "--------  ------------  ---------  ------------  ------------  ---------  ----------  -------------  -"
        "  -----------  ----------",
        "mnist                1  dc         ConvNet       ConvNet       published  92.0 ± 0.8   89.5 to 94.5  3"
        "   91.7 ± 0.5        +0.3",
        "mnist                –  whole set  –             ConvNet       whole      99.6 ± 0.0              –  1",
        "",
    ]


def test_markdown():
    assert body(render(accuracy_table(SAMPLE), "markdown")) == [
        "**Test accuracy of networks trained from scratch**",
        "",
        "| data set | images/class | method | learned with | trained with | protocol | accuracy % | 95 % interval | n |"
        " published % | difference |",
        "| --- | ---: | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| mnist | 1 | dc | ConvNet | ConvNet | published | 92.0 ± 0.8 | 89.5 to 94.5 | 3 | 91.7 ± 0.5 | +0.3 |",
        "| mnist | – | whole set | – | ConvNet | whole | 99.6 ± 0.0 | – | 1 |  |  |",
        "",
        "- ",
    ]


def test_latex():
    assert body(render(accuracy_table(SAMPLE), "latex")) == [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{Test accuracy of networks trained from scratch}",
        r"\begin{tabular}{lrllllrrrrr}",
        r"\toprule",
        r"data set & images/class & method & learned with & trained with & protocol & accuracy \% & 95 \% interval & n &"
        r" published \% & difference \\",
        r"\midrule",
        r"mnist & 1 & dc & ConvNet & ConvNet & published & 92.0 $\pm$ 0.8 & 89.5 to 94.5 & 3 & 91.7 $\pm$ 0.5 & +0.3 \\",
        r"mnist & -- & whole set & -- & ConvNet & whole & 99.6 $\pm$ 0.0 & -- & 1 &  &  \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\footnotesize ",
    ]


def test_csv_holds_plain_values():
    rows = list(csv.DictReader(io.StringIO(render(accuracy_table(SAMPLE), "csv"))))
    source = rows[0].pop("published_source")
    assert source.startswith("Zhao, Mopuri, Bilen")
    assert rows[0] == {
        "dataset": "mnist",
        "images_per_class": "1",
        "method": "dc",
        "learned_with": "ConvNet",
        "trained_with": "ConvNet",
        "protocol": "published",
        "schedule": "published",
        "iterations": "1000",
        "init": "noise",
        "distance": "ours",
        "precision": "fp32",
        "mean_percent": "92.0",
        "std_percent": "0.8165",
        "low_percent": "89.5159",
        "high_percent": "94.4841",
        "minimum_percent": "91.0",
        "maximum_percent": "93.0",
        "n": "3",
        "sets": "1",
        "published_mean_percent": "91.7",
        "published_std_percent": "0.5",
        "published_n": "5 × 20",
        "published_protocol": "published",
        "difference_points": "0.3",
    }
    assert (rows[1]["images_per_class"], rows[1]["low_percent"], rows[1]["published_source"]) == ("", "", "")


def test_notes_state_statistics_protocol_learning_and_sources():
    notes = " ".join(accuracy_table(SAMPLE).notes)
    for stated in (
        "ddof = 0",
        "Student's t",
        "Protocol 'published'",
        "dc: 1000 iterations, schedule published, init noise",
        "n = 5 × 20",
    ):
        assert stated in notes


def test_different_sets_of_one_setting_are_pooled():
    records = [evaluated([0.9, 0.92], sha256="a", seed=0), evaluated([0.94, 0.96], sha256="b", seed=1)]
    table = accuracy_table(records)
    assert len(table.rows) == 1
    assert (row(table)["n"], row(table)["accuracy %"], row(table)["95 % interval"]) == ("2 × 2", "93.0 ± 2.2", "–")
    assert (table.data[0]["n"], table.data[0]["sets"]) == (4, 2)


def test_pooled_sets_of_unequal_size_are_counted():
    assert row(accuracy_table([evaluated([0.9]), evaluated([0.9, 0.9], sha256="b")]))["n"] == "3 (2 sets)"


def test_the_last_of_repeated_records_counts_and_is_noted():
    table = accuracy_table([evaluated([0.1, 0.2]), evaluated([0.9, 0.9])])
    assert (row(table)["n"], row(table)["accuracy %"]) == ("2", "90.0 ± 0.0")
    assert any("last record counts: 2 networks" in note for note in table.notes)


def test_sets_learned_differently_are_not_pooled():
    table = accuracy_table([evaluated([0.9]), evaluated([0.8], sha256="b", iterations=10)])
    assert [row(table, index)["iterations"] for index in range(2)] == ["10", "1000"]
    assert [row(table, index)["n"] for index in range(2)] == ["1", "1"]
    assert "init" not in table.header


def test_other_recipes_under_one_protocol_are_not_pooled():
    other = evaluated([0.8])
    other = replace(other, config=other.config | {"recipe": {"batch_size": 64}})
    table = accuracy_table([evaluated([0.9]), other])
    assert {row(table, index)["batch_size"] for index in range(2)} == {"64", "256"}


def test_sets_of_other_real_images_are_not_pooled():
    records = [evaluated([0.9], sha256=name, dataset_fingerprint=name * 64) for name in "ab"]
    table = accuracy_table(records)
    assert [row(table, index)["dataset_fingerprint"] for index in range(2)] == ["a" * 12, "b" * 12]


def test_rows_are_sorted_as_papers_list_them():
    records = [
        evaluated([0.9], dataset="cifar10"),
        on_whole_set([0.9]),
        evaluated([0.9], images_per_class=10),
        evaluated([0.9], images_per_class=2),
        evaluated([0.9], network="LeNet"),
        evaluated([0.9], network="MLP"),
    ]
    assert [(r[0], r[1], r[4]) for r in accuracy_table(records).rows] == [
        ("mnist", "1", "MLP"),
        ("mnist", "1", "LeNet"),
        ("mnist", "2", "ConvNet"),
        ("mnist", "10", "ConvNet"),
        ("mnist", "–", "ConvNet"),
        ("cifar10", "1", "ConvNet"),
    ]


def test_selected_images_are_learned_with_nothing():
    records = [evaluated([0.14, 0.15], dataset="cifar10", method="random")]
    table = accuracy_table(records)
    assert (row(table)["learned with"], row(table)["published %"], row(table)["difference"]) == ("–", "14.4 ± 2.0", "+0.1")
    assert not any(note.startswith("Learned by") for note in table.notes)


def test_difference_only_under_the_same_protocol():
    papers = row(accuracy_table([evaluated([0.971], protocol="report", images_per_class=50)]))
    assert (papers["published %"], papers["difference"]) == ("98.8 ± 0.1", "")
    assert "reported %" not in papers
    table = accuracy_table([evaluated([0.871], protocol="report")])
    reports = row(table)
    assert (reports["published %"], reports["reported %"], reports["difference"]) == ("", "87.7 ± 0.7", "−0.6")
    assert any(note.startswith("Reported: ") and "reproduction report" in note for note in table.notes)
    assert any(note.startswith("Difference: own minus reported mean") for note in table.notes)
    assert (table.data[0]["published_mean_percent"], table.data[0]["reported_mean_percent"]) == (None, 87.7)


def test_a_difference_that_rounds_to_zero_has_no_minus():
    assert row(accuracy_table([evaluated([0.9168])]))["difference"] == "+0.0"
    assert row(accuracy_table([evaluated([0.9068])]))["difference"] == "−1.0"


def test_remarks_of_the_records_stand_under_the_table():
    record = replace(evaluated([0.1]), notes=["stayed at chance"])
    assert "ConvNet on mnist (dc): stayed at chance" in accuracy_table([record]).notes


def test_names_are_escaped():
    table = accuracy_table([evaluated([0.5], dataset="a_b|<c>\n&$x^2~\\")])
    assert r"| a\_b\|\<c\> &$x^2\~\\ |" in render(table, "markdown")
    latex = r"a\_b|\textless{}c\textgreater{} \&\$x\textasciicircum{}2\textasciitilde{}\textbackslash{} &"
    assert latex in render(table, "latex")
    assert render(table, "text").splitlines()[4].startswith("a_b|<c> &$x^2~\\")
    assert next(csv.DictReader(io.StringIO(render(table, "csv"))))["dataset"] == "a_b|<c>\n&$x^2~\\"


@pytest.mark.parametrize(
    ("missing", "path"), [("protocol", "config['protocol']"), ("set", "config['set']"), ("network", "config['network']")]
)
def test_a_missing_key_is_named(missing: str, path: str):
    record = evaluated([0.5])
    config = {name: value for name, value in record.config.items() if name != missing}
    with pytest.raises(CondenseError) as error:
        accuracy_table([replace(record, config=config)])
    assert path in str(error.value)


def test_a_missing_key_of_the_set_is_named():
    record = evaluated([0.5])
    config = record.config | {"set": {"dataset": "mnist", "method": "dc"}}
    with pytest.raises(CondenseError, match=r"no config\['set'\]\['images_per_class'\]"):
        accuracy_table([replace(record, config=config)])


def test_no_evaluations():
    with pytest.raises(CondenseError, match="no evaluations"):
        accuracy_table([learned()])


def test_unknown_format():
    with pytest.raises(CondenseError, match="Did you mean 'latex'"):
        render(accuracy_table(SAMPLE), "latx")


@pytest.mark.parametrize(
    ("cell", "mean", "std", "n"),
    [
        (("mnist", "dc", 1, "ConvNet", "ConvNet"), 91.7, 0.5, "5 × 20"),
        (("mnist", "dc", 50, "ConvNet", "ConvNet"), 98.8, 0.1, "5 × 20"),
        (("fashion-mnist", "dc", 10, "ConvNet", "ConvNet"), 82.3, 0.4, "5 × 20"),
        (("svhn", "dc", 1, "ConvNet", "ConvNet"), 31.2, 1.4, "5 × 20"),
        (("cifar10", "dc", 50, "ConvNet", "ConvNet"), 53.9, 0.5, "5 × 20"),
        (("cifar100", "dc", 10, "ConvNet", "ConvNet"), 25.2, 0.3, "5 × 20"),
        (("mnist", "dc", 1, "MLP", "AlexNet"), 70.9, 11.6, None),
        (("mnist", "dc", 1, "AlexNet", "MLP"), 72.1, 1.7, None),
        (("cifar10", "random", 10, None, "ConvNet"), 26.0, 1.2, None),
        (("cifar10", "herding", 1, None, "ConvNet"), 21.5, 1.2, None),
        (("cifar10", WHOLE_SET, None, None, "ConvNet"), 84.8, 0.1, None),
    ],
)
def test_published(cell: tuple, mean: float, std: float | None, n: str | None):
    found = published_accuracy(*cell)
    assert found is not None
    assert (found.mean, found.std, found.n) == (mean, std, n)
    assert found.source


@pytest.mark.parametrize(
    "cell",
    [
        # In the published paper, but not in a text that was read: from memory only.
        ("mnist", "random", 1, None, "ConvNet"),
        ("svhn", "herding", 10, None, "ConvNet"),
        ("mnist", WHOLE_SET, None, None, "ConvNet"),
        ("mnist", "dc", 1, "ConvNet", "VGG11"),
        ("mnist", "dc", 1, "ResNet18BN_AP", "MLP"),
        # Not published at all.
        ("cifar100", "dc", 50, "ConvNet", "ConvNet"),
        ("mnist", "dc", 10, "MLP", "ConvNet"),
        ("digits", "dc", 1, "ConvNet", "ConvNet"),
        ("mnist", "dc", 1, "lenet-classic", "ConvNet"),
        ("cifar10", "random", 1, None, "MLP"),
        ("mnist", "dm", 1, "ConvNet", "ConvNet"),
    ],
)
def test_what_is_not_sourced_is_not_returned(cell: tuple):
    assert published_accuracy(*cell) is None


# Tables by column

COLUMNS: list[Column[tuple[str, float | None]]] = [
    Column("name", lambda item: item[0], key="name", numeric=False, wide=True),
    Column("share %", lambda item: item[1], lambda share: f"{100 * share:.1f}", key="share", bold=lambda item: item[1] == 1),
    Column("of whom", lambda item: item[0] if item[1] else None, str.upper, missing="", numeric=False),
    Column("doubled", lambda item: item[1], key="double", value=lambda share: 2 * share),
]


def test_a_table_of_columns_has_header_rows_and_data_from_one_place() -> None:
    table = Table.of("Shares", COLUMNS, [("a", 0.5), ("b", None), ("c", 1.0)], ["note"])
    assert table == Table(
        title="Shares",
        header=("name", "share %", "of whom", "doubled"),
        rows=(("a", "50.0", "A", "0.5"), ("b", "–", "", "–"), ("c", "100.0", "C", "1.0")),
        notes=("note",),
        data=(
            {"name": "a", "share": 0.5, "double": 1.0},
            {"name": "b", "share": None, "double": None},
            {"name": "c", "share": 1.0, "double": 2.0},
        ),
        numeric=(False, True, False, True),
        bold=frozenset({(2, 1)}),
        wide=frozenset({0}),
    )


def test_csv_has_the_columns_with_a_key_or_what_is_asked_for() -> None:
    unnamed: list[Column[tuple[str, float]]] = [Column("name", lambda item: item[0]), Column("share", lambda item: item[1])]
    assert Table.of("", unnamed, [("a", 0.5)]).data == ()
    assert Table.of("", COLUMNS, [("a", 0.5)], data=lambda item: {"other": item[0]}).data == ({"other": "a"},)
    assert render(Table.of("", COLUMNS, [("a", 0.5)]), "csv") == "name,share,double\na,0.5,1.0\n"


def test_columns_of_one_name_are_columns_of_their_own() -> None:
    twins: list[Column[tuple[str, float]]] = [Column("p", lambda item: item[0]), Column("p", lambda item: item[1])]
    assert Table.of("", twins, [("a", 0.5)]).rows == (("a", "0.5"),)


def test_sets_of_other_programs_are_rows_of_their_own_and_no_published_ones():
    ours = evaluated([0.9])
    names = [f"res.pt, set {number} of 2" for number in (1, 2)]
    theirs = [
        evaluated([0.8], sha256=name, seed=seed, iterations=0, config={"imported": {"name": name}})
        for seed, name in enumerate(names)
    ]
    found = accuracy_table([ours, *theirs])
    assert len(found.rows) == 3 and [row["imported"] for row in found.data] == [None, *names]
    assert [row["published_mean_percent"] is None for row in found.data] == [False, True, True]


def test_numbers_stay_on_one_line_and_sentences_are_broken_between_words() -> None:
    sentence = "With hard labels the set stays 20.8 percentage points below all real images."
    rows = (("49.6 to 62.9", sentence),)
    found = render(Table("", ("a", "b"), rows, (), (), (True, False), wide=frozenset({1})), "html")
    assert "49.6\u00a0to\u00a062.9" in found and sentence in found
