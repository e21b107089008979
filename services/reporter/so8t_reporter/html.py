"""report.html: one file that needs nothing else, neither a script nor a request."""

from __future__ import annotations

import base64
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from so8t_reporter.document import Report


def render_html(report: Report) -> str:
    """The whole report, pictures included for light and dark displays; all text is escaped."""
    environment = Environment(
        loader=PackageLoader("so8t_reporter"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    style = resources.files("so8t_reporter").joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html.j2").render(report=report, style=Markup(style))  # noqa: S704  our own file


def _unbroken(value: object) -> object:
    """Plain text in which no line ends between a number and its sign; escaping comes after this."""
    if type(value) is not str:
        return value
    for loose in (" %", "p < ", "p = "):
        value = value.replace(loose, loose.replace(" ", "\u00a0"))
    return value
