import base64
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from report_samples import COST, evaluated, learned, on_whole_set, synthetic_set

from condense.records import Record
from condense.report.experiment import (
    Configuration,
    Picture,
    Report,
    Section,
    provenance,
    render_experiment,
    write_experiment,
)
from condense.report.figures import loss_curve
from condense.report.html import Figure
from condense.report.page import render_page
from condense.report.rendering import Table
from condense.synthetic_set import SyntheticSet

VOID = {"meta", "img", "br", "link", "hr", "input"}
SECTIONS = ("Images", "Accuracy", "Matching loss", "Cost", "Configuration", "Provenance")


class Page(HTMLParser):
    """Checks that every element is closed, and collects attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def sample(names: tuple[str, ...] = ("zero", "one"), each: int = 1) -> tuple[list[Record], SyntheticSet]:
    the_set = synthetic_set(torch.full((len(names) * each, 1, 8, 8), 77, dtype=torch.uint8), names)
    records = [learned(), evaluated([0.916, 0.922], sha256=the_set.sha256), on_whole_set([0.996])]
    return records, the_set


def test_result_in_a_sentence():
    text = Page(render_page("A title", *sample())).text
    assert (
        "A ConvNet trained from scratch on these 2 images classifies 91.9 % of the 10,000 test images correctly "
        "(2 networks, standard deviation 0.3)."
    ) in text
    assert "Published: 91.7 ± 0.5 %. Trained on all real images, the same network reaches 99.6 ± 0.0 %." in text


@pytest.mark.parametrize("each", [1, 3])
def test_all_sections_are_present(each: int):
    page = Page(render_page("A title", *sample(each=each)))
    for section in (*SECTIONS, "A title", "12.5 s", "1.5 GiB", "condense 0.1.0", "f" * 64):
        assert section in page.text
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [image["alt"] for image in images] == [
        f"{each} synthetic image{'s' if each > 1 else ''} of class {name}" for name in ("zero", "one")
    ]
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 2
    assert all(attributes.get("aria-label") for tag, attributes in page.tags if tag == "svg")
    assert len([tag for tag, _ in page.tags if tag == "details"]) == 4


def test_page_loads_nothing():
    html = render_page("A title", *sample())
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base"}
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_images_are_embedded_as_png():
    page = Page(render_page("A title", *sample()))
    source = next(attributes["src"] for tag, attributes in page.tags if tag == "img")
    assert source and base64.b64decode(source.split(",")[1]).startswith(b"\x89PNG")


def test_ids_are_unique_and_references_resolve():
    html = render_page("A title", *sample())
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) | set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids)


def test_names_are_escaped_everywhere():
    evil = "<script>alert(1)</script>"
    _, the_set = sample((evil, "one"))
    records = [
        replace(learned(dataset=evil), notes=[evil]),
        replace(evaluated([0.5, 0.6], dataset=evil, network=evil), notes=[evil], cost=replace(COST, device=evil)),
    ]
    html = render_page(evil, records, the_set)
    assert "<script" not in html
    assert all(tag != "script" for tag, _ in Page(html).tags)
    assert evil in Page(html).text


def test_equal_input_gives_an_equal_page():
    assert render_page("A title", *sample()) == render_page("A title", *sample())


def test_without_a_synthetic_set():
    records, _ = sample()
    text = Page(render_page("A title", records)).text
    assert "on 1 image per class of mnist classifies" in text
    assert "made without a synthetic set" in text


def test_before_any_evaluation():
    page = Page(render_page("A title", [learned()], sample()[1]))
    assert "Nothing has been evaluated yet." in page.text
    assert all(section in page.text for section in SECTIONS)


def test_with_nothing_but_a_title():
    assert "The records hold no losses." in Page(render_page("A title", [])).text


def test_several_sets_one_network_and_the_whole_set():
    several = [evaluated([0.9, 0.9], sha256="a"), evaluated([0.8, 0.8], sha256="b")]
    assert "(4 networks on 2 sets, standard deviation 5.0)" in Page(render_page("A title", several)).text
    single = [evaluated([0.9], network="MLP", sha256="a")]
    assert "An MLP trained from scratch" in Page(render_page("A title", single)).text
    assert "(one network)" in Page(render_page("A title", single)).text
    whole = Page(render_page("A title", [on_whole_set([0.996, 0.995])])).text
    assert "on all real images of mnist classifies 99.6 % of the test images correctly" in whole


def test_the_headline_is_about_the_set_shown():
    records, the_set = sample()
    other = evaluated([0.99], sha256="other", images_per_class=10)
    assert "on these 2 images classifies 91.9" in Page(render_page("A title", [other, *records], the_set)).text


EVIL = "<script>alert(1)</script>"


def experiment() -> Report:
    """A report with a piece of every kind, of hostile names."""
    figure = Figure("losses", EVIL, partial(loss_curve, [3.0, 2.0, 1.0]), f'"{EVIL}')
    table = Table(EVIL, ("what", "n"), (("a sentence", "1"),), (), (), (False, True), wide=frozenset({0}))
    pieces = (EVIL, table, figure, Picture(EVIL, b"png", f'"{EVIL}'), Configuration(EVIL, {EVIL: "é"}))
    several = provenance([learned(), replace(learned(), cost=replace(COST, threads=1))], timed="time of it")
    return Report(EVIL, EVIL, (Section("nothing", ()), Section("Everything", pieces)), several)


def test_pieces_of_an_experiment_in_their_order():
    page = Page(render_experiment(experiment()))
    assert [tag for tag, _ in page.tags if tag in ("p", "table", "svg", "img", "details")][1:] == [
        *("p", "table", "svg", "img", "details")
    ]
    assert ("td", {"class": "wide"}) in page.tags and '"é"' in page.text and "nothing" not in page.text
    assert all(tag != "script" for tag, _ in page.tags) and EVIL in page.text
    for fact in (
        "time of it 25.0 s",
        "made on cpu, 2 threads made on cpu, 1 thread made with condense 0.1.0",
        "first started",
    ):
        assert fact.replace(" ", "") in page.text.replace(" ", "")


def test_an_experiment_without_records_has_no_provenance():
    assert "Provenance" not in Page(render_experiment(replace(experiment(), provenance=provenance([])))).text


def test_tables_and_figures_of_an_experiment_are_files_too(tmp_path: Path):
    page = write_experiment(experiment(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tables.md", "losses.png", "page.html"}
    assert page.read_text() == render_experiment(experiment())
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG") and "a sentence" in (
        tmp_path / "tables.md"
    ).read_text()


def test_letters_are_of_one_size_in_narrow_and_wide_figures():
    html = render_page("A title", *sample())
    widths = re.findall(r'style="--width: ([0-9.]+)rem"[^>]* width="([0-9.]+)pt"', html)
    assert len(widths) == 2 and {float(points) / float(rem) for rem, points in widths} == {10.0}
