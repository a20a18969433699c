"""One row of a table: sets of one resolved configuration, networks that came through, numbers that may stand beside."""

from dataclasses import replace
from typing import Any

import pytest
from report_samples import FINGERPRINTS, UNKNOWN, evaluated, learned, on_whole_set

from condense.checking import as_dict
from condense.config import LearnConfig
from condense.records import Record
from condense.report.cells import cells
from condense.report.figures import accuracy_strip
from condense.report.page import render_page
from condense.report.rendering import Table, render
from condense.report.settings import known_data
from condense.report.tables import accuracy_table
from condense.stage_c.method import Occasion
from condense.stage_c.schedules import SCHEDULES, schedule_name, schedule_text

NEW_MNIST = (
    "f726cc00b6ad2b78b5e49b1da5c0a156e94864a833421cac941292380653f653",
    "64d301e7c402740bb8948c406111d892992f5841999beb922e9db2e99c7300c8",
)
"""The fingerprints of MNIST's parts in the form that does not depend on their order."""

OTHER: dict[str, Any] = {
    "image_learning_rate": 1.0,
    "image_momentum": 0.9,
    "image_decay": "cosine",
    "image_clip": "median",
    "network_learning_rate": 0.05,
    "distance": "mse",
    "init": "real",
    "real_batch": 64,
    "inner_loop": 3,
    "outer_loop": 2,
    "iterations": 10,
    "train_size": 200,
    "precision": "tf32",
}
OCCASION = Occasion("mnist", 1, "ConvNet")
LOW, HIGH = [0.16, 0.17, 0.18], [0.637, 0.647, 0.657]


def configuration(**given: Any) -> dict[str, Any]:
    return as_dict(LearnConfig(dataset="mnist", precision="fp32").resolved()) | given


def of_set(values: list[float], sha256: str, *, old: bool = False, **given: Any) -> list[Record]:
    """Records of a set and its evaluation; old: the evaluation does not say how the set was made, as before."""
    config = configuration(**given)
    stated: dict[str, Any] = {name: config[name] for name in ("init", "distance", "iterations", "precision", "seed")}
    stated["schedule"] = schedule_name(config, OCCASION)
    if config["train_size"]:
        stated["dataset_fingerprint"] = "3" * 64
    if not old:
        return [evaluated(values, sha256=sha256, **stated, config=config)]
    learning = learned(**{**config, "set": sha256, "path": "eager"})
    return [learning, evaluated(values, sha256=sha256, **stated)]


def rows(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def tabled(records: list[Record]) -> list[dict[str, str]]:
    return rows(accuracy_table(records))


@pytest.mark.parametrize("old", [False, True], ids=["new records", "old records"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", OTHER)
def test_sets_of_another_setting_are_not_averaged(name: str, seed: int, old: bool) -> None:
    """Averaged they read 40.8 ± 24.4, '2 x 3' networks of one configuration."""
    found = tabled([*of_set(LOW, "a", old=old), *of_set(HIGH, "b", old=old, seed=seed, **{name: OTHER[name]})])
    assert sorted((row["accuracy %"], row["n"]) for row in found) == [("17.0 ± 0.8", "3"), ("64.7 ± 0.8", "3")]
    assert found[0] | {"accuracy %": ""} != found[1] | {"accuracy %": ""}, "nothing tells the rows apart"


def test_settings_are_all_of_the_configuration() -> None:
    told_otherwise = {"dataset", "ipc", "network", "method", "schedule", "seed"}
    assert set(configuration()) - told_otherwise == set(OTHER)


def test_before_they_were_settings_they_had_a_value() -> None:
    config = configuration()
    older = {name: value for name, value in config.items() if name not in ("image_decay", "image_clip", "schedule")}
    records = [evaluated(LOW, sha256=name, seed=seed, config=one) for name, seed, one in (("a", 0, config), ("b", 1, older))]
    assert [row["n"] for row in tabled(records)] == ["2 × 3"]


def test_the_record_of_learning_speaks_for_older_evaluations() -> None:
    with_records = of_set(LOW, "a", old=True) + of_set(HIGH, "b", old=False, seed=1)
    assert [row["n"] for row in tabled(with_records)] == ["2 × 3"]


@pytest.mark.parametrize("name", [name for name in OTHER if name not in ("precision", "train_size")])
def test_overridden_settings_do_not_stand_under_a_published_name(name: str) -> None:
    settings = configuration(**{name: OTHER[name]})
    assert schedule_name(settings, OCCASION) == "own"
    assert schedule_text(settings, OCCASION) == f"published with {name} {OTHER[name]}"
    (row,) = tabled(of_set(HIGH, "a", **{name: OTHER[name]}))
    assert (row["published %"], row["difference"]) == ("", "")
    (row,) = tabled(of_set(HIGH, "a"))
    assert (row["published %"], row["difference"]) == ("91.7 ± 0.5", "−27.0")


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("network", ["MLP", "ConvNet", "LeNet"])
def test_a_schedule_as_it_is_keeps_its_name(name: str, network: str) -> None:
    settings = as_dict(LearnConfig(schedule=name, network=network, ipc=10).resolved())
    assert schedule_text(settings, Occasion("mnist", 10, network)) == name


def test_a_part_of_a_data_set_is_called_that() -> None:
    (row,) = tabled(of_set(HIGH, "a", train_size=200))
    assert (row["data set"], row["published %"], row["difference"]) == ("mnist (200 images of it)", "", "")
    assert accuracy_table(of_set(HIGH, "a", train_size=200)).data[0]["train_size"] == 200


@pytest.mark.parametrize("wrong", ["training", "test"])
def test_a_name_does_not_vouch_for_images(wrong: str) -> None:
    """Other images under the name of a published set have no published number beside them."""
    (record,) = of_set(HIGH, "a")
    if wrong == "training":
        record.config["set"]["dataset_fingerprint"] = FINGERPRINTS["cifar10"][0]
    else:
        record.config["test_fingerprint"] = UNKNOWN[1]
    (row,) = tabled([record])
    assert (row["published %"], row["difference"]) == ("", "")
    whole = on_whole_set([0.8], dataset="cifar10")
    assert tabled([whole])[0]["published %"] == "84.8 ± 0.1"
    whole.config["dataset_fingerprint"] = UNKNOWN[0]
    assert tabled([whole])[0]["published %"] == ""


def test_both_forms_of_a_fingerprint_are_of_the_same_images() -> None:
    (one,), (other,) = of_set(LOW, "a"), of_set(LOW, "b", seed=1)
    other.config["set"]["dataset_fingerprint"], other.config["test_fingerprint"] = NEW_MNIST
    (row,) = tabled([one, other])
    assert (row["n"], row["published %"]) == ("2 × 3", "91.7 ± 0.5")


def test_sets_of_one_seed_are_no_independent_draws() -> None:
    records = [record for name, seed in (("a", 0), ("b", 0), ("c", 1)) for record in of_set(LOW, name, seed=seed)]
    table = accuracy_table(records)
    (row,) = rows(table)
    assert (row["n"], row["95 % interval"]) == ("3 × 3", "–")
    assert any("several sets have one seed (2 of seed 0)" in note for note in table.notes)
    own_seeds = [record for seed, name in enumerate("abc") for record in of_set(LOW, name, seed=seed)]
    assert rows(accuracy_table(own_seeds))[0]["95 % interval"] != "–"


def test_soft_labels_are_said() -> None:
    (soft,) = of_set(HIGH, "a")
    soft.config["set"]["labels"] = "soft"
    found = tabled([soft, *of_set(HIGH, "b", seed=1)])
    assert [(row["method"], row["n"], row["published %"]) for row in found] == [
        ("dc", "3", "91.7 ± 0.5"),
        ("dc, soft labels", "3", ""),
    ]


def test_unequal_classes_decoders_and_whitening_are_said() -> None:
    """Never in a row with sets without them, and no published number beside what it is not of."""
    names = ("plain", "unequal", "tiles", "whitened", "both")
    found = {name: of_set(HIGH, name, seed=seed)[0] for seed, name in enumerate(names)}
    found["unequal"].config["set"]["counts"] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    found["tiles"].config["set"]["decoder"] = "tiles of factor 2"
    found["whitened"].config["set"]["preprocessing"] = "ZCA"
    found["both"].config["set"] |= {"decoder": "tiles of factor 2", "preprocessing": "ZCA", "labels": "soft"}
    rows = tabled(list(found.values()))
    assert sorted((row["images/class"], row["method"], row["published %"]) for row in rows) == [
        ("1", "dc", "91.7 ± 0.5"),
        ("1", "dc, ZCA", ""),
        ("1", "dc, soft labels, tiles of factor 2, ZCA", ""),
        ("1", "dc, tiles of factor 2", "91.7 ± 0.5"),
        ("up to 1 (unequal)", "dc", ""),
    ]


def test_two_networks_have_no_interval() -> None:
    """The first example of the README said -103.7–164.8 percent."""
    (row,) = tabled(of_set([0.2, 0.41], "a"))
    assert (row["accuracy %"], row["95 % interval"], row["n"]) == ("30.5 ± 10.5", "–", "2")


def test_an_interval_ends_where_percent_do() -> None:
    (row,) = tabled(of_set([0.8, 0.99, 1.0], "a"))
    assert row["95 % interval"].endswith(" to 100.0")


# Networks that diverged


def diverging(lost: list[int]) -> Record:
    (record,) = of_set([0.1 if seed in lost else 0.9 for seed in range(20)], "a")
    notes = [f"seed {seed}: training diverged" for seed in lost]
    return replace(record, notes=notes, diverged=lost)


def test_networks_that_diverged_are_left_out_and_counted() -> None:
    """As they were counted, 20 networks of 90 % and three of them lost had 78.0 ± 28.6."""
    table = accuracy_table([diverging([3, 4, 19])])
    (row,) = rows(table)
    assert (row["accuracy %"], row["n"]) == ("90.0 ± 0.0", "17 (3 diverged)")
    assert (table.data[0]["n"], table.data[0]["diverged"]) == (17, 3)
    assert any(note.startswith("Diverged: ") for note in table.notes)


def test_where_all_diverged_there_is_no_mean() -> None:
    record = diverging(list(range(20)))
    table = accuracy_table([record])
    (row,) = rows(table)
    assert (row["accuracy %"], row["95 % interval"], row["n"]) == ("diverged", "–", "0 (20 diverged)")
    assert (row["difference"], table.data[0]["mean_percent"]) == ("", None)
    assert "diverged" in render(table, "csv")
    assert accuracy_strip([record]) == accuracy_strip([record])
    assert "learns nothing: training diverged" in render_page("A page", [record])


def test_a_network_trained_again_is_what_it_was_last() -> None:
    again = diverging([])
    (cell,), remarks = cells([diverging([3]), again])
    assert (cell.size, cell.lost) == ("20", 0)
    assert any("20 networks (same set, same seed)" in remark for remark in remarks)
    (cell,), _ = cells([again, diverging([3])])
    assert cell.size == "19 (1 diverged)"


# What text may do


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "=cmd|' /C calc'!A0"])
def test_text_in_csv_is_no_formula(text: str) -> None:
    (record,) = of_set(LOW, "a")
    record.config["set"]["dataset"] = text
    assert f"'{text}".replace("\t", "\\t") in render(accuracy_table([record]), "csv")


def test_negative_numbers_in_csv_stay_numbers() -> None:
    table = Table("t", ("a",), (("1",),), (), ({"a": -1.5, "b": "-2", "=c": 3},), (True,))
    assert render(table, "csv") == "a,b,'=c\n-1.5,-2,3\n"


def test_titles_and_headers_are_escaped_in_markdown() -> None:
    table = Table("a*b <script> [x](y)", ("c|d",), (("e",),), (), (), (False,))
    assert render(table, "markdown").startswith("**a\\*b \\<script\\> \\[x\\](y)**\n\n| c\\|d |")


@pytest.mark.parametrize("format", ["text", "markdown", "csv"])
def test_no_control_character_reaches_the_screen(format: str) -> None:
    (record,) = of_set(LOW, "a")
    record.config["set"]["dataset"] = "\x1b[2Jm\x07\x9b\u202enist"
    text = render(accuracy_table([replace(record, notes=["\x1b]0;title\x07"])]), format)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
    assert "\\x1b" in text


def test_svhn_is_vouched_for_by_its_name() -> None:
    """Its files' MD5s are checked when it is read, and its fingerprints could not be computed here."""
    assert known_data("svhn", "3" * 64, "4" * 64)
    assert not known_data("svhn", "3" * 64, None)
    assert not known_data("mnist", "3" * 64, "4" * 64)
    assert not known_data("house numbers/", "3" * 64, "4" * 64)
    assert known_data("mnist", *NEW_MNIST)


def test_sets_of_equal_images_are_told_apart_by_how_they_were_made() -> None:
    """As by settings that only work between image updates, where there is one update."""
    records = [*of_set(LOW, "a", inner_loop=1), *of_set(HIGH, "a", inner_loop=7)]
    assert [row["accuracy %"] for row in rows(accuracy_table(records))] == ["17.0 ± 0.8", "64.7 ± 0.8"]


def test_the_upper_bound_is_of_the_same_images() -> None:
    other, same = on_whole_set([0.11] * 3), on_whole_set([0.99] * 3)
    other = replace(other, config={**other.config, "dataset_fingerprint": "8" * 64, "test_fingerprint": "9" * 64})
    cell = evaluated([0.9] * 3)
    assert "99.0" in render_page("t", [cell, same])
    assert "the same network reaches" not in render_page("t", [cell, other])


# Other methods


@pytest.mark.parametrize("method", ["dm", "dsa", "herding", "random"])
def test_sets_of_another_method_have_a_row_of_their_own(method: str) -> None:
    config = as_dict(LearnConfig(dataset="mnist", method=method, precision="fp32").resolved())
    stated: dict[str, Any] = {
        "init": config.get("init"),
        "distance": config.get("distance"),
        "iterations": config.get("iterations"),
    }
    own = evaluated(LOW, sha256="b", method=method, config=config, seed=1, **stated)
    found = tabled([*of_set(HIGH, "a"), own])
    assert sorted((row["method"], row["n"]) for row in found) == sorted([("dc", "3"), (method, "3")])


@pytest.mark.parametrize(("method", "name", "value"), [("dm", "real_batch", 64), ("dsa", "augmentation", ["color"])])
def test_sets_of_one_method_are_told_apart_by_its_settings(method: str, name: str, value: Any) -> None:
    config = as_dict(LearnConfig(dataset="mnist", method=method, precision="fp32").resolved())
    records = [
        evaluated(values, sha256=sha256, method=method, config=config | changed, init=None, distance=None, schedule=None)
        for values, sha256, changed in ((LOW, "a", {}), (HIGH, "b", {name: value}))
    ]
    found = tabled(records)
    assert sorted(row["n"] for row in found) == ["3", "3"]
    assert found[0] | {"accuracy %": ""} != found[1] | {"accuracy %": ""}, "nothing tells the rows apart"


def test_a_selection_is_said_to_have_no_iterations() -> None:
    config = as_dict(LearnConfig(dataset="mnist", method="herding", precision="fp32", epochs=3).resolved())
    record = evaluated(LOW, sha256="b", method="herding", config=config, init=None, distance=None, iterations=0)
    notes = accuracy_table([record]).notes
    assert "Selected by herding: schedule published with epochs 3, precision fp32." in notes
    assert not any("iterations" in note for note in notes)


def test_a_method_that_is_not_installed_tabulates() -> None:
    config = configuration() | {"method": "elsewhere", "temperature": 3}
    (row,) = tabled([evaluated(LOW, sha256="a", method="elsewhere", config=config)])
    assert (row["method"], row["n"], row["published %"]) == ("elsewhere", "3", "")
