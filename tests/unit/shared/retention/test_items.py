"""Neutral prompts: the shipped ones, and files of others with all their faults at once."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import yaml
from setuptools import Distribution
from tests.messages import Said
from tests.unit.shared.core_environment import ROOT

from so8t_shared.config.retention import SHIPPED
from so8t_shared.errors import InputError
from so8t_shared.retention.items import FEWEST, Item, read_items, which


def lines(count: int = FEWEST) -> list[str]:
    """Items without a fault, a line each."""
    return [json.dumps({"prompt": f"What is {i}?", "reference": f"{i}"}) for i in range(count)]


def write(folder: Path, text: str | bytes, name: str = "rows.jsonl") -> str:
    """A file; returns its path."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_the_shipped_set() -> None:
    """Half Japanese, half English, with every kind in both; read from the package, and told apart by its bytes."""
    items = read_items(SHIPPED)
    assert len(items) == 60
    counts = Counter((item.kind, item.language) for item in items)
    assert {kind for kind, _ in counts} == {"instructions", "arithmetic", "facts", "code"}
    assert all(counts[kind, "ja"] == counts[kind, "en"] for kind, _ in counts)
    assert len({item.prompt for item in items}) == 60
    assert all(max(map(len, (item.prompt, item.reference))) <= 100 for item in items)
    assert resources.files("so8t_shared.retention").joinpath("shipped.yaml").is_file()
    assert which(SHIPPED) != which("shipped.yaml") == which("rows.jsonl")


def test_the_wheel_has_the_shipped_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """setuptools packs the file with the package that reads it."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    assert {package: files for package, *_, files in command.data_files}["so8t_shared.retention"] == ["shipped.yaml"]


def test_both_forms(tmp_path: Path) -> None:
    """A JSONL and a YAML file with the same items give the same; kind and language may be left out."""
    text = "\n".join(["", *lines(), json.dumps({"prompt": "犬?", "reference": "いぬ", "kind": "x", "language": "ja"})])
    found = read_items(write(tmp_path, f"{text}\n"))
    assert found[0] == Item("What is 0?", "0", "other", "unknown")
    assert found[-1] == Item("犬?", "いぬ", "x", "ja")
    values = [json.loads(line) for line in text.splitlines() if line]
    assert read_items(write(tmp_path, yaml.safe_dump(values), "rows.yml")) == found


def test_all_faults_at_once(tmp_path: Path, said: Said) -> None:
    """Each fault with its line, what it is and what to do; a control character reaches no terminal."""
    wrong = [
        "{",
        '["prompt"]',
        '{"promt": "a", "reference": "b"}',
        '{"prompt": "a", "reference": " "}',
        '{"prompt": "a", "reference": 3, "kind": null}',
        '{"prompt": "What is 0?", "reference": "again"}',
        '{"prompt": "c", "reference": "d", "\\u001b[31m": 1}',
    ]
    path = write(tmp_path, "\n".join([*lines(), *wrong]))
    with said.raised(InputError) as raised:
        read_items(path)
    assert raised.value.exit_code == 2
    assert all(f"line {FEWEST + number}:" in raised.value.where for number in range(1, len(wrong) + 1))
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("few.jsonl", "\n".join(lines(FEWEST - 1)).encode()),
        ("empty.jsonl", b""),
        ("rows.yaml", b"prompt: x\n"),
        ("broken.yaml", b"- {prompt: x, reference: y\n- ["),
        ("latin.yaml", "- {prompt: é}".encode("latin-1")),
        ("latin.jsonl", '{"prompt": "é"}'.encode("latin-1")),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, data: bytes, said: Said) -> None:
    """Too few items, no list, no YAML, another encoding: one error, exit code 2."""
    with said.raised(InputError) as raised:
        read_items(write(tmp_path, data, name))
    assert raised.value.exit_code == 2


def test_no_file(tmp_path: Path, said: Said) -> None:
    """A missing file names the key and the path."""
    with said.raised(InputError) as raised:
        read_items(str(tmp_path / "none.jsonl"))
    assert "ab_test.retention.rows" in raised.value.where


def test_many_faults_are_counted(tmp_path: Path) -> None:
    """Of hundreds, the first are shown and the others counted."""
    with pytest.raises(InputError, match="300 faults") as raised:
        read_items(write(tmp_path, "x\n" * 300))
    assert raised.value.where.count("\n") == 21
