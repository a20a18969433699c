import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from report_samples import evaluated, learned, on_whole_set, synthetic_set

from condense.decoding import Tiles
from condense.errors import CondenseError
from condense.report.figures import accuracy_strip, image_grid, loss_curve, marks_of, percent_ends
from condense.report.figures import strip as strip_of
from condense.report.images import images_by_class, strip
from condense.statistics import summarise
from condense.synthetic_set import SyntheticSet

SVG = "{http://www.w3.org/2000/svg}"
PNG = b"\x89PNG\r\n\x1a\n"
EVALUATED = [evaluated([0.9, 0.91, 0.93]), evaluated([0.8], network="MLP", protocol="report"), on_whole_set([0.99, 0.98])]


def decoded(png: bytes) -> np.ndarray:
    """uint8 (H, W, 3 or 4)."""
    assert png.startswith(PNG)
    return (imread(io.BytesIO(png), format="png") * 255).round().astype(np.uint8)


def coloured(images: int, height: int = 8, width: int = 8) -> torch.Tensor:
    """uint8 (N, 3, H, W), each image of one colour of its own, none of them grey."""
    colours = torch.tensor([[10 + 7 * index, 200 - 5 * index, 90] for index in range(images)], dtype=torch.uint8)
    return colours[:, :, None, None].expand(-1, -1, height, width).contiguous()


def boxes(picture: np.ndarray, pixels: torch.Tensor) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of each one-coloured image; asserts that its colour fills that rectangle."""
    found = []
    for image in pixels:
        where = (picture[..., :3] == image[:, 0, 0].numpy()).all(axis=-1)
        rows, columns = np.nonzero(where.any(axis=1))[0], np.nonzero(where.any(axis=0))[0]
        assert where.sum() == len(rows) * len(columns) > 0
        found.append((int(rows[0]), int(columns[0]), len(rows), len(columns)))
    return found


def test_grid_shows_each_class_in_its_row():
    pixels = coloured(6)
    places = boxes(decoded(image_grid(synthetic_set(pixels, ["cat", "dog", "owl"]))), pixels)
    assert {(height, width) for _, _, height, width in places} == {(64, 64)}
    assert [top for top, *_ in places] == sorted(top for top, *_ in places)
    assert places[0][0] == places[1][0] < places[2][0]
    assert places[0][1] == places[2][1] < places[1][1] == places[3][1]


def test_grid_with_one_image_per_class_is_compact():
    pixels = coloured(12)
    places = boxes(decoded(image_grid(synthetic_set(pixels, [f"class {index}" for index in range(12)]))), pixels)
    assert len({top for top, *_ in places[:10]}) == 1
    assert places[10][0] > places[9][0]
    assert places[10][1] == places[0][1]


def test_grid_enlarges_pixels_exactly():
    pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4) * 15 + 1
    picture = decoded(image_grid(synthetic_set(pixels, ["only"])))
    block = np.kron(pixels[0, 0].numpy(), np.ones((24, 24), dtype=np.uint8))
    windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0], block.shape)
    top, left = np.argwhere((windows[:, :, ::24, ::24] == pixels[0, 0].numpy()).all(axis=(2, 3)))[0]
    assert (picture[top : top + 96, left : left + 96, :3] == block[..., None]).all()


def test_grid_writes_the_class_names():
    pixels = coloured(2)
    plain, named = (decoded(image_grid(synthetic_set(pixels, names))) for names in (["a", "b"], ["a", "$b_1$"]))
    outside = [(picture[..., :3].max(axis=-1) < 128).sum() for picture in (plain, named)]
    assert 0 < outside[0] < outside[1]


def test_grid_of_many_classes_stays_within_a_page():
    names = [f"class number {index}" for index in range(100)]
    grid = decoded(image_grid(synthetic_set(torch.zeros(300, 1, 28, 28, dtype=torch.uint8), names)))
    assert grid.shape[1] <= 2000
    assert grid.shape[0] <= 4000


def test_soft_labels_count_for_their_likeliest_class():
    pixels = coloured(2)
    soft = torch.tensor([[0.2, 0.8], [0.9, 0.1]])
    groups = images_by_class(synthetic_set(pixels, ["first", "second"], soft))
    assert [name for name, _ in groups] == ["first", "second"]
    assert (groups[0][1][0] == pixels[1].permute(1, 2, 0).numpy()).all()


def test_pictures_show_what_networks_see():
    """Each of the four tiles of an image, large, with the images of its class."""
    pixels = coloured(2, 8, 8)
    pixels[:, :, 4:, 4:] = 255 - pixels[:, :, 4:, 4:]
    one = replace(synthetic_set(pixels, ["first", "second"]), decoder=Tiles(2))
    first, second = (images for _, images in images_by_class(one))
    assert first.shape == second.shape == (4, 8, 8, 3)
    for images, image in ((first, pixels[0]), (second, pixels[1])):
        assert (images[:3] == image[:, 0, 0].numpy()).all() and (images[3] == 255 - image[:, 0, 0].numpy()).all()


def test_unequal_classes_have_rows_of_unequal_length():
    pixels = coloured(3)
    facts = replace(synthetic_set(pixels[:2], ["first", "second"]).provenance, images_per_class=2, config={})
    one = SyntheticSet((pixels.float() / 255 - 0.25) / 0.5, torch.tensor([1, 0, 1]), facts)
    assert [len(images) for _, images in images_by_class(one)] == [1, 2]
    places = boxes(decoded(image_grid(one)), pixels)
    assert places[1][0] < places[0][0] == places[2][0] and places[0][1] == places[1][1] < places[2][1]


def test_strip_holds_the_pixels_themselves():
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    picture = decoded(strip(images))
    assert picture.shape == (3, 9, 4)
    assert (picture[:, :4, :3] == images[0]).all()
    assert (picture[:, 5:, :3] == images[1]).all()
    assert (picture[:, 4, 3] == 0).all()


def test_pngs_are_deterministic_and_name_no_program():
    the_set = synthetic_set(coloured(4), ["a", "b"])
    for make in (
        lambda: image_grid(the_set),
        lambda: loss_curve([3, 2, 1]),
        lambda: accuracy_strip(EVALUATED),
    ):
        assert make() == make()
        assert b"Software" not in make()
        assert len(decoded(make())) > 50


def test_svgs_are_deterministic_and_name_no_date():
    for make in (lambda: loss_curve([3.0, 2.0], "svg"), lambda: accuracy_strip(EVALUATED, "svg")):
        assert make() == make()
        assert b"<metadata" not in make()


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_strip_shows_every_network_and_says_what_is_what():
    svg = accuracy_strip(EVALUATED, "svg")
    groups = [group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if group.get("id", "").startswith("Path")]
    # One group of points for each row, and one point in the legend.
    assert sorted(len(list(group.iter(f"{SVG}use"))) for group in groups) == [1, 1, 2, 3]
    shown = " ".join(texts(svg))
    for expected in ("mnist, 1 image/class, dc, learned with ConvNet", "MLP", "whole set", "91.3 ± 1.2", "published mean"):
        assert expected in shown


def test_strip_without_published_number_does_not_mention_one():
    assert "published mean" not in texts(
        accuracy_strip([evaluated([0.3, 0.2], protocol="report", dataset="cifar10")], "svg")
    )


def test_names_are_text_not_markup_or_mathematics():
    assert "<b>$x$, 1 image/class, dc, learned with ConvNet, protocol published" in texts(
        accuracy_strip([evaluated([0.5], dataset="<b>$x$")], "svg")
    )


def test_long_loss_curves_get_a_running_mean():
    assert "mean of 4 iterations" in texts(loss_curve([float(100 - index) for index in range(100)], "svg"))
    assert not any("mean of" in text for text in texts(loss_curve([3.0, 2.0, 1.0], "svg")))
    assert loss_curve([1.0]).startswith(PNG)


def test_global_state_is_left_alone():
    before = dict(matplotlib.rcParams)
    accuracy_strip(EVALUATED)
    assert dict(matplotlib.rcParams) == before


def test_nothing_to_draw():
    with pytest.raises(CondenseError, match="no losses"):
        loss_curve([])
    with pytest.raises(CondenseError, match="no evaluations"):
        accuracy_strip([learned()])


def drawn_strip(values: list[float], *arguments: Any, **named: Any) -> Axes:
    axes = Figure().add_subplot()
    strip_of(axes, 2, values, *arguments, **named)
    return axes


def test_a_strip_has_every_network_above_its_line_and_the_mean_with_its_interval_below() -> None:
    axes = drawn_strip([93.0, 90.0, 91.0], (88.0, 91.3, 94.6), (91.7, "published mean"))
    points = np.asarray(axes.collections[0].get_offsets())
    assert points[:, 0].tolist() == [90.0, 91.0, 93.0] and (points[:, 1] < 2).all() and (points[:, 1] > 1.5).all()
    assert len(np.unique(points[:, 1])) == 3  # neighbours do not hide each other
    mean, diamond = axes.lines
    assert np.asarray(mean.get_xdata()).tolist() == [88.0, 91.3, 94.6] and np.min(np.asarray(mean.get_ydata())) > 2
    assert np.asarray(diamond.get_xdata()).tolist() == [91.7] and diamond.get_marker() == "D"
    assert [*marks_of([axes, axes])] == ["one network", "mean, 95 % interval", "published mean"]


def test_a_strip_names_what_its_ends_are_and_needs_no_number_of_others() -> None:
    axes = drawn_strip([1.0], (0.5, 1.0, 1.5), middle="mean, standard error")
    assert [*marks_of([axes])] == ["one network", "mean, standard error"]


def test_an_interval_that_is_not_stated_has_no_width() -> None:
    assert percent_ends(summarise([0.5, 0.7])) == pytest.approx((60.0, 60.0, 60.0))
    low, mean, high = percent_ends(summarise([0.5, 0.6, 0.7]))
    assert low < mean < high and mean == pytest.approx(60.0)
