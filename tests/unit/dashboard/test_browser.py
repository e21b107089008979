"""The dashboard in a real Chromium: clicks, keys, narrow and dark screens, hostile text, and what it may load."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from tests.unit.dashboard.material import FAILED, FINISHED, JAPANESE, RUNNING, SECOND, SPITEFUL, Served, ask
from tests.unit.reporter.hostile import HOSTILE

from so8t_shared.store.local import LocalStore

HOSTILE_PAGE = f"/sessions/{quote(SPITEFUL, safe='')}"
ADDRESSES = {
    "sessions": "/",
    "compare": "/compare",
    "study": "/studies/gates",
    "running": f"/sessions/{RUNNING}",
    "finished": f"/sessions/{FINISHED}",
    "failed": f"/sessions/{FAILED}",
    "log": f"/sessions/{RUNNING}/log",
    "files": f"/sessions/{FINISHED}/files",
    "plan": f"/sessions/{FINISHED}/plan",
    "report": f"/sessions/{FINISHED}/report",
    "hostile": HOSTILE_PAGE,
    "hostile log": f"{HOSTILE_PAGE}/log",
    "missing": "/sessions/none",
}
SERIOUS = {"serious", "critical"}


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A tab; afterward it must not have failed, opened a dialog, or asked anyone but the dashboard."""
    faults: list[str] = []
    context = browser.new_context(base_url=served.url, viewport={"width": 1400, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(20_000)
    tab.on("console", lambda message: faults.append(message.text) if message.type in {"error", "warning"} else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.on("request", lambda request: faults.append(request.url) if _is_foreign(request.url, served.url) else None)
    yield tab
    context.close()
    assert [fault for fault in faults if "status of 404" not in fault] == []


def _is_foreign(url: str, own: str) -> bool:
    return not url.startswith((f"{own}/", "data:", "blob:"))


@pytest.mark.parametrize("name", ADDRESSES)
def test_everyone_can_read_it(page: Page, name: str) -> None:
    """No serious finding of axe on light and dark screens, and nothing to scroll sideways at 390 pixels."""
    page.goto(ADDRESSES[name])
    found = [*_findings(page)]
    page.emulate_media(color_scheme="dark")
    found += _findings(page)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert found == []


def _findings(page: Page) -> list[str]:
    results = Axe().run(page, options={"iframes": False}).response
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in results["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def test_click_through(page: Page) -> None:
    """From the list to a session, through its tabs to the report, and to the comparison."""
    page.goto("/")
    page.get_by_role("link", name=FINISHED).click()
    expect(page.get_by_role("heading", name=FINISHED)).to_be_visible()
    expect(page.locator("svg.graph.wide .box")).to_have_count(7)
    expect(page.get_by_role("img", name="Loss, nats per token")).to_be_visible()
    page.get_by_role("link", name="Files", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="training.json").click()
    assert download.value.suggested_filename == "training.json"
    page.get_by_role("link", name="Report", exact=True).click()
    inside = page.frame_locator("iframe.report")
    expect(inside.get_by_role("heading", level=1)).to_have_text("B is better than A")
    expect(inside.get_by_text(f"session {FINISHED}").first).to_be_visible()
    page.get_by_role("link", name="Plan", exact=True).click()
    expect(page.get_by_role("cell", name="reuse").first).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".keys .differs th")).to_contain_text(["training.learning_rate"])
    page.get_by_role("link", name=f"Leave out {SECOND}").click()
    expect(page.get_by_role("link", name=f"Add {SECOND}")).to_be_visible()


def test_keyboard_alone(page: Page) -> None:
    """Tab and Enter reach the content, a session and its log, whose lines a typed word filters."""
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    _tab_to(page, RUNNING)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{RUNNING}")
    _tab_to(page, "Log")
    page.keyboard.press("Enter")
    page.wait_for_url("**/log")
    expect(page.locator("#log-lines li:visible")).to_have_count(2)
    _tab_to(page, "debug")
    page.keyboard.press("Enter")
    expect(page.locator("#log-lines li:visible")).to_have_count(3)
    page.get_by_role("searchbox").focus()
    page.keyboard.type("LORA")
    expect(page.locator("#log-lines li:visible")).to_have_count(1)


def _tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise AssertionError(f"Tab never came to {text}")


def test_it_is_live(page: Page, served: Served) -> None:
    """New answers appear without a reload, marked as undecided, and the focus stays where it was."""
    page.goto(f"/sessions/{RUNNING}")
    expect(page.get_by_text("not decided")).to_be_visible()
    link = page.get_by_role("table").get_by_role("link", name="evaluate")
    link.focus()
    ask(LocalStore(served.service.poller.store.local_root.parent), RUNNING, done=222)
    expect(page.get_by_text("222 answers")).to_be_visible()
    expect(page.get_by_role("table").get_by_role("link", name="evaluate")).to_be_focused()


def test_without_scripts(browser: Browser, served: Served) -> None:
    """All is there without JavaScript, as of the page's loading."""
    context = browser.new_context(base_url=served.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name=RUNNING).click()
    expect(page.get_by_text(JAPANESE)).to_be_visible()
    expect(page.locator("progress").first).to_be_visible()
    context.close()


def test_hostile_text(page: Page) -> None:
    """What comes from a store is text, in lists, records, logs and failures."""
    page.goto("/")
    page.get_by_role("link", name=SPITEFUL, exact=True).click()
    expect(page.get_by_role("heading", name=SPITEFUL)).to_be_visible()
    expect(page.get_by_text(HOSTILE[5]).first).to_be_visible()
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.locator("#log-lines .text").first).to_have_text(HOSTILE[0])
    page.goto(f"/compare?s={quote(SPITEFUL, safe='')}&s={FINISHED}")
    expect(page.get_by_role("cell", name=HOSTILE[5])).to_be_visible()
    assert page.evaluate("document.querySelectorAll('iframe, img, script:not([src])').length") == 0


def test_japanese(page: Page) -> None:
    """Japanese lines are shown whole, on a narrow screen too."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/sessions/{RUNNING}/log")
    expect(page.get_by_text(JAPANESE)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
