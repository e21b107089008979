"""Templates to HTML; everything that comes from a store is escaped."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from so8t_dashboard.pages import PAGES, SESSION_PAGES, Page
from so8t_dashboard.service import Service
from so8t_shared import formatting

_KEPT = 64
_SAME_S = 5.0
"""How long a rendered page counts as current if nothing in the store changes (GPUs and ages do)."""


def environment() -> Environment:
    """The templates with their filters."""
    made = Environment(
        loader=PackageLoader("so8t_dashboard"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters |= {
        "url": lambda text: quote(str(text), safe=""),
        "path_url": lambda text: quote(str(text)),
        "moment": moment,
    }
    made.globals |= {"fmt": formatting, "tabs": SESSION_PAGES}
    return made


def moment(iso: str) -> str:
    """A stored time to the second, for people: "2026-11-30 02:13:07 UTC"; other text is returned unchanged."""
    date, separator, clock = iso.partition("T")
    return f"{date} {clock[:8]} UTC" if separator and clock.endswith(("+00:00", "Z")) else iso


class Renderer:
    """Renders pages; a live part is rendered once for all who look at the same one."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._templates = environment()
        self._kept: OrderedDict[tuple[object, ...], dict[str, str]] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, page: Page, request: Request) -> str | None:
        """The whole page; None if there is no such session."""
        context = page.context(self._service, request)
        if context is None:
            return None
        query = f"?{request.url.query}" if request.url.query else ""
        shown = {"page": page, "pages": PAGES, "live_url": f"/live{quote(request.url.path)}{query}"}
        return self.render(f"{page.name}.html.j2", **shown, **self._store(), **context)

    def parts(self, page: Page, request: Request) -> dict[str, str] | None:
        """The live parts by name; None if there is no such session."""
        age = int(time.monotonic() / _SAME_S)
        key = (page.name, request.url.path, request.url.query, self._service.changes, age)
        with self._lock:
            if key not in self._kept:
                context = page.context(self._service, request)
                if context is None:
                    return None
                every = {**self._store(), **context, "page": page}
                self._kept[key] = {n: self.render(f"live/{n}.html.j2", **every) for n in ("store", *page.live)}
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

    def render(self, template: str, **context: object) -> str:
        """One template."""
        return self._templates.get_template(template).render(**context)

    def _store(self) -> dict[str, object]:
        state = self._service.state
        return {"state": state, "location": state.store.location}
