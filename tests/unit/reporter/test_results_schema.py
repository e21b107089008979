"""The published JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from tests.unit.reporter.rendering import Rendered

from so8t_reporter.results_schema import main, schema_text

PUBLISHED = Path(__file__).parents[3] / "docs" / "schema" / "ab_test_results.schema.json"


def test_published_schema_is_up_to_date() -> None:
    """The file in docs is what the command writes."""
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m so8t_reporter.results_schema docs/schema/ab_test_results.schema.json"
    )


def test_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a path the schema is written there, without one it is printed."""
    assert main([str(tmp_path / "schema.json")]) == 0
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == schema_text()
    assert capsys.readouterr().out == ""
    assert main([]) == 0
    assert capsys.readouterr().out == schema_text()


def test_results_fit_the_schema(rendered: Rendered, sparse_rendered: Rendered) -> None:
    """What the stage writes is valid, also where much is undefined."""
    validator = Draft202012Validator(json.loads(schema_text()))
    validator.check_schema(json.loads(schema_text()))
    for one in (rendered, sparse_rendered):
        validator.validate(json.loads(one.text("ab_test_results.json")))


def test_schema_refuses_what_does_not_fit(rendered: Rendered) -> None:
    """Unknown and missing keys are faults."""
    validator = Draft202012Validator(json.loads(schema_text()))
    results = json.loads(rendered.text("ab_test_results.json"))
    with pytest.raises(ValidationError):
        validator.validate(results | {"surprise": 1})
    del results["evaluation"]["gate"]
    with pytest.raises(ValidationError):
        validator.validate(results)
