"""All faults of a data set at once."""

from __future__ import annotations

import json
from pathlib import Path

from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_trainer.data.faults import all_faults, by_kind
from so8t_trainer.data.read import read_source


def test_every_fault_is_told_with_its_places(tmp_path: Path, said: Said) -> None:
    """Broken lines, rows without a label and unknown ones, over all files of a folder; good rows do not matter."""
    bad = [*['{"text": "x"}'] * 7, '{"text": "x", "label": "MAYBE"}', '{"text": ', '{"text": "ok", "label": 0}']
    (tmp_path / "a.jsonl").write_text("\n".join(bad))
    (tmp_path / "b.csv").write_text("text,label\nx\ny,DENY\n")
    (tmp_path / "c.json").write_text("{}")
    with said.raised(InputError):
        read_source(str(tmp_path))


def test_a_lone_fault_is_itself(tmp_path: Path) -> None:
    """Its place stays the error's place."""
    fault = InputError("What.", where="here", remedy="do")
    assert all_faults([fault]) is fault


def test_many_kinds_are_capped(said: Said) -> None:
    """Twenty kinds, five places each, and how many more there are."""
    faults = [InputError(f"Unknown label {i % 30}.", where=f"f:{i}", remedy="correct it") for i in range(300)]
    assert [(kind.count, len(kind.places)) for kind in by_kind(faults)] == [(10, 5)] * 30
    said(all_faults(faults))


def test_a_fault_does_not_hide_the_rows_after_it(tmp_path: Path, said: Said) -> None:
    """Lines are counted on."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps({"text": "a", "label": "DENY"}), "{", "[1]", '{"text": "b", "label": 9}']))
    with said.raised(InputError) as caught:
        read_source(str(path))
    assert all(f"{path}:{line}" in caught.value.where for line in (2, 3, 4))
