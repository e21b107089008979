"""Neutral prompts: what is accepted, and the clause that follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.shared.config.conftest import MINIMAL, Refused, keys_of, write

from so8t_shared.config.load import load_config
from so8t_shared.config.model import AbTest
from so8t_shared.config.retention import SHIPPED, Retention


def _file(tmp_path: Path, **sections: Any) -> Path:
    return write(tmp_path, MINIMAL + (yaml.safe_dump(sections) if sections else ""))


@pytest.mark.parametrize(
    "settings",
    [
        {"ab_test": {"retention": {"margin": 0}}},
        {"ab_test": {"retention": {"row": "x"}}},
        {"ab_test": {"retention": {"required": "perhaps"}}},
        {"ab_test": {"retention": SHIPPED, "gate": [Retention().clause.model_dump(exclude_none=True)]}},
        {
            "ab_test": {"retention": SHIPPED, "engine": "ollama"},
            "model_b": {"ollama": "theirs:1"},
            "gguf": {"quantizations": ["q8_0"]},
        },
    ],
)
def test_what_is_refused(tmp_path: Path, settings: dict[str, Any], refused: Refused) -> None:
    """No margin, an unknown key, two clauses of one name, a model without a file: exit code 2, one fault."""
    assert len(keys_of(refused(_file(tmp_path, **settings)))) == 1


def test_forms(tmp_path: Path) -> None:
    """Off by default; the rows alone or a section; the shipped set and a required clause unless another is named."""
    assert load_config(_file(tmp_path)).ab_test.retention is None
    for given in (SHIPPED, {}, {"rows": SHIPPED, "margin": 0.1, "required": True}):
        assert load_config(_file(tmp_path, ab_test={"retention": given})).ab_test.retention == Retention()
    assert load_config(_file(tmp_path, ab_test={"retention": "rows.yaml"})).ab_test.retention == Retention(
        rows="rows.yaml"
    )


def test_the_clause() -> None:
    """It comes after the gate's own clauses, which stay as they are, with the section's margin and `required`."""
    off, on = (AbTest.model_validate(given) for given in ({}, {"retention": {"margin": 0.3, "required": False}}))
    assert on.gate == off.gate == off.clauses
    (clause,) = on.clauses[len(on.gate) :]
    assert (clause.metric, clause.margin, clause.required) == ("retention", 0.3, False)


def test_a_stronger_key_keeps_the_rows(tmp_path: Path) -> None:
    """A margin from the command line keeps the rows that the file, or an earlier key, has set."""
    path = _file(tmp_path, ab_test={"retention": "rows.yaml"})
    found = load_config(path, ["ab_test.retention.margin=0.4"]).ab_test.retention
    assert found == Retention(rows="rows.yaml", margin=0.4)
    found = load_config(path, ["ab_test.retention=other.yaml", "ab_test.retention.margin=0.4"]).ab_test.retention
    assert found == Retention(rows="other.yaml", margin=0.4)
    assert load_config(path, ["ab_test.retention=null"]).ab_test.retention is None


def test_a_path_of_another_host(tmp_path: Path) -> None:
    """The rows alone are a path like any other: on a drive, they are read below inputs_root."""
    (tmp_path / "rows.yaml").touch()
    path = _file(tmp_path, ab_test={"retention": "D:/rows.yaml"}, inputs_root=str(tmp_path))
    found = load_config(path).ab_test.retention
    assert found is not None
    assert found.rows == str(tmp_path / "rows.yaml")
