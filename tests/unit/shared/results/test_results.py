"""The documents that stages exchange: versioned, undefined never zero; `test_documents.py` reads every kind."""

from __future__ import annotations

import json

import pytest
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings

from so8t_reporter.assembly import assemble_results
from so8t_shared.errors import NewerFormat
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.evaluation import ClassMetrics


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> AbTestResults:
    return assemble_results(read(write_folders(tmp_path_factory.mktemp("upstream"))), settings())


def test_a_newer_version_is_told_apart(results: AbTestResults) -> None:
    """Of the results, and of a document inside them."""
    whole = results.model_dump(mode="json")
    data = whole["data"]
    for newer in (
        {**whole, "schema_version": whole["schema_version"] + 1},
        {**whole, "data": {**data, "schema_version": data["schema_version"] + 1}},
    ):
        with pytest.raises(NewerFormat):
            AbTestResults.from_bytes(json.dumps(newer), "here")


def test_results_survive_their_file(results: AbTestResults) -> None:
    """ab_test_results.json is read back as it was written."""
    assert AbTestResults.from_bytes(results.model_dump_json(indent=2), "here") == results


def test_the_headline_is_the_primary_cell(results: AbTestResults) -> None:
    """The sentence at the end speaks of the quantization that ships, under the scoring that decides."""
    evaluation = results.evaluation
    assert (evaluation.headline.quantization, evaluation.headline.scoring) == (
        evaluation.primary_quantization,
        evaluation.primary_scoring,
    )
    for comparison in evaluation.comparisons:
        update = {"primary_quantization": comparison.quantization, "primary_scoring": comparison.scoring}
        assert evaluation.model_copy(update=update).headline == comparison


def test_undefined_is_null(results: AbTestResults) -> None:
    """A recall without a row is None in the file; 0 would be a claim."""
    metrics = ClassMetrics(support=0, precision=None, recall=None, f1=None)
    assert metrics.model_dump_json() == '{"support":0,"precision":null,"recall":null,"f1":null}'
