"""report.html and study.html: self-contained files without scripts or external requests."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from so8t_reporter.document import Report
from so8t_reporter.explorer import packaged
from so8t_reporter.study.document import StudyReport
from so8t_shared.palette import palette


def render_html(report: Report | StudyReport, template: str = "report.html.j2") -> str:
    """Return the whole report, including pictures for light and dark displays; all text is escaped."""
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
    style = palette() + packaged("report.css")
    return environment.get_template(template).render(report=report, style=Markup(style))  # noqa: S704  our own file


def _unbroken(value: object) -> object:
    """Return plain text in which no line breaks inside "p = 0.03"; escaping happens afterwards."""
    if type(value) is not str:
        return value
    for loose in ("p < ", "p = "):
        value = value.replace(loose, loose.replace(" ", "\u00a0"))
    return value
