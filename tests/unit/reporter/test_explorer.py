"""explorer.html: what it holds, that hostile text stays data, and how large it can get."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.reporter.builders import Evaluation, Scenario, logprobs
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.rendering import NAMES, Rendered, read

from so8t_reporter import explorer_data
from so8t_reporter.explorer import render_explorer
from so8t_reporter.explorer_data import CLASSES, explorer_json
from so8t_reporter.inputs import ReportInputs
from so8t_shared.labels import LABELS
from so8t_shared.results.training import RowTurn

SCENARIO = Scenario(
    skill_a=0.5, skill_b=0.6, support={"ALLOW": 40, "ESCALATION": 30, "DENY": 30, "REFUSE": 30}, group_size=2,
    scorings=("logprob", "generate"),
)  # fmt: skip
"""Few rows, in groups of two, with every kind of mistake."""
SEPARATORS = "\u2028 \u2029"


def with_texts(inputs: ReportInputs, texts: list[str]) -> ReportInputs:
    """The same with these texts in turn, as rows and as what a model wrote."""
    rows = [row.model_copy(update={"text": texts[i % len(texts)]}) for i, row in enumerate(inputs.test_rows)]
    samples = [s.model_copy(update={"text": texts[i % len(texts)]}) for i, s in enumerate(inputs.samples)]
    return ReportInputs(**(vars(inputs) | {"test_rows": rows, "samples": samples}))


def with_turns(inputs: ReportInputs, *conversations: list[tuple[str, str]]) -> ReportInputs:
    """The same with these turns before the requests, in turn."""
    turns = [[RowTurn(role=role, content=text) for role, text in said] for said in conversations]  # type: ignore[arg-type]
    rows = [row.model_copy(update={"turns": turns[i % len(turns)]}) for i, row in enumerate(inputs.test_rows)]
    return replace(inputs, test_rows=rows)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """What is read of a run with probabilities and groups."""
    return read(write_folders(tmp_path_factory.mktemp("upstream"), SCENARIO))


@pytest.fixture(scope="module")
def data(mixed: ReportInputs) -> dict[str, Any]:
    """The explorer's data of the shared scenario."""
    return dict(json.loads(explorer_json(mixed, NAMES)))


def test_every_answer_is_there(mixed: ReportInputs, data: dict[str, Any]) -> None:
    """Each row of the test is there once, with both models' class in every setting."""
    assert sorted(data["rows"]["id"]) == sorted(row.id for row in mixed.test_rows)
    said = {
        (side, setting["quantization"], setting["scoring"], row): CLASSES[label]
        for setting in data["settings"]
        for side in "ab"
        for row, label in zip(data["rows"]["id"], setting[side]["said"], strict=True)
    }
    assert said == {(s.model, s.quantization, s.scoring, s.row_id): s.predicted for s in mixed.samples}


def test_facts_of_rows(mixed: ReportInputs, data: dict[str, Any]) -> None:
    """Text, class, language, category and group are those of the row."""
    rows = {row.id: row for row in mixed.test_rows}
    listed = data["rows"]
    for place, row_id in enumerate(listed["id"]):
        row = rows[row_id]
        assert (listed["text"][place], CLASSES[listed["gold"][place]]) == (row.text, row.label)
        for name in ("language", "category", "group"):
            assert listed[name]["values"][listed[name]["of"][place]] == getattr(row, name)


def test_probabilities(data: dict[str, Any]) -> None:
    """Each label's part of what the four have together, in thousandths; none under a scoring without them."""
    for setting in data["settings"]:
        shares = setting["a"]["shares"]
        if setting["scoring"] == "generate":
            assert shares == []
            continue
        assert len(shares) == len(LABELS) * len(data["rows"]["id"])
        assert all(998 <= sum(shares[i : i + 4]) <= 1002 for i in range(0, len(shares), 4))


def test_shares_of_tiny_probabilities(mixed: ReportInputs) -> None:
    """An untrained model gives the labels next to nothing; their parts are still exact."""
    sample = mixed.samples[0]
    tiny = {label: value - 2000 for label, value in logprobs("DENY", 5).items()}
    parts = explorer_data._shares(sample.model_copy(update={"logprobs": tiny}))
    assert parts == explorer_data._shares(sample.model_copy(update={"logprobs": logprobs("DENY", 5)}))
    assert parts[LABELS.index("DENY")] == max(parts)
    assert explorer_data._shares(None) == [-1, -1, -1, -1]


def test_first_setting(mixed: ReportInputs, data: dict[str, Any]) -> None:
    """It opens with the decisions of the first screen."""
    shown = data["settings"][data["shown"]]
    assert (shown["quantization"], shown["scoring"]) == ("q4_k_m", "logprob")


def test_hostile_text_is_data(mixed: ReportInputs) -> None:
    """No text ends the element that holds it, and each reads back as it was."""
    hostile = with_texts(mixed, [*HOSTILE, "</script>", SEPARATORS, "<!--<script>"])
    page = render_explorer(hostile, NAMES)
    assert page.count("<script") == page.count("</script") == 2
    assert not re.search("[\u2028\u2029]|<!--", page)
    text = re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    found = json.loads(text[1])
    assert {*HOSTILE, "</script>", SEPARATORS} <= set(found["rows"]["text"])


def test_policy(rendered: Rendered) -> None:
    """The page may run its own script and style, known by their digests, and nothing else from anywhere."""
    page = rendered.text("explorer.html")
    policy = re.search('http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    assert policy[1].replace("&#39;", "'").startswith("default-src 'none'; script-src 'sha256-")
    for tag in ("script", "style"):
        own = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert own is not None
        digest = base64.b64encode(hashlib.sha256(own[1].encode()).digest()).decode()
        assert f"{tag}-src &#39;sha256-{digest}&#39;" in page
    code = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert code is not None
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|https?:", code[1])


def test_long_texts_are_cut(mixed: ReportInputs) -> None:
    """A text of a megabyte is cut, and the file says how much is missing and where it is."""
    page = render_explorer(with_texts(mixed, ["x" * 1_000_000]), NAMES)
    assert f"… ({1_000_000 - explorer_data.TEXT_LENGTH:,} more characters in answers.csv)" in page
    assert len(page) < 1.3 * explorer_data.MOST_BYTES


def test_many_rows_stay_small(mixed: ReportInputs) -> None:
    """10,000 rows of long Japanese text in two settings: texts are shortened until they fit."""
    support = dict.fromkeys(LABELS, 2500)
    many = Evaluation(Scenario(support=support, quantizations=("q4_k_m",), scorings=SCENARIO.scorings, sliced=False))
    large = ReportInputs(**(vars(mixed) | {"samples": many.samples(), "test_rows": many.rows()}))
    evaluation = mixed.evaluation.model_copy(
        update={"comparisons": [c for c in mixed.evaluation.comparisons if c.quantization == "q4_k_m"]}
    )
    large = ReportInputs(**(vars(large) | {"evaluation": evaluation}))
    text = explorer_json(with_texts(large, ["契約書" * 700]), NAMES)
    assert len(json.loads(text)["rows"]["id"]) == 10_000
    assert len(text.encode()) < 1.5 * explorer_data.MOST_BYTES


def test_thinking_is_never_shown(mixed: ReportInputs) -> None:
    """What a row says of its thinking does not reach the page."""
    rows = [row.model_copy(update={"thinking": {"task": "SECRET THOUGHT"}}) for row in mixed.test_rows]
    page = render_explorer(ReportInputs(**(vars(mixed) | {"test_rows": rows})), NAMES)
    assert "SECRET THOUGHT" not in page


def test_turns_before_the_request(mixed: ReportInputs) -> None:
    """Each row has its own turns; a system prompt that many have is there once, and an assistant's thinking never."""
    system = ("system", f"You guard a bank. {HOSTILE[0]}")
    earlier = [("user", "Hello"), ("assistant", "<think-task>SECRET THOUGHT</think-task>Good day.")]
    page = explorer_json(with_turns(mixed, [system], [system, *earlier], []), NAMES)
    assert "SECRET THOUGHT" not in page
    assert page.count("You guard a bank.") == 1
    turns = json.loads(page)["rows"]["turns"]
    shown = [[tuple(turns["values"][place]) for place in places] for places in turns["of"]]
    assert sorted(map(len, shown)).count(0) == len(mixed.test_rows) // 3
    assert [system, ("user", "Hello"), ("assistant", "Good day.")] in shown
    assert {(len(said), count) for said, count in zip(shown, turns["earlier"], strict=True)} == {(0, 0), (1, 0), (3, 2)}


def test_many_turns_stay_small(mixed: ReportInputs) -> None:
    """Conversations of a hundred long turns, each of its own, are shortened until they fit."""
    long = [[("user", f"{row} {n} {'契約書' * 900}") for n in range(100)] for row in range(len(mixed.test_rows))]
    page = explorer_json(with_turns(mixed, *long), NAMES)
    assert set(json.loads(page)["rows"]["turns"]["earlier"]) == {100}
    assert len(page.encode()) < 1.5 * explorer_data.MOST_BYTES


def test_row_outside_the_split(mixed: ReportInputs) -> None:
    """An answered row without a text is shown, and says so."""
    page = explorer_json(ReportInputs(**(vars(mixed) | {"test_rows": mixed.test_rows[1:]})), NAMES)
    assert json.loads(page)["rows"]["text"].count("(text not in the test split)") == 1
