"""Pieces of HTML pages: templates that load nothing, pictures inside the page, machines and versions in words."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from condense.report.sheet import ACCENT, INK, MARK, MUTED, RULE, Format

_THEME = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", MARK: "--mark"}
_POINTS_PER_REM = 10


@dataclass(frozen=True)
class Figure:
    """A figure: its name, which no other of the page has, its caption, and what it shows for those who cannot see it."""

    name: str
    caption: str
    draw: Callable[[Format], bytes]
    description: str

    @property
    def svg(self) -> Markup:
        """It as part of a page."""
        return inline_svg(self.draw("svg"), self.name, self.description)


def render_template(name: str, **values: Any) -> str:
    """A template of this folder with its values; equal input gives equal text, and a value that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("condense", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = partial(json.dumps, indent=2, sort_keys=True, ensure_ascii=False)
    return environment.get_template(name).render(values)


def png_source(png: bytes) -> str:
    """The address of a picture that is part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def inline_svg(svg: bytes, prefix: str, description: str) -> Markup:
    """An SVG figure for the page: colours follow the page's scheme, ids are unique, screen readers get the description.

    Its width tells the page how large it may become, so that letters are of one size in figures of all widths.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    width = float(text.partition(' width="')[2].partition("pt")[0]) / _POINTS_PER_REM
    for colour, name in _THEME.items():
        text = text.replace(colour, f"var({name})")
    for before in (' id="', 'href="#', "url(#"):
        text = text.replace(before, f"{before}{prefix}-")
    attributes = f'role="img" aria-label="{escape(description)}" style="--width: {width:.2f}rem"'
    return Markup(text.replace("<svg", f"<svg {attributes}", 1))


def machine(device: str, threads: int) -> str:
    """'cpu, 2 threads'."""
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"


def versions(code: str, libraries: Mapping[str, str]) -> str:
    """'condense 0.1.0, numpy 2.4.2, torch 2.10.0'."""
    return ", ".join([f"condense {code}", *(f"{name} {version}" for name, version in sorted(libraries.items()))])
