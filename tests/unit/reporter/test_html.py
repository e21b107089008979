"""report.html: well-formed, self-contained, everything escaped, the same facts as the Markdown."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

from tests.unit.reporter.hostile import HOSTILE, hostile_inputs, hostile_settings
from tests.unit.reporter.rendering import Rendered, text_report

from so8t_reporter.document import Picture
from so8t_reporter.html import render_html
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.stamp import CONFIGURATION, CREATED, SESSION

BESIDE = {"answers.csv", "explorer.html", "verify_a.json", "verify_b.json"}
VOID = {"meta", "link", "img", "source", "br"}
CLOSING = "</figure></main></body></html>"
ADDRESSES = {"src", "srcset", "href", "action", "data", "poster", "background"}


class Page(HTMLParser):
    """Collects elements and text, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute stands twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, white space made plain."""
        return " ".join("".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_well_formed_and_self_contained(rendered: Rendered) -> None:
    """All tags match, ids are unique, and no address leads out of the file but to the files beside it."""
    page = Page(rendered.text("report.html"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    addresses = [v for _, attributes in page.elements for k, v in attributes.items() if k in ADDRESSES and v]
    assert all(address.startswith(("data:", "#")) for address in addresses if address not in BESIDE)
    assert {a for a in addresses if a.startswith("#")} <= {f"#{i}" for i in ids}
    style = re.search(r"<style>(.*?)</style>", rendered.text("report.html"), re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|https?:|expression", style[1])


def test_no_script(rendered: Rendered) -> None:
    """There is neither a script nor a handler, and the page forbids itself both."""
    page = Page(rendered.text("report.html"))
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {name for name, _ in page.elements}
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_pictures_are_the_files(rendered: Rendered) -> None:
    """Each picture file is embedded byte for byte, with words for the blind, and dark and narrow variants."""
    page = Page(rendered.text("report.html"))
    embedded = {base64.b64decode((a["src"] or "").removeprefix("data:image/png;base64,")) for a in page.all("img")}
    files = {path.read_bytes() for path in (rendered.folder / "visualizations").iterdir()}
    assert embedded == files
    assert all(a["alt"] and a["width"] and a["height"] for a in page.all("img"))
    others = [(a["media"], base64.b64decode((a["srcset"] or "").partition(",")[2])) for a in page.all("source")]
    assert {media: sum(media == each for each, _ in others) for media, _ in others} == dict.fromkeys(
        (
            "(max-width: 640px) and (prefers-color-scheme: dark)",
            "(max-width: 640px)",
            "(prefers-color-scheme: dark)",
        ),
        len(files),
    )
    assert len({picture for _, picture in others} | files) == 4 * len(files)


def test_hostile_text_stays_text(inputs: ReportInputs) -> None:
    """User text adds no element, and a reader sees it as it was written."""
    harmless = Page(render_html(text_report(inputs)))
    page = Page(render_html(text_report(hostile_inputs(inputs), hostile_settings())))
    assert {name for name, _ in page.elements} <= {name for name, _ in harmless.elements} | {"p"}
    for payload in HOSTILE:
        assert " ".join(payload.split()) in page.text
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]


def test_hostile_alternative_text(inputs: ReportInputs) -> None:
    """Text in attributes is escaped as well."""
    report = text_report(inputs)
    name = "metrics_comparison"
    report.pictures[name] = Picture(
        name, HOSTILE[1], HOSTILE[0], HOSTILE[1], "v/x.png", "image/png", b"light", b"dark", 10, 10
    )
    (image,) = Page(render_html(report)).all("img")
    assert image["alt"] == HOSTILE[1]


def test_says_the_same_as_the_document(rendered: Rendered, sparse_rendered: Rendered) -> None:
    """Every text of every section is on the page, and nothing is rounded away on the way."""
    for one in (rendered, sparse_rendered):
        page = Page(one.text("report.html"))
        assert one.report.summary in page.text
        for section in one.report.sections:
            assert section.title in page.text
            for block in section.blocks:
                if block.kind == "table":
                    assert all(" ".join(cell.text.split()) in page.text for row in block.rows for cell in row)
                elif block.kind in {"facts", "notes"}:
                    assert all(value in page.text for pair in block.items for value in pair)


def test_undefined_is_said(sparse_rendered: Rendered) -> None:
    """What was not measured is called undefined with its n; a recall without a row is not 0."""
    page = Page(sparse_rendered.text("report.html"))
    assert "undefined (n = 0)" in page.text
    assert "No A/A control was run." in page.text
    assert "No bag-of-words baseline was measured." in page.text
    assert "No optimizer step was taken" in page.text


def test_first_screen_comes_first(rendered: Rendered) -> None:
    """Verdict, sentence, the gate's word, the deciding figures, its clauses and the main picture precede all else."""
    text = rendered.text("report.html")
    places = [
        text.index(mark)
        for mark in (
            *("<h1>", 'class="summary"', 'class="ship', 'class="decisions"', "The gate</h3>", 'href="explorer.html"'),
            *('id="picture-metrics_comparison"', "<nav"),
        )
    ]
    assert places == sorted(places)


def test_first_screen_is_said(sparse_rendered: Rendered) -> None:
    """Every clause that does not pass, every figure against B and every step stands before the main picture."""
    page = Page(sparse_rendered.text("report.html").partition('id="picture-metrics_comparison"')[0] + ">" + CLOSING)
    first = sparse_rendered.report.first
    assert first.gate
    assert first.next_steps
    for words in (
        *(part for line in first.gate for part in (line.name, line.reason, line.result)),
        *(first.gate_words, *first.passed, *first.against, *first.next_steps),
        *(cell.text for row in first.decisions.rows for cell in row),
    ):
        assert " ".join(words.split()) in page.text


def test_says_where_it_comes_from(rendered: Rendered) -> None:
    """Session, date, configuration, program, models and rows are named; the export fills in the first three."""
    page = Page(rendered.text("report.html"))
    assert [name for name, _ in rendered.report.provenance] == [
        "Session", "Date", "SO8T-AB", "Configuration digest", "Model A, q4_k_m, sha256", "Model B, q4_k_m, sha256",
        "Test rows, digest",
    ]  # fmt: skip
    assert all(value in page.text for _, value in rendered.report.provenance)
    assert {SESSION, CREATED, CONFIGURATION} <= {value for _, value in rendered.report.provenance}


def test_adapts(rendered: Rendered) -> None:
    """The page scales on phones and has rules for narrow, dark and printed pages."""
    page, text = Page(rendered.text("report.html")), rendered.text("report.html")
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    for rule in ("@media (max-width: 640px)", "@media (prefers-color-scheme: dark)", "@media print"):
        assert rule in text


def test_stylesheet_is_packaged() -> None:
    """Templates and style lie inside the package, where an installed copy finds them."""
    import so8t_reporter

    folder = Path(str(so8t_reporter.__file__)).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {
        *("report.css", "report.html.j2", "report.md.j2", "blocks.html.j2", "sections.md.j2"),
        *("study.html.j2", "study.md.j2"),
        *("explorer.css", "explorer.html.j2", "explorer.js"),
        *("card.en.md.j2", "card.ja.md.j2"),
    }
