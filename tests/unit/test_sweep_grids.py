"""Grids: the built-in ones against the report, and every mistake at once with its place."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from condense.data.catalog import load
from condense.errors import CondenseError
from condense.studies.hyperparameters.grid import BUILT_IN, Grid, load_grid, parse_grid
from condense.studies.hyperparameters.rows import Row
from condense.training.engine import MemberDraws, fresh_members, train
from condense.training.layout import Layout
from condense.training.sources import TensorSource

ROW = 'network = "mlp"\nwidth = 8\nlearning_rate = 0.1\nbatch_size = 4\nepochs = 2\n'


def mistakes(text: str) -> list[str]:
    with pytest.raises(CondenseError) as caught:
        parse_grid(text, "g.toml")
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("report-fashion-mnist", (1, 28, 28), [203_530] * 5 + [101_770] * 3 + [286_210] * 2),
        ("report-cifar10", (3, 32, 32), [789_258] * 5 + [1_578_506] * 5),
    ],
)
def test_parameter_counts_are_the_reports(name: str, shape: tuple[int, int, int], counts: list[int]) -> None:
    grid = load_grid(name)
    assert [row.build(shape, 10).parameter_count for row in grid.rows] == counts
    assert all(row.objective == "summed" and row.momentum == 0 and row.reported for row in grid.rows)


def test_the_reports_losses_are_sums_over_the_batch() -> None:
    """Printed loss = batch size x mean cross-entropy / 10: what is left is a plausible mean at each row's accuracy."""
    for name, low, high in (("report-fashion-mnist", 0.24, 0.32), ("report-cifar10", 0.85, 1.4)):
        for row in load_grid(name).rows:
            assert row.reported is not None
            assert low < row.reported.training_loss * 10 / row.batch_size < high


def test_the_space_has_720_networks_and_samples_repeat() -> None:
    grid = load_grid("convnets")
    names = {row.network for row in grid.rows}
    assert len(grid.rows) == len(names) == 720 and {"ConvNetW128D3INARAP", "ConvNetW32D1NNASNP"} <= names
    drawn = grid.sample(30, 1)
    assert drawn == grid.sample(30, 1) != grid.sample(30, 2) and len({row.network for row in drawn.rows}) == 30
    with pytest.raises(CondenseError, match=r"--sample 721: the grid has only 720 rows\."):
        grid.sample(721, 0)


def space(values: int, *names: str) -> str:
    lists = {"width": range(1, values + 1), "depth": range(1, values + 1), "batch_size": range(1, values + 1)}
    lists |= {"epochs": range(1, values + 1), "learning_rate": [n / 100 for n in range(1, values + 1)]}
    return "[defaults]\n" + ROW + "[space]\n" + "".join(f"{name} = {list(lists[name])}\n" for name in names)


def test_a_grid_of_too_many_rows_is_refused_before_it_is_expanded() -> None:
    began = time.monotonic()
    names = ("width", "depth", "batch_size", "epochs", "learning_rate")
    assert mistakes(space(99, *names)) == ["g.toml: the grid has 9,509,900,499 rows; 10,000 can be read at most."]
    assert mistakes("rows = [" + "{}," * 10_001 + "]") == ["g.toml: the grid has 10,001 rows; 10,000 can be read at most."]
    assert time.monotonic() - began < 5
    large = parse_grid(space(32, "width", "batch_size"), "g.toml")
    assert len(large.rows) == 1024
    with pytest.raises(CondenseError, match=r"g.toml: 1,024 rows are more than the 1,000 .* draw some of them by --sample"):
        large.check_on(load("digits"), "g.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = " + "9" * 5000, "is not valid TOML: "),
        ("[space]\nwidth = " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("[space]\nwidth = [" + "[" * 300 + "]" * 300 + "]", "nested too deep"),
        ("[defaults]\nepochs = " + "9" * 4000, "defaults.epochs = 999"),
        ("[defaults]\n" + "n" * 100_000 + " = 1", "defaults.nnn"),
        ("[[rows]]\nnetwork = '" + "n" * 100_000 + "'", "rows[0].network: Unknown network 'nnn"),
        ("[defaults]\nlearning_rate = 1e999", "defaults.learning_rate = inf"),
        ("[defaults]\nlearning_rate = nan", "defaults.learning_rate = nan"),
        ("rows = 3", "rows = 3"),
        ("space = [1]", "space = "),
        ("[space]\nwidth = 3", "space.width = 3"),
        ("[defaults]\nwidth = 1979-05-27", "defaults.width = "),
    ],
    ids=lambda value: value[:18] if value.isprintable() else "toml",
)
def test_hostile_toml_is_one_short_sentence(text: str, said: str) -> None:
    found = mistakes(text)
    assert any(said in line for line in found), [line[:200] for line in found]
    assert all(len(line) < 600 for line in found)


def test_a_byte_order_mark_is_no_part_of_a_grid() -> None:
    assert len(parse_grid("\N{ZERO WIDTH NO-BREAK SPACE}[[rows]]\n" + ROW, "g.toml").rows) == 1


def test_grids_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("title = 'caf\xe9'".encode("latin-1"))
    for name in (tmp_path / "latin.toml", tmp_path / ("n" * 300 + ".toml"), "~nouser/g.toml", "a\0b.toml", tmp_path):
        with pytest.raises(CondenseError) as caught:
            load_grid(str(name))
        assert "grid" in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("images", [20, 14])
def test_the_summed_objective_is_the_reports(images: int) -> None:
    """The engine under a row's recipe against autograd on sum / 10 + penalty; the last batch of an epoch is smaller."""
    row = Row(
        name="1",
        network="mlp-1x8",
        learning_rate=0.05,
        batch_size=8,
        epochs=3,
        weight_decay=0.01,
        momentum=0.5,
        objective="summed",
    )
    network = row.build((1, 8, 8), 10)
    source = TensorSource(torch.randn(images, 1, 8, 8), torch.arange(images) % 10)
    members = fresh_members(network, [3], "sweep network")
    trained = train(
        *(network, members, source, row.recipe(10), [MemberDraws.of(3, "sweep")]), in_proportion=row.in_proportion
    )
    parameters = {name: value.clone() for name, value in Layout.of(network).views(members.vector[0]).items()}
    tensors = [value.requires_grad_() for value in parameters.values()]
    optimiser, order = torch.optim.SGD(tensors, lr=0.05, momentum=0.5), MemberDraws.of(3, "sweep").order
    for _ in range(3):
        for batch in torch.randperm(images, generator=order).split(8):
            logits = network.logits(parameters, source.images[batch])
            penalty = 0.01 / 2 * torch.stack([tensor.square().sum() for tensor in tensors]).sum()
            optimiser.zero_grad()
            (F.cross_entropy(logits, source.labels[batch], reduction="sum") / 10 + penalty).backward()
            optimiser.step()
    expected = Layout.of(network).flatten(parameters)
    torch.testing.assert_close(trained.vector[0], expected.detach(), rtol=1e-4, atol=1e-6)
    assert (expected - members.vector[0]).abs().max() > 1e-3


def test_dropout_draws_in_training_alone_and_adds_no_parameters() -> None:
    plain = Row(name="1", network="mlp-2x16", learning_rate=0.1, batch_size=4, epochs=1)
    network, dropped = (row.build((1, 8, 8), 10) for row in (plain, replace(plain, dropout=0.25)))
    assert dropped.has_dropout and dropped.parameter_count == network.parameter_count
    parameters = network.initial(torch.Generator().manual_seed(0))
    x = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(dropped.logits(parameters, x), network.logits(parameters, x))
    noisy = torch.stack([dropped.logits(parameters, x, dropout=torch.Generator().manual_seed(seed)) for seed in range(2000)])
    assert noisy.std(dim=0).min() > 0
    layer = next(layer for layer in dropped.layers if type(layer).__name__ == "Dropout")
    assert (
        getattr(layer, "probability", None) == 0.25 and sum(type(one).__name__ == "Dropout" for one in dropped.layers) == 2
    )


def test_all_mistakes_are_said_at_once_with_their_place() -> None:
    found = mistakes(
        f"titel = 'x'\n[defaults]\nlr = 1\n[[rows]]\n{ROW}[[rows]]\n{ROW.replace('4', '0')}momentum = 1.0\n"
        "[[rows]]\nbatch_sise = 3\nepochs = 1.5\nlearning_rate = nan\nobjective = 'sum'\nreported = { secs = 1 }\n"
    )
    starts = [
        "g.toml: titel: Unknown key 'titel'. Did you mean 'title'? Known: ",
        "g.toml: defaults.lr: Unknown key 'lr'. Known: ",
        "g.toml: rows[1].momentum = 1.0: Input should be less than 1.",
        "g.toml: rows[1].batch_size = 0: Input should be greater than or equal to 1.",
        "g.toml: rows[2].learning_rate = nan: Input should be a finite number.",
        "g.toml: rows[2].epochs = 1.5: Input should be a valid integer.",
        "g.toml: rows[2].objective: Unknown objective 'sum'. Did you mean 'summed'?",
    ]
    assert [line[: len(start)] for line, start in zip(found, starts, strict=False)] == starts
    assert any(
        line.startswith("g.toml: rows[2].reported.secs: Unknown key 'secs'. Did you mean 'seconds'?") for line in found
    )
    assert any(line.startswith("g.toml: rows[2].batch_sise: Unknown key") for line in found)


def test_an_unknown_network_is_said_whatever_else_is_wrong() -> None:
    """With what was meant, beside the wrong values of other rows, and before anything of keys that belong to it."""
    typo, wrong = ROW.replace('"mlp"', '"mpl"'), ROW.replace("epochs = 2", "epochs = 0")
    found = mistakes(f"[[rows]]\n{typo}[[rows]]\n{wrong}[[rows]]\nnetwork = 'mlp'\n[[rows]]\n{ROW.replace('mlp', 'LeNet')}")
    assert found[0].startswith("g.toml: rows[0].network: Unknown network 'mpl'. Did you mean 'mlp'? Known: ")
    assert found[1:] == [
        "g.toml: rows[1].epochs = 0: Input should be greater than or equal to 1.",
        "g.toml: rows[2]: learning_rate, batch_size, epochs must be given, here or in [defaults].",
        "g.toml: rows[3].width: the network LeNet has none to set; mlp and ConvNet can have one.",
    ]
    (default,) = mistakes(f"[defaults]\n{typo}[space]\ndepth = [1, 2]")
    assert default.startswith("g.toml: defaults.network: Unknown network 'mpl'.")


def test_what_was_reported_is_checked_with_the_rest() -> None:
    """Times of 0 would be divided by, after hours of training."""
    reported = "{ training_accuracy = 900, training_loss = -1, test_accuracy = nan, memory_mib = inf, seconds = 0.0 }"
    assert mistakes(f"[[rows]]\n{ROW}reported = {reported}\n[[rows]]\nmomentum = 3\n{ROW}") == [
        "g.toml: rows[0].reported.training_accuracy = 900: Input should be less than or equal to 100.",
        "g.toml: rows[0].reported.training_loss = -1: Input should be greater than or equal to 0.",
        "g.toml: rows[0].reported.test_accuracy = nan: Input should be less than or equal to 100.",
        "g.toml: rows[0].reported.memory_mib = inf: Input should be a finite number.",
        "g.toml: rows[0].reported.seconds = 0.0: Input should be greater than 0.",
        "g.toml: rows[1].momentum = 3: Input should be less than 1.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the grid is empty: it needs [[rows]], or a [space] of lists."),
        ("rows = []", "the grid is empty: it needs [[rows]], or a [space] of lists."),
        ("rows = 3", "rows = 3: Input should be a valid array."),
        ("rows = [3]", "rows[0] = 3: Input should be an object."),
        ("[space]\nwidth = []", "space.width: an empty list leaves no combination."),
        (f"[defaults]\n{ROW}[space]\nwidth = [3, 0]", "space.width[1] = 0: Input should be greater than or equal to 1."),
        (f"[[rows]]\n{ROW}[[rows]]\n{ROW}", "rows[1] is the same configuration as rows[0]."),
        (f"[[rows]]\nname = '2'\n{ROW}[[rows]]\nmomentum = 0.5\n{ROW}", "rows[1].name: 2 is the name of another row too."),
        (
            f"[[rows]]\n{ROW.replace('mlp', 'LeNet')}",
            "rows[0].width: the network LeNet has none to set; mlp and ConvNet can have one.",
        ),
        (f"[[rows]]\n{ROW.replace('width = 8', '')}", "rows[0].width: the network mlp needs a width."),
        (
            '[[rows]]\nnetwork = "MLP"\nepochs = 1',
            "rows[0]: learning_rate, batch_size must be given, here or in [defaults].",
        ),
        (
            f"[[rows]]\nnorm = 'group'\n{ROW.replace('mlp', 'ConvNet').replace('8', '6')}",
            "rows[0].network: ConvNetW6GN: group norm uses 4 groups, so the width must be a multiple of 4, not 6.",
        ),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    assert mistakes(text) == [f"g.toml: {sentence}"]


def test_values_of_a_space_are_read_as_those_of_rows_are() -> None:
    text = f"[defaults]\n{ROW}[[rows]]\n[space]\nmomentum = [0, 0.9]"
    assert mistakes(text) == ["g.toml: space: momentum = 0 is the same configuration as rows[0]."]
    one, other = (parse_grid(f"[defaults]\n{ROW}[space]\nmomentum = [{zero}]", "g.toml") for zero in ("0", "0.0"))
    assert json.dumps(one.rows[0].settings) == json.dumps(other.rows[0].settings)


def test_rows_that_do_not_suit_the_images() -> None:
    text = f"[[rows]]\n{ROW.replace('4', '9999')}[[rows]]\nname='b'\n{ROW.replace('mlp', 'ConvNet')}depth = 6\n"
    with pytest.raises(CondenseError) as caught:
        parse_grid(text, "g.toml").check_on(load("digits"), "g.toml")
    first, second = str(caught.value).split("\n")
    assert first == "g.toml: row 1: batch_size = 9999: digits has 1442 training images."
    assert second.startswith("g.toml: row b (ConvNetW8D6): the network cannot take images of 28x28 pixels")


def test_rows_with_one_cause_share_a_sentence() -> None:
    grid = load_grid("convnets")
    large = replace(grid, rows=tuple(replace(row, batch_size=2000) for row in grid.rows))
    with pytest.raises(CondenseError) as caught:
        large.check_on(load("digits"), "convnets")
    sentence = "convnets: rows 1, 2, 3, 4, 5 and 715 more: batch_size = 2000: digits has 1442 training images."
    assert str(caught.value) == sentence


def test_grids_by_name_and_by_file(tmp_path) -> None:
    with pytest.raises(CondenseError, match=r"Unknown grid 'convnet'\. Did you mean 'convnets'\?"):
        load_grid("convnet")
    with pytest.raises(CondenseError, match=r"Cannot read the grid .*none\.toml: No such file"):
        load_grid(str(tmp_path / "none.toml"))
    (tmp_path / "g.toml").write_text("x =")
    with pytest.raises(CondenseError, match=r"The grid .*g\.toml is not valid TOML"):
        load_grid(str(tmp_path / "g.toml"))
    assert all(isinstance(load_grid(name), Grid) for name in BUILT_IN)
