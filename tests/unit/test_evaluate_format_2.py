"""Stage T and its reports on sets with a decoder, a whitening, unequal classes or a learned rate."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condense.cli.main import main
from condense.condensed import Condensed
from condense.config import EvaluateConfig, LearnConfig
from condense.data.catalog import load
from condense.data.images import DataSet
from condense.decoding import IDENTITY, Tiles
from condense.preprocessing import ZCA
from condense.records import Record, append_record, read_records
from condense.report.page import render_page
from condense.report.tables import accuracy_table
from condense.stage_c.learn import learn
from condense.stage_t import evaluate as module
from condense.stage_t.evaluate import data_as_learned, describe_set, evaluate, source_of
from condense.synthetic_set import SyntheticSet
from condense.training.recipe import Recipe, Stage

SHORT = Recipe((Stage(60, 0.05),), momentum=0.9)


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load("digits")


@pytest.fixture(scope="module")
def chosen(digits: DataSet) -> SyntheticSet:
    return learn(LearnConfig(method="random", network="MLP", ipc=10), digits.train).set


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "recipe", lambda *case: SHORT)


def packed(one: SyntheticSet) -> SyntheticSet:
    """A quarter of the images, each four of a class as the tiles of one, at half their size."""
    small = one.images.reshape(10, 10, 1, 28, 28)[:, :8, :, ::2, ::2]
    tiles = small.reshape(10, 2, 2, 2, 1, 14, 14).permute(0, 1, 4, 2, 5, 3, 6)  # class, image, channel, row, y, column, x
    facts = replace(one.provenance, images_per_class=2, config={"dataset": "digits"})
    labels = torch.arange(10).repeat_interleave(2)
    return SyntheticSet(tiles.reshape(20, 1, 28, 28).contiguous(), labels, facts, Tiles(2))


def whitened(one: SyntheticSet, data: DataSet) -> SyntheticSet:
    """The same images, whitened as the training images are."""
    zca = ZCA.fit(data.train.pixels.float() / 255)
    mean, std = (torch.tensor(values)[:, None, None] for values in (one.provenance.mean, one.provenance.std))
    return replace(one, images=zca.apply(one.images * std + mean), preprocessing=zca)


def unequal(one: SyntheticSet) -> SyntheticSet:
    """Without the first nine images of class 0."""
    return replace(one, images=one.images[9:], labels=one.labels[9:])


def evaluated(one: SyntheticSet, data: DataSet) -> Record:
    (record,) = evaluate(EvaluateConfig(network=("MLP",), seeds=2), one, data)
    return record


def test_networks_are_trained_on_decoded_images(digits: DataSet, chosen: SyntheticSet) -> None:
    one = packed(chosen)
    source = source_of(one, torch.device("cpu"))
    assert source.images.shape == (80, 1, 28, 28) and torch.equal(source.labels, one.labels.repeat(4))
    record, undecoded = evaluated(one, digits), evaluated(replace(one, decoder=IDENTITY), digits)
    assert min(record.accuracies) > 0.5 > max(undecoded.accuracies)
    assert record.config["set"]["decoder"] == "tiles of factor 2" and record.config["set"]["images_per_class"] == 2


def test_test_images_are_whitened_as_the_set_is(digits: DataSet, chosen: SyntheticSet) -> None:
    one = whitened(chosen, digits)
    data = data_as_learned(one, digits)
    assert data.test.whitening is data.train.whitening is one.preprocessing
    expected = ZCA.fit(digits.train.pixels.float() / 255).apply(digits.test.pixels.float() / 255)
    assert torch.allclose(data.test.inputs(torch.arange(len(data.test))), expected, rtol=0, atol=1e-5)
    assert data_as_learned(one, data) is data
    assert data_as_learned(chosen, data).test.whitening is None
    record = evaluated(one, digits)
    assert min(record.accuracies) > 0.5 and record.config["set"]["preprocessing"] == "ZCA"
    assert record.config["test_fingerprint"] == digits.test.fingerprint


def test_sets_of_unequal_classes(digits: DataSet, chosen: SyntheticSet) -> None:
    record = evaluated(unequal(chosen), digits)
    assert record.config["set"]["counts"] == [1, *[10] * 9] and min(record.accuracies) > 0.5


def test_a_set_with_nothing_new_is_described_as_before(chosen: SyntheticSet) -> None:
    names = {"counts", "decoder", "preprocessing", "learning_rate", "labels"}
    assert not names & describe_set(chosen).keys()
    assert describe_set(replace(chosen, learning_rate=0.5))["learning_rate"] == 0.5


def forms(chosen: SyntheticSet, digits: DataSet) -> dict[str, SyntheticSet]:
    some: dict[str, SyntheticSet] = {"plain": chosen, "tiles": packed(chosen), "ZCA": whitened(chosen, digits)}
    return some | {"unequal": unequal(chosen), "rate": replace(chosen, learning_rate=0.03)}


def test_records_tables_and_pages_say_it(digits: DataSet, chosen: SyntheticSet, tmp_path: Path) -> None:
    sets = forms(chosen, digits)
    for one in sets.values():
        append_record(tmp_path / "records.jsonl", evaluated(one, digits))
    records = read_records(tmp_path / "records.jsonl")
    rows = [row[:3] for row in accuracy_table(records).rows]
    assert sorted(rows) == [
        ("digits", "10", "random"),
        ("digits", "10", "random, ZCA"),
        ("digits", "2", "random, tiles of factor 2"),
        ("digits", "up to 10 (unequal)", "random"),
    ]
    pages = {name: " ".join(render_page(name, records, one).split()) for name, one in sets.items()}
    assert "every pixel as stored (denormalised, clipped" in pages["plain"]
    assert (
        "20 images, 2 for each of the 10 classes of digits, shown as networks see them: tiles of factor 2" in pages["tiles"]
    )
    assert "8 synthetic images of class 0" in pages["tiles"] and "calc(8 * 1rem)" in pages["tiles"]
    assert "(with the whitening undone, clipped" in pages["ZCA"] and "whitened (ZCA)" in pages["ZCA"]
    assert "random set of digits, up to 10 per class" in pages["plain"]
    assert "91 images, up to 10 for each" in pages["unequal"] and "1, 10, 10, 10" in pages["unequal"]
    assert "learned rate" in pages["rate"] and "learned rate" not in pages["plain"]


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("plain", ("format 1", "decoder identity", "labels hard", "bytes stored 314,400")),
        ("tiles", ("format 2", "decoder tiles of factor 2, each stored image becomes 4")),
        ("ZCA", ("preprocessing ZCA, a matrix of 784 a side", "bytes stored 2,776,160")),
        ("unequal", ("format 2", "images of the classes 1, 10, 10, 10, 10, 10, 10, 10, 10, 10")),
        ("rate", ("format 2", "learned rate 0.03")),
    ],
)
def test_info_tells_it(
    name: str,
    stated: tuple[str, ...],
    digits: DataSet,
    chosen: SyntheticSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forms(chosen, digits)[name].save(tmp_path / "set.h5")
    main(["info", str(tmp_path / "set.h5")])
    assert set(stated) <= {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    main(["show", str(tmp_path / "set.h5"), "--out", str(tmp_path / "set.png")])
    assert (tmp_path / "set.png").stat().st_size > 1000


def test_soft_labels_are_told(chosen: SyntheticSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen.with_soft_labels(torch.full((100, 10), 0.1)).save(tmp_path / "set.h5")
    main(["info", str(tmp_path / "set.h5")])
    assert "\nlabels                     soft\n" in capsys.readouterr().out


def test_what_a_method_hands_over_is_a_set_as_it_is_unless_it_says_so() -> None:
    made = Condensed(torch.zeros(2, 1, 4, 4), torch.tensor([0, 1]))
    assert made.decoder.decode(made.images, made.labels) == (made.images, made.labels) and made.learning_rate is None
