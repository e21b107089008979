"""Control characters in a user's files reach neither the terminal nor what is logged; they are shown as escapes."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workspace import Workspace

EVIL = "\x1b]0;owned\x07\x9b31m\u202eevil\x00"[:-1]


def _model(w: Workspace, model: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    shutil.copytree(model, w.root / "model")
    path = w.root / "model" / name
    values = json.loads(path.read_text()) if path.exists() else {}
    change(values)
    path.write_text(json.dumps(values))
    w.edit(model_a={"base_model": "model"})


def _architecture(w: Workspace, model: Path) -> None:
    _model(w, model, "config.json", lambda values: values.update(architectures=[EVIL]))


def _size(w: Workspace, model: Path) -> None:
    _model(w, model, "config.json", lambda values: values.update(hidden_size=EVIL))


def _key(w: Workspace, model: Path) -> None:
    w.edit(**{EVIL: 1}, training={EVIL: 2})


def _broken_yaml(w: Workspace, model: Path) -> None:
    w.config.write_text(f'a: "{EVIL.encode("unicode_escape").decode()}"\n"{EVIL[-6:]}": [\n')


def _file_name(w: Workspace, model: Path) -> None:
    w.edit(dataset={"paths": [f"{EVIL}.jsonl"]})


def _rows(w: Workspace, row: dict[str, object]) -> None:
    (w.root / "rows.jsonl").write_text(json.dumps(row) + "\n")
    w.edit(dataset={"paths": ["rows.jsonl"], "source": {"license": "mit", "provenance": "a test"}})


def _label(w: Workspace, model: Path) -> None:
    _rows(w, {"text": "b", "label": EVIL})


def _row_key(w: Workspace, model: Path) -> None:
    _rows(w, {"text": "b", EVIL: EVIL})


@pytest.mark.parametrize("spoil", [_architecture, _size, _key, _broken_yaml, _file_name, _label, _row_key])
def test_what_is_refused_at_once(workspace: Workspace, tiny_llama: Path, spoil: Callable[..., None]) -> None:
    """The message shows the name as escapes, whatever it names."""
    spoil(workspace, tiny_llama)
    done = workspace.cli("run", "-c", "config.yaml")
    assert done.returncode == 2, done.stderr
    _assert_harmless(done.stdout + done.stderr)


def test_what_a_stage_says_and_logs(workspace: Workspace, tiny_llama: Path) -> None:
    """A template's own message is escaped on the terminal, in the stage's log, in its marker, and when shown again."""
    template = "{{ raise_exception(" + json.dumps(EVIL) + ") }}"
    _model(workspace, tiny_llama, "tokenizer_config.json", lambda values: values.update(chat_template=template))
    done = workspace.cli("stage", "convert-a", "-c", "config.yaml")
    assert done.returncode == 2, done.stderr
    assert r"\x1b]0;owned\x07\x9b31m\u202eevil" in done.stderr
    shown = [workspace.cli(*command, "-c", "config.yaml") for command in (["status"], ["logs", "convert-a", "--all"])]
    stored = [path.read_text("utf-8") for path in workspace.store.glob("sessions/*/convert-a/*.json*")]
    assert len(stored) >= 2
    for text in [done.stdout, done.stderr, *(each.stdout + each.stderr for each in shown), *stored]:
        _assert_harmless(text)


def _assert_harmless(text: str) -> None:
    bad = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} and c not in "\n\t"}
    assert bad == set(), text
    assert "\\x1b" in text or "owned" not in text, text
