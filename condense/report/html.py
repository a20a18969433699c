"""Pieces of HTML pages: templates that load nothing, pictures inside the page, durations and sizes in words."""

import base64
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from condense.report.figures import ACCENT, INK, MARK, MUTED, RULE

_THEME = {INK: "--ink", MUTED: "--muted", RULE: "--rule", ACCENT: "--accent", MARK: "--mark"}


def render_template(name: str, **values: Any) -> str:
    """A template of this folder with its values; equal input gives equal text, and a value that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("condense", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(values)


def png_source(png: bytes) -> str:
    """The address of a picture that is part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def inline_svg(svg: bytes, prefix: str, description: str) -> Markup:
    """An SVG figure for the page: colours follow the page's scheme, ids are unique, screen readers get the description."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    for colour, name in _THEME.items():
        text = text.replace(colour, f"var({name})")
    for before in (' id="', 'href="#', "url(#"):
        text = text.replace(before, f"{before}{prefix}-")
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))


def duration(seconds: float) -> str:
    """'7.3 s', '16 min 13 s' or '2 h 05 min'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(size: int) -> str:
    """Bytes as '873 MiB' or '1.8 GiB'."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
