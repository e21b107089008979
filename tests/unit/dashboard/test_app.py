"""The dashboard's answers: pages, policies, files and the report."""

from __future__ import annotations

import hashlib
import html
import json
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.unit.dashboard.material import FAILED, FINISHED, RUNNING, SECOND, SPITEFUL, Served, serving
from tests.unit.shared.material import make_config
from tests.unit.shared.processes import until

from so8t_dashboard.guarding import POLICY
from so8t_dashboard.reading.figures import METRICS
from so8t_shared import formatting as fmt
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.verdicts import WORDS
from so8t_shared.store.local import LocalStore

STUDY = "/studies/gates"
PAGES = ("/", "/compare", STUDY, *(f"/sessions/{FINISHED}{tab}" for tab in ("", "/log", "/files", "/plan", "/report")))


@pytest.mark.parametrize("path", PAGES)
def test_what_a_page_may_load(served: Served, path: str) -> None:
    """Each page has the policy, and nothing inline that the policy would stop."""
    answer = served.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY
    tags = _Tags(answer.text).found
    assert "script" in {name for name, _ in tags}
    assert [tag for tag in tags if tag[0] == "style" or (tag[0] == "script" and "src" not in tag[1])] == []
    assert [tag for tag in tags if any(name == "style" or name.startswith("on") for name in tag[1])] == []
    assert {(tag[1].get("href") or "/")[:1] for tag in tags} <= {"/", "#", "d"}, "but data:, none leads elsewhere"


def test_a_study(served: Served) -> None:
    """Its grid leads to each session that has begun, with the results of finished ones."""
    page = served.get(STUDY).text
    links = [tag[1]["href"] for tag in _Tags(page).found if tag[1].get("href", "").startswith("/sessions/")]
    assert links == [f"/sessions/{name}" for name in (FINISHED, SECOND, RUNNING)]
    assert "2 of 4 models finished" in page
    assert STUDY in served.get("/").text
    assert served.get("/studies/nosuch").status_code == 404


def test_a_stage_without_a_log(served: Served) -> None:
    """It is shown as such; no other stage's lines stand under its name."""
    served.get(f"/sessions/{FAILED}/log")
    served.wait(lambda state: state.store.get_bytes(f"sessions/{FAILED}/train/log.jsonl"))
    page = served.get(f"/sessions/{FAILED}/log?stage=report").text
    current = [tag for tag in _Tags(page).found if tag[1].get("aria-current") == "true"]
    assert [tag[1]["href"] for tag in current][:1] == [f"/sessions/{FAILED}/log?stage=report&level=INFO"]
    assert page.count('<li class="level-') == 0
    assert '<li class="level-' in served.get(f"/sessions/{FAILED}/log?stage=nosuch").text


def test_live_pages_are_bounded(tmp_path: Path) -> None:
    """Beyond its room a live page is refused, pages themselves are not; whoever leaves makes room."""
    with ExitStack() as leaving:
        dashboard = leaving.enter_context(serving(LocalStore(tmp_path), make_config(tmp_path), following=2))
        client = leaving.enter_context(httpx.Client(base_url=dashboard.url, timeout=20))
        first, second = (leaving.enter_context(client.stream("GET", "/live/")) for _ in range(2))
        assert [first.status_code, second.status_code] == [200, 200]
        assert client.get("/live/").status_code == 503
        assert client.get("/").status_code == 200
        first.close()
        until(lambda: _streams(client), "room")


def _streams(client: httpx.Client) -> bool:
    with client.stream("GET", "/live/") as answer:
        return answer.status_code == 200


def test_a_report_is_confined(served: Served) -> None:
    """The report has a policy of its own: a sandbox without this origin, that only our pages may frame."""
    _wait_for_manifests(served)
    for name, scripts in (("report.html", False), ("explorer.html", True)):
        answer = served.get(f"/sessions/{FINISHED}/report/{name}")
        policy = answer.headers["content-security-policy"]
        assert answer.headers["content-type"].startswith("text/html")
        assert ("sandbox" in policy, "allow-same-origin" in policy, "allow-scripts" in policy) == (True, False, scripts)
        assert "frame-ancestors 'self'" in policy
        assert FINISHED in answer.text
        assert "⟨session" not in answer.text
    assert served.get(f"/sessions/{FINISHED}/report/answers.csv").status_code == 404


def test_download(served: Served) -> None:
    """A file comes with the bytes of its manifest, as an attachment that no browser shows."""
    _wait_for_manifests(served)
    answer = served.get(f"/sessions/{FINISHED}/files/train/training.json")
    page = served.get(f"/sessions/{FINISHED}/files").text
    assert hashlib.sha256(answer.content).hexdigest() in page
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("session", [FINISHED, SECOND])
def test_the_gate_stands_beside_the_verdict(served: Served, session: str) -> None:
    """With its own color: B may be better and yet not ship."""
    _wait_for_manifests(served)
    found = EvaluationResult.from_bytes(served.get(f"/sessions/{session}/files/conclude/evaluation.json").content, "")
    tone = {"pass": "good", "fail": "bad", "undecided": "warn"}[found.gate.result]
    title = html.escape(WORDS[found.headline.verdict].title)
    verdict = f'<span class="chip tone-{WORDS[found.headline.verdict].tone}">{title}</span>'
    chips = f'{verdict} <span class="chip tone-{tone}">gate: {found.gate.result}</span>'
    for path in (f"/sessions/{session}", f"/compare?s={session}"):
        served.wait(lambda state, path=path: chips in served.get(path).text)
    assert f'gate: <b class="tone-{tone}">{found.gate.result}</b>' in served.get("/").text
    assert f'<span class="chip tone-{tone}">gate: {found.gate.result}</span>' in served.get(STUDY).text


def test_each_figure_has_its_interval(served: Served) -> None:
    """In words and in the picture: right decisions, both errors, and the latency of either model."""
    _wait_for_manifests(served)
    found = EvaluationResult.from_bytes(served.get(f"/sessions/{FINISHED}/files/conclude/evaluation.json").content, "")
    page = served.get(f"/compare?s={FINISHED}").text
    medians = [median for line in found.latency_ratios for median in (line.a_ms, line.b_ms)]
    assert len(medians) == 4
    for median in medians:
        assert median is not None
        assert f"{fmt.milliseconds(median.value)} ({fmt.milliseconds(median.low)} to " in page
    titles, charts = [*METRICS.values(), "Median latency, ms"], page.split("<figcaption>")[1:]
    for title in titles:
        drawn = [chart for chart in charts if chart.lower().startswith(title.lower())]
        assert len(drawn) == 2, "one chart per quantization"
        for chart in drawn:
            spans = [tag for name, tag in _Tags(chart).found if name == "line" and "span" in (tag["class"] or "")]
            assert len(spans) == 2, "A and B"
            assert all(float(span["x1"] or 0) < float(span["x2"] or 0) for span in spans)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "train/../../../session.json",
            "train/..%2f..%2f..%2fsession.json",
            "train/%2fetc/passwd",
            "none/training.json",
        ),
        *("train/%2e/training.json", "train/training.json%00", "train//training.json", "train/manifest.json"),
    ],
)
def test_only_what_a_manifest_names(served: Served, path: str) -> None:
    """No other path is ever opened."""
    _wait_for_manifests(served)
    assert served.get(f"/sessions/{FINISHED}/files/{path}").status_code == 404


def test_no_such_session(served: Served) -> None:
    """An unknown name, or one that leads elsewhere, is a page that says so; its live parts end, too."""
    for name in ("none", "..", "%2e%2e", "by-config"):
        assert served.get(f"/sessions/{name}/log").status_code == 404
        assert served.get(f"/live/sessions/{name}/log").status_code == 404
    assert served.get(f"/sessions/{quote(SPITEFUL, safe='')}").status_code == 200


def test_only_reading(served: Served) -> None:
    """No method but GET and HEAD does anything."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, f"{served.url}/sessions/{FINISHED}").status_code == 405


def test_live_parts(served: Served) -> None:
    """Events bring each live part once, then only those that change."""
    with httpx.stream("GET", f"{served.url}/live/sessions/{RUNNING}", timeout=20) as stream:
        data = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert set(json.loads(data.removeprefix("data:"))) == {"store", "overview"}


def test_nothing_is_written(served: Served, tmp_path: Path) -> None:
    """All pages of all sessions leave a store as it was, its local part aside."""
    store = LocalStore(served.service.poller.store.local_root.parent)
    before = {key: stat for folder in ("sessions", "artifacts") for key, stat in store.listing(folder)}
    for path in PAGES:
        served.get(path)
    after = {key: stat for folder in ("sessions", "artifacts") for key, stat in store.listing(folder)}
    assert [k for k in before if before[k] != after.get(k) and RUNNING not in k] == []
    assert after.keys() == before.keys()


class _Tags(HTMLParser):
    """Names and attributes of all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _wait_for_manifests(served: Served) -> None:
    served.get(f"/sessions/{FINISHED}")
    served.wait(lambda state: any("artifacts/train/" in key for key in state.store.list("artifacts/train")))
    served.wait(lambda state: list(state.store.list("artifacts/report")))
