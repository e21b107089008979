"""Model cards and results for a hub, made of a bundle."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, eval_result_entries_to_yaml, parse_eval_result_entries
from markdown_it import MarkdownIt
from tests.unit.bundled import Bundles
from tests.unit.reporter.builders import ended_after

from so8t_reporter.card.facts import Facts, HubNames
from so8t_reporter.card.wording import ENGLISH, JAPANESE, Wording
from so8t_reporter.card.writing import facts_of, rendered, write_card
from so8t_shared import formatting as fmt
from so8t_shared.bundles.scratch import scratch_folder
from so8t_shared.bundles.verifying import verify
from so8t_shared.config.models import ModelB
from so8t_shared.results.gate import Decision
from so8t_shared.results.verdicts import Verdict
from so8t_shared.tables import metrics

NAMES = {"base_model": "org/base", "license": "apache-2.0", "dataset": "org/rows", "task": "four_classes"}
DOCUMENTED = {"id", "task_id", "revision", "value", "verifyToken", "date", "source", "evaluation_framework", "notes"}
"""Keys of huggingface.co/docs/hub/eval-results."""


@pytest.fixture(scope="module")
def facts(bundles: Bundles) -> Iterator[Facts]:
    """What the cards of the signed bundle tell; its files are there as long as the tests run."""
    with scratch_folder() as scratch:
        proof = verify(bundles.signed, scratch)
        yield facts_of(scratch, proof, HubNames(**NAMES))


@pytest.fixture(scope="module")
def card(bundles: Bundles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all files."""
    folder = tmp_path_factory.mktemp("card")
    with scratch_folder() as scratch:
        proof = verify(bundles.signed, scratch)
        written = write_card(scratch, folder, proof, NAMES)
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written)
    return folder


def test_the_hubs_own_reader_reads_the_metadata(card: Path, facts: Facts) -> None:
    """Language, license and base as they were named; each figure of B under the data set."""
    data = ModelCard.load(card / "README.md").data
    assert (data.license, data.base_model, data.language) == ("apache-2.0", "org/base", ["en", "ja"])
    assert data.model_name == facts.title
    found = {result.metric_type: result.metric_value for result in data.eval_results or []}
    rates = {rate.metric: rate.b.value for rate in facts.figures if rate.b}
    assert found == {{"macro_f1": "f1"}.get(k, k): pytest.approx(v, abs=5e-5) for k, v in rates.items()}
    assert {result.dataset_type for result in data.eval_results or []} == {"org/rows"}


def test_the_results_are_as_the_hub_documents_them(card: Path, facts: Facts) -> None:
    """One entry, whose keys are all documented, which the hub's own library reads and writes alike."""
    loaded = yaml.safe_load((card / ".eval_results/so8t-ab.yaml").read_text("utf-8"))
    (entry,) = parse_eval_result_entries(loaded)
    assert eval_result_entries_to_yaml([entry]) == loaded
    assert {*loaded[0], *loaded[0]["dataset"]} - {"dataset"} <= DOCUMENTED
    assert (entry.dataset_id, entry.task_id) == ("org/rows", "four_classes")
    b = next(rate.b for rate in facts.figures if rate.metric == "accuracy")
    assert b is not None
    assert entry.value == pytest.approx(b.value, abs=5e-5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(entry.date))
    assert facts.proof.session_id in str(entry.notes)


def _cells(text: str) -> set[str]:
    """Texts of all cells of all tables, as a reader sees them."""
    tokens = MarkdownIt().enable("table").parse(text)
    return {token.content.replace("\\", "") for token in tokens if token.type == "inline"}


@pytest.mark.parametrize("wording", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_both_languages_tell_the_same(facts: Facts, wording: Wording) -> None:
    """Every figure with its interval, every clause with its result, every file with its digest."""
    text = rendered(facts, wording)
    cells = _cells(text)
    for rate in facts.figures:
        assert {wording.metrics[rate.metric], wording.value(rate, rate.b), wording.difference(rate)} <= cells
    for clause in facts.clauses:
        assert wording.bound(clause) in cells
        assert wording.decisions[clause.result.result] in cells
    assert {file.sha256 for file in facts.files} <= cells
    assert text.count("## ") == 8
    assert wording.verdicts[facts.headline.verdict] in text
    assert facts.proof.key_id in text
    for clause in facts.undecided:
        assert text.count(clause.result.name) >= 2, "in the table, and among what could not be decided"
    assert "undefined" not in text
    assert "None" not in text


def test_intervals_are_those_of_the_results(facts: Facts) -> None:
    """In points and percent, with the ends that the evaluation has."""
    rate = next(rate for rate in facts.figures if rate.metric == "false_allow")
    assert rate.b is not None
    ends = f"{100 * rate.b.low:.1f}", f"{100 * rate.b.high:.1f}"
    assert ENGLISH.value(rate, rate.b) == f"{fmt.percent(rate.b.value)} ({ends[0]} to {ends[1]})"
    assert JAPANESE.value(rate, rate.b) == f"{fmt.percent(rate.b.value)}（{ends[0]}～{ends[1]}）"


@pytest.mark.parametrize("wording", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_every_word_has_its_translation(wording: Wording) -> None:
    """A new metric, verdict or decision needs one in each language; Japanese has no English sentence among them."""
    assert set(wording.metrics) == {row.name for row in metrics.ROWS}
    assert set(wording.verdicts) == set(Verdict)
    assert set(wording.decisions) == set(Decision)
    if wording is JAPANESE:
        words = [*wording.verdicts.values(), *wording.decisions.values()]
        assert all(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", word) for word in words)


@pytest.mark.parametrize("wording", [ENGLISH, JAPANESE], ids=["en", "ja"])
def test_a_model_that_was_made_elsewhere(facts: Facts, wording: Wording) -> None:
    """Its card does not claim a training that it never had."""
    model = ModelB.model_validate({"gguf": "other.gguf"})
    external = Facts(facts.config.model_copy(update={"model_b": model}), facts.inputs, facts.proof, HubNames(), "")
    assert external.training is None
    trained, told = rendered(facts, wording), rendered(external, wording)
    assert "lora" in trained
    assert "lora" not in told


def test_what_an_author_writes_stays_text(facts: Facts) -> None:
    """A description can neither start HTML nor break a table."""
    assert facts.config.model_b is None or "<" not in facts.description
    section = facts.config.model_a.model_copy(update={"base_model": "<script>|x"})
    hostile = facts.config.model_copy(update={"model_a": section, "model_b": None})
    text = rendered(Facts(hostile, facts.inputs, facts.proof, HubNames(), facts.tested), ENGLISH)
    assert "<script>" not in text.replace("\\<script>", "")


def test_an_early_end(facts: Facts) -> None:
    """Both languages say how many rows were asked; without it, neither mentions it."""
    evaluation = facts.evaluation.model_copy(update={"until_decided": ended_after(48, 144)})
    early = replace(facts, inputs=replace(facts.inputs, evaluation=evaluation))
    for wording, words in (
        (ENGLISH, "stopped after 48 of 144 rows; 96 rows saved"),
        (JAPANESE, "144行のうち48行で終了"),
    ):
        assert words in rendered(early, wording)
        assert words not in rendered(facts, wording)
