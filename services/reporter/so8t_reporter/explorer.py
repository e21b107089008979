"""explorer.html: every test row with both models' answers; one self-contained file without external requests."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from so8t_reporter.explorer_data import explorer_json
from so8t_reporter.inputs import Names, ReportInputs
from so8t_shared.palette import palette
from so8t_shared.results.stamp import CREATED, SESSION


def render_explorer(inputs: ReportInputs, names: Names) -> str:
    """Return the page; its policy allows this one script and style, nothing else."""
    environment = Environment(
        loader=PackageLoader("so8t_reporter"), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    style, script = palette() + packaged("explorer.css"), packaged("explorer.js")
    return environment.get_template("explorer.html.j2").render(
        names=names,
        dated=f"{CREATED}, session {SESSION}",
        policy=(
            f"default-src 'none'; script-src {_allowed(script)}; style-src {_allowed(style)}; img-src data:;"
            " base-uri 'none'; form-action 'none'"
        ),
        style=Markup(style),  # noqa: S704  our own file
        script=Markup(script),  # noqa: S704  our own file
        data=Markup(explorer_json(inputs, names)),  # noqa: S704  escaped for a script element
    )


def packaged(name: str) -> str:
    """Return the text of a template file."""
    return resources.files("so8t_reporter").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _allowed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
