"""explorer.html and report.html in a real Chromium, opened from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import Page, chromium
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.rendering import NAMES, Rendered, read
from tests.unit.reporter.test_explorer import SCENARIO, SEPARATORS, with_texts, with_turns

from so8t_reporter.answers import outcome, pairs_of
from so8t_reporter.explorer import render_explorer
from so8t_reporter.inputs import ReportInputs

RTL = "\u202eمرحبا\u202c"
TEXTS = [*HOSTILE, "</script><script>document.title='owned'</script>", SEPARATORS, RTL, "x" * 1_000_000]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """130 rows in 65 groups, with every kind of mistake."""
    return read(write_folders(tmp_path_factory.mktemp("small"), SCENARIO))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Chromium for all tests."""
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def explorer(browser: Page, small: ReportInputs, tmp_path: Path) -> Iterator[Page]:
    """The open explorer; afterward it must not have failed or asked for anything but itself."""
    yield from opened(browser, small, tmp_path / "explorer.html")


def opened(browser: Page, inputs: ReportInputs, path: Path) -> Iterator[Page]:
    path.write_text(render_explorer(inputs, NAMES), encoding="utf-8")
    browser.faults.clear()
    browser.requests.clear()
    browser.resize(1400)
    browser.open(path)
    yield browser
    assert browser.faults == []
    assert {address for address in browser.requests if not address.startswith("data:")} == {path.as_uri()}


def choose(page: Page, **values: str) -> int:
    """Set filters by what a reader sees in them and return how many rows are found."""
    for name, value in values.items():
        page.run(
            f"""(() => {{ const field = document.getElementById({name!r});
            field.value = field.options ? [...field.options].find((o) => o.text === {value!r}).value : {value!r};
            field.dispatchEvent(new Event("input", {{ bubbles: true }})); }})()"""
        )
    return int(page.run("document.getElementById('count').textContent.split(' of ')[0].replace(',', '')"))


def texts(page: Page, selector: str) -> list[str]:
    return list(page.run(f"[...document.querySelectorAll({selector!r})].map((e) => e.textContent)"))


def expected(inputs: ReportInputs, wanted: Any) -> int:
    return sum(wanted(a, b) for a, b in pairs_of(inputs, "q4_k_m", "logprob"))


def test_filters_count(explorer: Page, small: ReportInputs) -> None:
    """Each filter finds as many rows as the answers have, in the setting that is shown first."""
    rows = {row.id: row for row in small.test_rows}
    assert choose(explorer) == 130
    for label in ("ALLOW", "REFUSE"):
        assert choose(explorer, gold=label) == expected(small, lambda a, b, label=label: a.gold == label)
    choose(explorer, gold="All")
    for words in ("lost", "both wrong", "gained", "both right"):
        assert choose(explorer, outcome=words) == expected(small, lambda a, b, words=words: outcome((a, b)) == words)
    choose(explorer, outcome="All")
    harmful = {"DENY", "REFUSE"}
    for side in (0, 1):
        found = choose(explorer, danger=f"{'AB'[side]}: Should be stopped, was allowed")
        assert found == expected(
            small, lambda *pair, side=side: pair[side].gold in harmful and pair[side].predicted == "ALLOW"
        )
        assert found > 0
    assert choose(explorer, danger="B: any danger") == expected(
        small, lambda a, b: b.gold != "ALLOW" and b.predicted == "ALLOW"
    )
    choose(explorer, danger="All")
    assert choose(explorer, language="ja") == expected(small, lambda a, b: rows[a.row_id].language == "ja")
    choose(explorer, language="All")
    assert choose(explorer, category="wages") == expected(small, lambda a, b: rows[a.row_id].category == "wages") > 0
    choose(explorer, category="All")
    group = small.test_rows[0].group
    assert choose(explorer, group=group) == expected(small, lambda a, b: rows[a.row_id].group == group) == 2
    choose(explorer, group="")
    assert choose(explorer, search="CONTRACT") == expected(small, lambda a, b: rows[a.row_id].language == "en")
    choose(explorer, search="")
    assert choose(explorer, quantization="All") == 3 * 130
    assert choose(explorer, scoring="All") == 6 * 130


def test_clear(explorer: Page) -> None:
    """One button undoes all filters."""
    assert choose(explorer, outcome="lost", search="contract") < 130
    explorer.run("document.querySelector('button[type=reset]').click()")
    explorer.run("new Promise((done) => setTimeout(done, 50))")
    assert choose(explorer) == 130


def test_worst_first(explorer: Page, small: ReportInputs) -> None:
    """Dangerous answers precede lost rows, and these precede all others."""
    tags = []
    while True:
        tags += texts(explorer, ".tag")
        if explorer.run("document.getElementById('next').disabled"):
            break
        explorer.run("document.getElementById('next').click()")
    assert len(tags) == 130
    order = ["Should be stopped", "A human should decide", "lost", "both wrong", "gained", "both right"]
    ranks = [next(i for i, words in enumerate(order) if words in tag) for tag in tags]
    assert ranks == sorted(ranks)
    assert set(ranks) == set(range(6))


def test_details(explorer: Page, small: ReportInputs) -> None:
    """An open row shows its whole text, both answers and their four probabilities, and its group finds its like."""
    explorer.run("document.querySelector('.row').click()")
    assert texts(explorer, ".row[aria-expanded=true] .words") == texts(explorer, ".detail .text")
    assert len(texts(explorer, ".detail .a .share")) == len(texts(explorer, ".detail .b .share")) == 4
    assert len(texts(explorer, ".detail tbody tr")) == 6
    explorer.run("document.querySelector('.facts button').click()")
    assert choose(explorer) == 2


def test_turns(browser: Page, small: ReportInputs, tmp_path: Path) -> None:
    """What came before a request is folded, named in the list, found by its words, and does nothing, even hostile."""
    turns = [
        ("system", HOSTILE[0]),
        ("user", HOSTILE[1]),
        ("assistant", f"<think>SECRET</think>Hm. {RTL}"),
        ("user", "x"),
    ]
    turns += [("assistant", "<think>SECRET</think>")]
    for page in opened(browser, with_turns(small, turns), tmp_path / "explorer.html"):
        assert texts(page, "li:first-child .tag")[0].endswith(" · System prompt and 4 earlier turns")
        page.run("document.querySelector('.row').click()")
        page.run("document.querySelector('.turns summary').focus()")
        assert page.run("document.querySelector('.turns p').checkVisibility({ contentVisibilityAuto: true })") is False
        page.press("Enter")
        assert page.run("document.querySelector('.turns p').checkVisibility({ contentVisibilityAuto: true })") is True
        assert texts(page, ".turns b") == ["system", "user", "assistant", "user", "assistant"]
        assert texts(page, ".turns p") == [HOSTILE[0], HOSTILE[1], f"Hm. {RTL}", "x", "(nothing outside its thinking)"]
        assert (choose(page, search="onerror"), choose(page, search="alert(1)")) == (130, 0)
        for width in (390, 1400):
            page.resize(width)
            assert page.run("document.documentElement.scrollWidth") == width


def test_keyboard(explorer: Page) -> None:
    """Rows are reached, opened, closed and paged without a mouse, and / leads to the search."""
    explorer.press("/")
    assert explorer.run("document.activeElement.id") == "search"
    explorer.press("c", "o", "n", "/")
    assert explorer.run("document.activeElement.value") == "con/"
    choose(explorer, search="")
    explorer.press("ArrowDown", "ArrowDown")
    place = "[...document.querySelectorAll('.row')].indexOf(document.activeElement)"
    assert explorer.run(place) == 1
    explorer.press("Enter")
    assert explorer.run("document.querySelectorAll('.detail').length") == 1
    explorer.press("Escape")
    assert explorer.run("document.querySelectorAll('.detail').length") == 0
    explorer.press("ArrowUp")
    assert explorer.run(place) == 0
    explorer.press("ArrowRight")
    assert texts(explorer, "#page") == ["Page 2 of 3"]
    assert explorer.run(place) == 0
    explorer.press("ArrowLeft", "ArrowLeft")
    assert texts(explorer, "#page") == ["Page 1 of 3"]


def test_hostile_texts(browser: Page, small: ReportInputs, tmp_path: Path) -> None:
    """Markup, scripts, right-to-left marks and a megabyte are shown as they are and do nothing."""
    for page in opened(browser, with_texts(small, TEXTS), tmp_path / "explorer.html"):
        page.run("document.querySelectorAll('.row').forEach((row) => row.click())")
        seen = {*texts(page, ".detail .text"), *texts(page, ".detail .wrote")}
        assert {*TEXTS[:-1]} <= seen
        assert any(text.startswith("x" * 1000) for text in seen)
        assert page.run("document.title") == f"Rows of {NAMES.a} and {NAMES.b}"
        assert page.run("document.querySelectorAll('img, iframe, main script').length") == 0
        assert page.run("document.documentElement.scrollWidth") == 1400


def test_policy_holds(browser: Page, rendered: Rendered) -> None:
    """Even if a script or picture got in, the browser would refuse it; so the other tests' silence means something."""
    browser.open(rendered.folder / "explorer.html")
    browser.faults.clear()
    browser.run(
        """(() => { const image = document.createElement("img"); image.src = "https://elsewhere.example/x.png";
        const script = document.createElement("script"); script.textContent = "document.title = 'owned'";
        document.body.append(image, script); })()"""
    )
    assert browser.run("document.title") != "owned"
    assert sum("Content Security Policy" in fault for fault in browser.faults) == 2


@pytest.mark.parametrize("name", ["report.html", "explorer.html"])
def test_phone(browser: Page, rendered: Rendered, name: str) -> None:
    """At 390 pixels nothing is wider than the screen, in light and dark."""
    browser.faults.clear()
    for dark in (False, True):
        browser.resize(390, dark=dark)
        browser.open(rendered.folder / name)
        if name == "explorer.html":
            browser.run("document.querySelector('.row').click()")
        assert browser.run("document.documentElement.scrollWidth") == 390
        background = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(15, 19, 25)") == dark
    assert browser.faults == []


def test_many_rows_stay_usable(browser: Page, rendered: Rendered, tmp_path: Path) -> None:
    """The list holds one page of rows, however many there are."""
    browser.resize(1400)
    browser.open(rendered.folder / "explorer.html")
    assert choose(browser, quantization="All", scoring="All") == 6 * 320
    assert browser.run("document.querySelectorAll('#list > li').length") == 50
