"""The records that stages exchange: strict, versioned, undefined never zero."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import pytest
from pydantic import BaseModel, ValidationError
from tests.unit.reporter.builders_upstream import write_folders
from tests.unit.reporter.rendering import read, settings

from so8t_reporter.assembly import assemble_results
from so8t_shared import results as records
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.evaluation import ClassMetrics
from so8t_shared.results.record import Record

MODULES = [import_module(f"{records.__name__}.{found.name}") for found in iter_modules(records.__path__)]
KINDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Record) and kind.__module__ == module.__name__
]
VERSIONED = [
    "EvaluationResult",
    "TrainingResult",
    "DataReport",
    "ChatInfo",
    "ConversionResult",
    "Registry",
    "Targets",
    "AbTestResults",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> AbTestResults:
    return assemble_results(read(write_folders(tmp_path_factory.mktemp("upstream"))), settings())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_is_strict(kind: type[BaseModel]) -> None:
    """A field of a newer writer is noticed, not dropped."""
    assert kind.model_config.get("extra") == "forbid"
    assert kind.__doc__


def test_files_carry_their_version(results: AbTestResults) -> None:
    """Every record that is a file of its own has a schema version, and another one is refused."""
    versioned = {kind.__name__ for kind in KINDS if "schema_version" in kind.model_fields}
    assert versioned == set(VERSIONED)
    with pytest.raises(ValidationError, match="schema_version"):
        AbTestResults.model_validate({**results.model_dump(), "schema_version": 4})


def test_results_survive_their_file(results: AbTestResults) -> None:
    """ab_test_results.json is read back as it was written."""
    assert AbTestResults.model_validate_json(results.model_dump_json()) == results


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
